import json
import lzma

import pytest

from clinspan.dictionary.build import build, resolve
from clinspan.dictionary.sources.obo import Obo
from clinspan.dictionary.sources.packaged import doid_types
from clinspan.dictionary.sources.rrf import Rrf, RrfFilter
from clinspan.dictionary.sources.tabular import OwnList, mondo_equivalents, stated_code
from clinspan.dictionary.store import Dictionary
from clinspan.errors import DictionaryError

CONSO = """\
C1|ENG|P|L1|PF|S1|Y|A2||||MSH|MH|D1|Heart "attack"|0|N||
C1|ENG|S|L2|PF|S2|Y|A1||||NCI|SY|N1|MI|0|N||
C1|FRE|P|L3|PF|S3|Y|A3||||MSHFRE|MH|D1|Crise cardiaque|0|N||
C2|ENG|P|L4|PF|S4|Y|A4||||MSH|MH|D2|Old name|0|O||
C3|ENG|P|L5|PF|S5|Y|A5||||NCI|PT|N3|Gout|0|N||
"""
STY = """\
C1|T047|B2|Disease or Syndrome|AT1||
C1|T033|A2|Finding|AT2||
C2|T033|A2|Finding|AT3||
C3|T047|B2|Disease or Syndrome|AT4||
"""
DEF = "C1|A1|AT9||NCI|Second.|N||\nC1|A1|AT8||MSH|First.|N||\nC3|A5|AT7||NCI|Withdrawn.|O||\n"


@pytest.fixture
def meta(tmp_path):
    folder = tmp_path / "META"
    folder.mkdir()
    (folder / "MRCONSO.RRF").write_text(CONSO)
    (folder / "MRSTY.RRF").write_text(STY)
    (folder / "MRDEF.RRF").write_text(DEF)
    return folder


def test_rrf_keeps_all_types_and_definitions_and_each_names_source(meta):
    one, three = Rrf(meta).entries()
    assert [(term.text, term.source, term.preferred) for term in one.terms] == [
        ('Heart "attack"', "MSH", True),
        ("MI", "NCI", False),
    ]
    assert one.types == ("Disease or Syndrome", "Finding")
    assert one.definitions == ("First.", "Second.")
    assert (three.id, three.definitions) == ("C3", ())


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (RrfFilter(languages=("FRE",)), ["Crise cardiaque"]),
        (RrfFilter(languages=()), ['Heart "attack"', "Crise cardiaque", "MI", "Gout"]),
        (RrfFilter(sources=("NCI",)), ["MI", "Gout"]),
        (RrfFilter(term_types=("MH",)), ['Heart "attack"']),
        (RrfFilter(keep_suppressed=True), ['Heart "attack"', "MI", "Old name", "Gout"]),
    ],
)
def test_rrf_filters(meta, keep, names):
    assert [term.text for entry in Rrf(meta, keep).entries() for term in entry.terms] == names


def test_rrf_without_definitions_has_none(meta):
    (meta / "MRDEF.RRF").unlink()
    assert [entry.definitions for entry in Rrf(meta).entries()] == [(), ()]


def test_mrfiles_says_the_order_of_columns(meta):
    (meta / "MRFILES.RRF").write_text("MRSTY.RRF|Types|STY,TUI,STN,CUI,ATUI,CVF|6|4|100|\n")
    (meta / "MRSTY.RRF").write_text("Virus|T005|A1|C3|AT1||\n")
    assert [entry.types for entry in Rrf(meta).entries()] == [(), ("Virus",)]
    (meta / "MRFILES.RRF").write_text("MRSTY.RRF|Types|STY,TUI|6|4|100|\n")
    with pytest.raises(DictionaryError, match=r"MRFILES\.RRF: gives MRSTY\.RRF no column CUI"):
        list(Rrf(meta).entries())


