"""What short forms mean in context: lists of sentences, cases that notes taught, and places without a concept."""

from pathlib import Path

import pytest

from clinspan.dictionary.build import open_default
from clinspan.dictionary.link import Linker
from clinspan.dictionary.senses import KINDS, Meaning, ShortForms, short_forms
from clinspan.dictionary.store import Dictionary
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import MissingExtra
from clinspan.labels import LabelSet

LIST = Path(__file__).with_name("short_forms.tsv")
NO_CONCEPT = Path(__file__).with_name("no_concept.txt")
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


def test_short_forms_of_all_specialties_are_right_and_scores_are_honest(open_dictionary) -> None:
    rows = listed("wide")
    assert len(rows) == 233
    found = [(text, meant, first(open_dictionary, text, label)) for label, text, meant in rows]
    wrong = [(text, concept) for text, meant, concept in found if not right(open_dictionary, meant, concept)]
    assert len(wrong) <= 6, wrong
    assert not [one for one in wrong if one[1] is not None and (one[1].score or 0) > 0.8]


def test_short_forms_of_another_writer_stay_right(open_dictionary) -> None:
    rows = listed("blind")
    assert len(rows) == 100
    assert sum(right(open_dictionary, meant, first(open_dictionary, text, label)) for label, text, meant in rows) >= 99


def test_every_meaning_has_a_concept_but_those_that_no_vocabulary_names(open_dictionary) -> None:
    linker = Linker(open_dictionary, LABELS)
    lacking = {
        meaning.name
        for form in short_forms().forms
        for meaning in short_forms().meanings(form)
        if meaning.kind in KINDS and not linker.named(meaning, meaning.kind)
    }
    assert lacking == set(NO_CONCEPT.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("copd", "chronic obstructive pulmonary disease"),
        ("C.O.P.D.", "chronic obstructive pulmonary disease"),
        ("UTIs", "urinary tract infection"),
        ("pvcs", "premature ventricular contractions"),
        ("A-Fib", "atrial fibrillation"),
        ("c. diff", "clostridium difficile infection"),
        ("DM-2", "type 2 diabetes mellitus"),
    ],
)
def test_a_short_form_is_met_as_notes_write_it(said: str, name: str) -> None:
    assert short_forms().meanings(said)[0].name == name


@pytest.mark.parametrize("word", ["all", "map", "cap", "fast", "tips", "cup", "pain", "ms"])
def test_a_word_is_no_short_form(word: str) -> None:
    assert short_forms().meanings(word) == ()


SMALL = ShortForms(
    [
        "@heart\techo valve murmur",
        "XY\txenon yield\tproblem\t50\t@heart",
        "XY\tyellow xerosis\tproblem\t50\tskin",
        "XY2\txenon yield\tproblem\t50\t",
        "XY2\txylose\ttreatment\t50\t",
        "XY3\txenon yield\tproblem\t100\t",
    ]
)


@pytest.mark.parametrize(
    ("text", "types", "name"),
    [
        ("Murmurs and [[XY]] on examination.", ("Disease or Syndrome",), "xenon yield"),
        ("Dry skin, [[XY]] on examination.", ("Disease or Syndrome",), "yellow xerosis"),
        ("Murmurs. Dry skin and [[XY]] on examination.", ("Disease or Syndrome",), "yellow xerosis"),
        ("Home: [[XY2]] 20 mg daily.", ("Disease or Syndrome", "Pharmacologic Substance"), "xylose"),
        ("Home: no [[XY2]] so far.", ("Disease or Syndrome", "Pharmacologic Substance"), "xenon yield"),
    ],
)
def test_topics_sentences_and_doses_decide(text: str, types: tuple[str, ...], name: str) -> None:
    before, _, rest = text.partition("[[")
    form, _, after = rest.partition("]]")
    chosen = SMALL.choose(before + form + after, Span(len(before), len(before) + len(form)), types)
    assert chosen is not None
    assert chosen.meaning.name == name


def test_a_share_is_low_where_nothing_decides_or_the_label_speaks_against_all_meanings() -> None:
    alone = SMALL.choose("XY", Span(0, 2), ("Disease or Syndrome",))
    against = SMALL.choose("XY3", Span(0, 3), ("Pharmacologic Substance",))
    fit = SMALL.choose("XY3", Span(0, 3), ("Disease or Syndrome",))
    assert alone is not None
    assert against is not None
    assert fit is not None
    assert alone.share < 0.5 < against.share < 0.8 < fit.share


@pytest.mark.parametrize("name", ["iron", "calcium", "vitamin D"])
def test_a_substance_that_is_given_is_not_the_test_that_measures_it(open_dictionary, name: str) -> None:
    treatment = first(open_dictionary, f"Takes [[{name}]] daily.", "treatment")
    test = first(open_dictionary, f"The [[{name}]] was low.", "test")
    assert treatment is not None
    assert test is not None
    assert (treatment.source, test.source) == ("DRUGS", "CARE")
    assert treatment.score is not None


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
    assert len(short_forms()) >= 2100
    every = [short_forms().meanings(form) for form in short_forms().forms]
    assert all(1 <= len(meanings) <= 6 for meanings in every)
    assert all(sum(one.often for one in meanings) <= 101 for meanings in every)
    for form in ("CP", "RA", "falls", "Falls"):
        meanings = short_forms().meanings(form)
        assert meanings, form
        assert all(isinstance(one, Meaning) and one.kind in (*KINDS, "other") for one in meanings)
        assert 99 <= sum(one.often for one in meanings) <= 101
    assert short_forms().meanings("cp") == ()
