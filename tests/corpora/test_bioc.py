import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import bioc, catalogue
from clinspan.corpora.catalogue import recognise
from clinspan.corpora.format import Unit
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError

XML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>x</source><date>2026</date><key>k</key>
<document><id>7</id><infon key="journal">J</infon>
<passage><infon key="type">title</infon><offset>0</offset><text>Ataxia &amp; TNF-β 😀</text>
<annotation id="A"><infon key="type">Gene</infon><infon key="identifier">NCBI:7124</infon>
<location offset="{gene}" length="{length}"/><text>TNF-β</text></annotation></passage>
<passage><infon key="type">abstract</infon><offset>{abstract}</offset>
<sentence><offset>{abstract}</offset><text>Left and right pain.</text>
<annotation id="B"><infon key="type">Problem</infon><infon key="note">n</infon>
<location offset="{left}" length="4"/><location offset="{pain}" length="4"/><text>Left pain</text></annotation>
</sentence><relation id="R1"><infon key="type">causes</infon><node refid="A" role="cause"/>
<node refid="B" role="effect"/></relation>
</passage></document>
<document><id>8</id><passage><offset>0</offset><text>Nothing.</text></passage></document>
</collection>
"""
POINTS = XML.format(gene=9, length=5, abstract=17, left=17, pain=32)
BYTES = XML.format(gene=9, length=6, abstract=21, left=21, pain=36)
TEXT = "Ataxia & TNF-β 😀\nLeft and right pain."


def put(tmp_path, content, name="x.xml"):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("content", [POINTS, BYTES])
def test_offsets_in_either_unit_are_the_same_document(tmp_path, content):
    first, second = catalogue.read(put(tmp_path, content))
    assert (first.id, first.text, second) == ("7", TEXT, Document("8", "Nothing."))
    assert first.entities == (
        Entity(Span(9, 14), "Gene", "TNF-β", concepts=(Concept("NCBI:7124", "TNF-β", "NCBI"),)),
        Entity(
            Span(17, 36),
            "Problem",
            "Left and right pain",
            fragments=(Span(17, 21), Span(32, 36)),
            attributes={"note": "n"},
        ),
    )
    assert first.metadata["bioc"] == {
        "infons": {"journal": "J"},
        "passages": [[0, 16, {"type": "title"}], [17, 37, {"type": "abstract"}]],
        "ids": ["A", "B"],
        "relations": [
            {
                "id": "R1",
                "infons": {"type": "causes"},
                "nodes": [{"refid": "A", "role": "cause"}, {"refid": "B", "role": "effect"}],
            }
        ],
    }


@pytest.mark.parametrize("form", ["bioc-xml", "bioc-json"])
def test_what_is_written_is_what_was_read(tmp_path, form):
    documents = list(catalogue.read(put(tmp_path, POINTS)))
    out = tmp_path / "out"
    catalogue.write(documents, out, format=form)
    assert recognise(out).format == form
    assert list(catalogue.read(out)) == documents


def test_json_of_other_makers_is_read(tmp_path):
    passage = {"offset": 0, "infons": {}, "text": "TNF", "annotations": []}
    passage["annotations"].append(
        {
            "id": "1",
            "infons": {"type": "Gene", "identifier": None},
            "text": "TNF",
            "locations": [{"offset": 0, "length": 3}],
        }
    )
    document = {"id": 12, "passages": [passage]}
    for content in (
        document,
        [document],
        {"documents": [document]},
        {"PubTator3": [document]},
        [{"documents": [document]}],
    ):
        (read,) = catalogue.read(put(tmp_path, json.dumps(content), "x.json"))
        assert read == Document("12", "TNF", (Entity(Span(0, 3), "Gene", "TNF"),))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<text>TNF-β</text>", "<text>TNF</text>", "line 6: 'TNF-β' stands at 9, not 'TNF'"),
        ('offset="9"', 'offset="999"', "line 6: 999 and 5 on: 999 is not within the text"),
        ('length="5"', 'length="0"', "line 6: 9 and 0 on: a span needs"),
        ('offset="9"', 'offset="x"', "line 6: 'offset' is 'x'"),
        ('<infon key="type">Gene</infon>', "", "line 6: an annotation has no type"),
        ('<location offset="9" length="5"/>', "", "line 6: an annotation has no location"),
    ],
)
def test_a_wrong_annotation_is_named_and_lenient_goes_on_without_it(tmp_path, split, old, new, says):
    path = put(tmp_path, POINTS.replace(old, new))
    documents, errors = split(catalogue.read(path))
    assert [d.id for d in documents] == ["8"]
    assert f"{path}, {says}" in str(errors[0])
    documents, errors = split(catalogue.read(path, lenient=True))
    assert [len(d.entities) for d in documents] == [1, 0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<offset>17</offset>", "<offset>3</offset>", "begins at 3, within the text before it"),
        ("<offset>17</offset>", "<offset>99999999</offset>", "past the text before it"),
        ("<id>7</id>", "", "line 4: 'id' is missing"),
    ],
)
def test_passages_that_cannot_be_put_together_are_an_error(tmp_path, split, old, new, says):
    documents, errors = split(catalogue.read(put(tmp_path, POINTS.replace(old, new)), lenient=True))
    assert [d.id for d in documents] == ["8"]
    assert says in str(errors[0])


BOMB = (
    '<!DOCTYPE c [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><collection><document><id>&b;</id></document></collection>'
)


@pytest.mark.parametrize(
    ("content", "says", "before"),
    [
        (POINTS[: POINTS.index("Nothing")], "no element found", 1),
        (POINTS.replace("<id>8</id>", "<id>8</ID>"), "line 15: is not XML that can be read: mismatched tag", 1),
        (POINTS.replace("Nothing.", "&alpha;"), "line 15: uses or declares the entity 'alpha'", 1),
        (BOMB, "line 1: uses or declares the entity 'a'", 0),
        ('<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><collection/>', "declares the entity 'a'", 0),
        ("<html/>", "it begins with <html>", 0),
        ("", "no element found", 0),
    ],
)
def test_xml_that_breaks_off_or_declares_entities_is_refused(tmp_path, split, content, says, before):
    documents, errors = split(bioc.read_xml(put(tmp_path, content)))
    assert len(documents) == before
    assert says in str(errors[0])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"documents": [\n{]}', "line 2: is not JSON"),
        ('{"x": 1}', "is not a BioC collection"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_json_of_bioc_is_an_error(tmp_path, content, says):
    with pytest.raises(InputError, match=says):
        list(bioc.read_json(put(tmp_path, content)))


@pytest.mark.parametrize(
    "content", [{"id": "1", "passages": 3}, {"id": "1", "passages": [{"offset": 0, "infons": [1]}]}]
)
def test_json_of_another_shape_is_an_error(tmp_path, split, content):
    documents, errors = split(bioc.read_json(put(tmp_path, json.dumps(content))))
    assert (documents, len(errors)) == ([], 1)


def test_characters_that_xml_lacks_are_replaced_so_that_offsets_stay(tmp_path):
    out = tmp_path / "x.xml"
    catalogue.write([Document("a", "a\x01b", (Entity(Span(2, 3), "x", "b"),))], out, format="bioc-xml")
    (again,) = catalogue.read(out)
    assert (again.text, again.entities[0].start) == ("a\ufffdb", 2)


@pytest.mark.parametrize("form", ["xml", "json"])
@pytest.mark.parametrize("unit", [Unit.CODE_POINT, Unit.BYTE])
@given(
    text=st.text(st.sampled_from('ab \n\ré😀<&"]>\t'), min_size=1, max_size=40),
    places=st.lists(st.lists(st.integers(0, 40), min_size=2, max_size=6, unique=True).map(sorted), max_size=4),
)
def test_offsets_come_back_in_both_units(tmp_path_factory, form, unit, text, places):
    entities = []
    for place in places:
        ends = [at for at in place if at <= len(text)]
        spans = tuple(Span(a, b) for a, b in zip(ends[::2], ends[1::2], strict=False))
        if spans:
            hull = Span(spans[0].start, spans[-1].end)
            entities.append(Entity(hull, "x", hull.of(text), score=0.25, fragments=spans if len(spans) > 1 else ()))
    document = Document("a", text, tuple(entities))
    path = tmp_path_factory.mktemp("bioc") / "x"
    write, read = (bioc.write_xml, bioc.read_xml) if form == "xml" else (bioc.write_json, bioc.read_json)
    path.write_text("".join(write([document], unit=unit)), encoding="utf-8", newline="")
    assert list(read(path, unit=unit)) == [document]