def test_versions_and_type_definitions_are_read_where_present(meta, tmp_path):
    (meta / "MRSAB.RRF").write_text("C9|C8|MSH2026|MSH|MeSH|MSH|2026|||||||0||||||ENG|||\n")
    (meta / "SRDEF").write_text("STY|T047|Disease or Syndrome|B2|A condition.||||dsyn||\nRL|T1|isa|H|x|||||\n")
    build([Rrf(meta)], tmp_path / "d")
    found = Dictionary.open(tmp_path / "d")
    assert found.type_definitions == {"Disease or Syndrome": "A condition."}
    versions = {source.name: (source.version, source.licence) for source in found.info.sources}
    assert versions == {"MSH": ("2026", "UMLS restriction level 0"), "NCI": ("not stated", "not stated")}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("MRCONSO.RRF", CONSO + "C4|ENG|P\n", r"MRCONSO\.RRF:6: the row has 2 columns; expected 18"),
        ("MRSTY.RRF", "C1|T047|\n", r"MRSTY\.RRF:1: the row has 2 columns; expected 6"),
        ("MRDEF.RRF", DEF.encode("utf-16"), r"MRDEF\.RRF"),
        ("MRCONSO.RRF", CONSO.replace("Gout", "Gouté").encode("latin-1"), r"MRCONSO\.RRF:5: is not UTF-8"),
    ],
)
def test_a_bad_rrf_row_is_named_by_file_and_line(meta, file, content, message):
    (meta / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DictionaryError, match=message):
        list(Rrf(meta).entries())


@pytest.mark.parametrize("file", ["MRCONSO.RRF", "MRSTY.RRF"])
def test_a_release_without_names_or_types_is_refused(meta, file):
    (meta / file).unlink()
    with pytest.raises(DictionaryError, match=rf"{file}: is missing"):
        resolve(str(meta.parent))


def test_a_release_is_counted_as_it_is(shared, tmp_path):
    build(resolve(str(shared("vocab/rrf"))), tmp_path)
    info = Dictionary.open(tmp_path).info
    assert (info.concepts, info.names, info.definitions) == (16850, 51634, 13261)


@pytest.mark.parametrize(
    ("file", "concepts", "synonyms", "definitions"),
    [("doid.jsonl", 12246, 20242, 9966), ("mondo_labels.jsonl", 28446, 41806, 0)],
)
def test_lists_are_counted_as_they_are(shared, file, concepts, synonyms, definitions):
    path = shared(f"vocab/{file}")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    (source,) = resolve(str(path))
    entries = list(source.entries())
    assert [len(rows), len(entries), len({entry.id for entry in entries})] == [concepts] * 3
    # The lists say some names twice, or the concept's own among its synonyms; an entry has each once.
    assert sum(len(row["synonyms"]) for row in rows) == synonyms
    assert [{term.text for term in entry.terms} for entry in entries] == [
        {row["name"], *row["synonyms"]} for row in rows
    ]
    assert all(len({term.text for term in entry.terms}) == len(entry.terms) for entry in entries)
    assert sum(len(entry.definitions) for entry in entries) == definitions


OBO = """\
format-version: 1.2
data-version: releases/2026
ontology: doid
property_value: terms:license https://creativecommons.org/publicdomain/zero/1.0/

[Term]
id: DOID:4
name: disease

[Term]
id: DOID:1
name: gout
def: "A \\"red\\" toe." [url:x]
synonym: "podagra" EXACT []
synonym: "toe trouble" RELATED []
is_a: DOID:4 ! disease

[Term]
id: DOID:2
name: old gout
is_obsolete: true

[Term]
id: DOID:3
name: gouty tumor
is_a: DOID:14566 ! disease of cellular proliferation

[Typedef]
id: part_of
name: part of
"""


def test_obo_terms_with_exact_synonyms(tmp_path):
    file = tmp_path / "doid.obo"
    file.write_text(OBO)
    (source,) = resolve(str(file))
    gout, tumor = source.entries()
    assert [term.text for term in gout.terms] == ["gout", "podagra"]
    assert gout.definitions == ('A "red" toe.',)
    assert (gout.types, tumor.types) == (("Disease or Syndrome",), ("Neoplastic Process",))
    (info,) = source.infos()
    assert (info.name, info.version) == ("DOID", "releases/2026")
    assert info.licence.startswith("https://creativecommons.org")
    assert doid_types("DOID:150", frozenset({"DOID:150"})) == ("Mental or Behavioral Dysfunction",)
    other = Obo(file, scopes=("RELATED",), name="X")
    assert [term.text for term in list(other.entries())[1].terms] == ["gout", "toe trouble"]


