from dataclasses import replace

import pytest

from clinspan.corpora import catalogue, standoff
from clinspan.document import Concept, Entity, Span

TEXT = "I feel a bit drowsy & have a little blurred vision.\nNo agony."
FILES = {
    "text/ARTHROTEC.1.txt": TEXT,
    "original/ARTHROTEC.1.ann": (
        "T1\tADR 9 19\tbit drowsy\n#1\tAnnotatorNotes T1\tsleepiness\n"
        "T2\tADR 29 50\tlittle blurred vision\nT3\tADR 7 8;13 19\ta drowsy\nT4\tADR 55 60\tagony\n"
    ),
    "sct/ARTHROTEC.1.ann": (
        "TT1\t271782001 | Drowsy | 9 19\tbit drowsy\n"
        "TT2\t246636008|Hazy vision| or 111516008 | Blurring of visual image | 29 50\tlittle blurred vision\n"
        "TT3\tCONCEPT_LESS 7 8;13 19\ta drowsy\n"
    ),
    "meddra/ARTHROTEC.1.ann": "TT1\t10013649 9 19\tbit drowsy\nTT4\t10000001 + 10000002 55 60\tagony\n",
}


def test_text_entities_and_codes_are_read_and_written_as_they_were(lay):
    (document,) = catalogue.read(lay(FILES))
    assert document.id == "ARTHROTEC.1"
    first, second, third, fourth = document.entities
    assert first == Entity(
        Span(9, 19),
        "ADR",
        "bit drowsy",
        concepts=(Concept("271782001", "Drowsy", "SNOMEDCT"), Concept("10013649", "bit drowsy", "MedDRA")),
    )
    assert [(c.id, c.name) for c in second.concepts] == [
        ("246636008", "Hazy vision"),
        ("111516008", "Blurring of visual image"),
    ]
    assert (third.fragments, third.concepts) == ((Span(7, 8), Span(13, 19)), ())
    assert [c.id for c in fourth.concepts] == ["10000001", "10000002"]
    written = dict(standoff.write_cadec([document]))
    assert {name: sorted(content.splitlines()) for name, content in written.items()} == {
        name: sorted(content.splitlines()) for name, content in FILES.items()
    }


def test_codes_that_changed_are_written_anew(lay):
    (document,) = catalogue.read(lay(FILES))
    entity = Entity(Span(55, 60), "ADR", "agony", concepts=(Concept("76948002", "Severe pain", "SNOMEDCT"),))
    written = dict(standoff.write_cadec([replace(document, entities=(entity,))]))
    assert written["sct/ARTHROTEC.1.ann"] == "TT1\t76948002 | Severe pain | 55 60\tagony\n"
    assert "meddra/ARTHROTEC.1.ann" not in written


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("TT1\t27 | Drowsy | 0 6\tI feel", "line 1: there is no entity at 0 6"),
        ("TT1\t27 | Drowsy | 9 19\tbit sleepy", "line 1: 'bit drowsy' stands at 9 19, not 'bit sleepy'"),
        ("TT1 27", "line 1: 'TT1 27' has no codes"),
    ],
)
def test_a_wrong_code_is_named(lay, split, line, says):
    folder = lay({**FILES, "sct/ARTHROTEC.1.ann": line + "\n"})
    documents, errors = split(catalogue.read(folder))
    assert not documents
    assert f"{folder / 'sct' / 'ARTHROTEC.1.ann'}, {says}" in str(errors[0])
    documents, _ = split(catalogue.read(folder, lenient=True))
    assert len(documents[0].entities) == 4


def test_a_text_without_entities_is_an_error(lay, split):
    folder = lay({**FILES, "text/LIPITOR.1.txt": "x"})
    documents, errors = split(catalogue.read(folder))
    assert len(documents) == 1
    assert "LIPITOR.1.txt: has no annotations" in str(errors[0])
