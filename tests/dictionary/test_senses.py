"""What short forms mean in context: a list of three hundred, cases that notes taught, and places without a concept."""

from pathlib import Path

import pytest

from clinspan.dictionary.build import open_default
from clinspan.dictionary.link import Linker
from clinspan.dictionary.senses import KINDS, Meaning, short_forms
from clinspan.dictionary.store import Dictionary
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import MissingExtra
from clinspan.labels import LabelSet

LIST = Path(__file__).with_name("short_forms.tsv")
LABELS = LabelSet.builtin("problem-treatment-test")


@pytest.fixture(scope="module")
def open_dictionary() -> Dictionary:
    try:
        return open_default()
    except MissingExtra as error:
        pytest.skip(str(error))


def first(dictionary: Dictionary, marked: str, label: str) -> Concept | None:
    """The first concept of what stands in [[ ]]."""
    before, _, rest = marked.partition("[[")
    mention, _, after = rest.partition("]]")
    place = Span(len(before), len(before) + len(mention))
    document = Document("d", before + mention + after, (Entity(place, label, mention),))
    (entity,) = Linker(dictionary, LABELS).link(document).entities
    return entity.concepts[0] if entity.concepts else None


def listed(half: str) -> list[list[str]]:
    rows = [line.split("\t") for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [row[1:] for row in rows if row[0] == half]


def right(dictionary: Dictionary, meant: str, concept: Concept | None) -> bool:
    names = [name for name in meant.split("|") if name != "-"]
    ids = {sense.concept for name in names for sense in dictionary.find(name, fuzzy=False)}
    if concept is None:
        return not ids or "-" in meant.split("|")
    return concept.id in ids


@pytest.mark.parametrize("half", ["dev", "test"])
def test_nine_of_ten_short_forms_are_right_and_none_is_wrong_with_a_high_score(open_dictionary, half: str) -> None:
    rows = listed(half)
    assert len(rows) == 100
    found = [(text, meant, first(open_dictionary, text, label)) for label, text, meant in rows]
    wrong = [(text, concept) for text, meant, concept in found if not right(open_dictionary, meant, concept)]
    assert len(wrong) <= 10, wrong
    assert not [one for one in wrong if one[1] is not None and (one[1].score or 0) > 0.8]


def test_short_forms_that_were_written_late_stay_right(open_dictionary) -> None:
    rows = listed("late")
    assert len(rows) == 100
    assert sum(right(open_dictionary, meant, first(open_dictionary, text, label)) for label, text, meant in rows) >= 98


@pytest.mark.parametrize(
    ("marked", "label", "meant"),
    [
        ("Substernal [[CP]] since noon.", "problem", "chest pain"),
        ("Anti-[[SSA]] positive.", "test", "anti-SSA antibody"),
        ("Vitals: HR 80, [[RA]] sat 95%.", "problem", "-"),
        ("Mg 2.0, [[CA]] 9.2.", "test", "calcium"),
        ("A [[fall]] in eGFR since May.", "problem", "-"),
        ("Smokes 1 [[ppd]].", "treatment", "-"),
        ("Chest tube ([[CT]]) placed. The CT was removed.", "treatment", "chest tube"),
    ],
)
def test_what_notes_taught(open_dictionary, marked: str, label: str, meant: str) -> None:
    assert right(open_dictionary, meant, first(open_dictionary, marked, label))


def test_two_rows_of_a_table_are_no_term(open_dictionary) -> None:
    text = "Sodium 139\nPotassium 3.1 L\nGlucose 105 H\n"
    assert not [match.text for match in open_dictionary.scan(text) if "\n" in match.text]
    wrapped = "He came to us after a long illness with acute myocardial\ninfarction."
    assert "acute myocardial\ninfarction" in [match.text for match in open_dictionary.scan(wrapped)]


def test_the_list_is_sound() -> None:
    assert len(short_forms()) >= 200
    for form in ("CP", "RA", "falls", "Falls"):
        meanings = short_forms().meanings(form)
        assert meanings, form
        assert all(isinstance(one, Meaning) and one.kind in (*KINDS, "other") for one in meanings)
        assert 99 <= sum(one.often for one in meanings) <= 101
    assert short_forms().meanings("cp") == ()