def test_a_compressed_obo_is_read_as_the_plain_one(tmp_path):
    plain, packed = tmp_path / "doid.obo", tmp_path / "doid.obo.xz"
    plain.write_text(OBO)
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    assert list(Obo(packed).entries()) == list(Obo(plain).entries())
    assert Obo(packed).infos() == Obo(plain).infos()
    for damaged in (packed.read_bytes()[:-20], b"no xz"):
        packed.write_bytes(damaged)
        with pytest.raises(DictionaryError, match=r"doid\.obo\.xz: cannot be decompressed"):
            list(Obo(packed).entries())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello\n", r"x\.obo: has no \[Term\]"),
        (b"[Term]\nid: X:1\nname gout\n", r"x\.obo:3: 'name gout' is not a line of a term"),
        (b"[Term]\nid: X:1\nname: g\xe9ne\n", r"x\.obo:3: byte 8 of the line is not UTF-8"),
    ],
)
def test_what_is_no_obo_is_named(tmp_path, content, message):
    (tmp_path / "x.obo").write_bytes(content)
    with pytest.raises(DictionaryError, match=message):
        list(Obo(tmp_path / "x.obo").entries())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("own.tsv", "id\tname\tsynonyms\ttype\tdefinition\n1\tgout\tpodagra| toe \tDisease or Syndrome\tA toe.\n"),
        ("own.csv", '\ufeffid,name,synonyms,types,definition\n1,gout,"podagra|toe",Disease or Syndrome,A toe.\n'),
        (
            "own.jsonl",
            '{"id": 1, "name": "gout", "synonyms": ["podagra", "toe"], "semantic_type": "Disease or Syndrome", '
            '"definition": "A toe.", "xrefs": []}\n\n',
        ),
    ],
)
def test_a_list_of_ones_own(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    (source,) = resolve(str(tmp_path / name))
    (entry,) = source.entries()
    assert [term.text for term in entry.terms] == ["gout", "podagra", "toe"]
    assert (entry.id, entry.types, entry.definitions) == ("1", ("Disease or Syndrome",), ("A toe.",))
    assert [info.name for info in source.infos()] == ["own"]


def test_types_are_taken_from_the_command_line_where_a_row_has_none(tmp_path):
    (tmp_path / "own.tsv").write_text("name\ngout\n")
    (entry,) = OwnList(tmp_path / "own.tsv", types=("Finding",)).entries()
    assert (entry.id, entry.types) == ("gout", ("Finding",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", b"name\ttype\ngout\n", r"x\.tsv:2: the row has 1 columns; expected 2"),
        ("x.tsv", b"nmae\ngout\n", r"x\.tsv:1: unknown column 'nmae'\. Did you mean 'name'"),
        ("x.csv", b"id\n1\n", r"x\.csv:1: has no column name"),
        ("x.csv", b"name\n\n\xff\n", r"x\.csv:3: byte 1 of the line is not UTF-8"),
        ("x.tsv", b"id\tname\n1\t\n", r"x\.tsv:2: the row has no name"),
        ("x.jsonl", b'{"name": "a"}\n{"name"\n', r"x\.jsonl:2: is not JSON"),
        ("x.jsonl", b"[]\n", r"x\.jsonl:1: is not a JSON object"),
        ("x.jsonl", b'{"name": ["a"]}\n', r"x\.jsonl:1: 'name' is list; expected text"),
        ("x.jsonl", b'{"name": "a", "synonyms": [1]}\n', r"x\.jsonl:1: 'synonyms' is not a list of texts"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DictionaryError, match=message):
        list(OwnList(tmp_path / name).entries())


@pytest.mark.parametrize("name", ["missing.tsv", "x.pdf"])
def test_what_is_no_source_is_refused(tmp_path, name):
    (tmp_path / "x.pdf").write_bytes(b"")
    with pytest.raises(DictionaryError, match="expected a folder of UMLS"):
        resolve(str(tmp_path / name))


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("MSH:D009203", "MESH:D009203"),
        ("UMLS_CUI:C0027051", "UMLS:C0027051"),
        ("SNOMEDCT_US_2023_03_01:22298006", "SNOMEDCT_US:22298006"),
        ("ICD10CM:E08-E13", None),
        ("MESH:1622152", None),
        ("Wikipedia:Gout", None),
        ("OMIM:", None),
        ("gout", None),
    ],
)
def test_a_code_has_one_spelling(written, code):
    assert stated_code(written) == code


def test_mondo_states_what_comes_with_clinspan():
    found = mondo_equivalents()
    assert len(found) > 18_000
    assert found["MONDO:0010679"] == ("MESH:D020388", "OMIM:310200", "UMLS:C0013264")
    assert all(stated_code(code) == code for codes in found.values() for code in codes)


MONDO_OBO = """\
ontology: mondo

[Term]
id: MONDO:1
name: gout
xref: MESH:D006073 {source="MONDO:equivalentTo", source="DOID:13189"}
xref: OMIM:138900 {source="MONDO:relatedTo"}
xref: SCTID:90560007 {source="MONDO:equivalentTo"}
xref: Wikipedia:Gout
"""


def test_obo_keeps_ids_of_other_vocabularies_and_of_mondos_those_it_calls_equivalent(tmp_path):
    (tmp_path / "x.obo").write_text(MONDO_OBO)
    (tmp_path / "y.obo").write_text(MONDO_OBO.replace("MONDO:1", "Y:1"))
    (mondo,), (other,) = Obo(tmp_path / "x.obo").entries(), Obo(tmp_path / "y.obo").entries()
    assert mondo.equivalents == ("MESH:D006073", "SNOMEDCT_US:90560007")
    assert other.equivalents == ("MESH:D006073", "OMIM:138900", "SNOMEDCT_US:90560007")


SSSOM = """\
# license: https://creativecommons.org/licenses/by/4.0/
subject_id\tsubject_label\tpredicate_id\tobject_id\tmapping_justification
MONDO:1\tgout\tskos:exactMatch\tMESH:D006073\tsemapv:ManualMappingCuration
MONDO:1\tgout\tskos:broadMatch\tICD10CM:M10\tsemapv:ManualMappingCuration
MONDO:7\tnobody\tskos:exactMatch\tOMIM:138900\tsemapv:ManualMappingCuration
"""


def test_mappings_add_to_the_concepts_of_other_sources(tmp_path):
    (tmp_path / "mondo.sssom.tsv").write_text(SSSOM)
    (tmp_path / "own.tsv").write_text("id\tname\tequivalents\nMONDO:1\tgout\tICD10CM:M10.9|UMLS:C0018099\n")
    build([*resolve(str(tmp_path / "mondo.sssom.tsv")), *resolve(str(tmp_path / "own.tsv"))], tmp_path / "d")
    found = Dictionary.open(tmp_path / "d")
    assert found.info.concepts == 1
    assert {concept.id for concept in found.equivalents(found.find("gout")[0])} == {
        "MESH:D006073",
        "ICD10CM:M10.9",
        "UMLS:C0018099",
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.sssom.tsv", "subject_id\tobject_id\n", r"x\.sssom\.tsv:1: has no column predicate_id; expected"),
        ("x.sssom.tsv", SSSOM + "MONDO:1\tgout\n", r"x\.sssom\.tsv:6: the row has 2 columns; expected 5"),
        ("x.sssom.tsv", SSSOM.replace("MESH:D006073", "MESH:D 1"), r"x\.sssom\.tsv:3: 'MESH:D 1' is not an id"),
        ("x.tsv", "name\tequivalents\ngout\tICD10CM:M 10\n", r"x\.tsv:2: the equivalent 'ICD10CM:M 10' is not an id"),
        ("x.jsonl", '{"name": "gout", "equivalents": ["M10"]}\n', r"x\.jsonl:1: the equivalent 'M10' is not an id"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_named_by_file_and_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DictionaryError, match=message):
        build(resolve(str(tmp_path / name)), tmp_path / "d")
