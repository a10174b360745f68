import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.dictionary.written import abbreviations, expand


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("patients with Huntington disease (HD) were seen", "HD", "Huntington disease"),
        ("The adenomatous polyposis coli (APC) tumor", "APC", "adenomatous polyposis coli"),
        ("X-linked adrenoleukodystrophy (ALD)", "ALD", "adrenoleukodystrophy"),
        ("glucose-6-phosphate dehydrogenase [G6PD] deficiency", "G6PD", "glucose-6-phosphate dehydrogenase"),
        ("COPD (chronic obstructive pulmonary disease)", "COPD", "chronic obstructive pulmonary disease"),
        ("seen. Breast cancer (BC; stage II)", "BC", "Breast cancer"),
        ("diagnosis of myotonic dystrophy (DM) was", "DM", "myotonic dystrophy"),
        ("X-linked congenital adrenal hypoplasia (AHC)", "AHC", "congenital adrenal hypoplasia"),
        ("an attenuated adenomatous polyposis coli (AAPC)", "AAPC", "attenuated adenomatous polyposis coli"),
        ("after aneurysmal subarachnoid hemorrhage (SAH)", "SAH", "subarachnoid hemorrhage"),
        ("plus epinephrine (EP)", "EP", "epinephrine"),
    ],
)
def test_definitions_are_found(text, short, long):
    (found,) = abbreviations(text)
    assert (found.short, found.long) == (short, long)
    assert found.short_span.of(text) == short
    assert found.long_span.of(text) == long


@pytest.mark.parametrize(
    "text",
    [
        "aspirin (100 mg)",
        "in two patients (see below)",
        "the trial (n = 20)",
        "He smiled (XQ).",
        "(HD) disease",
        "a (b) c",
    ],
)
def test_other_brackets_are_no_definitions(text):
    assert abbreviations(text) == ()


def test_the_text_is_written_out_and_maps_back():
    text = "von Hippel-Lindau (VHL) disease. VHL disease and VHL genes."
    expansion = expand(text, abbreviations(text))
    assert expansion.text == "von Hippel-Lindau disease. von Hippel-Lindau disease and von Hippel-Lindau genes."
    first = expansion.to_source(0, len("von Hippel-Lindau disease"))
    assert first is not None
    assert first[0].of(text) == "von Hippel-Lindau (VHL) disease"
    start = expansion.text.index("von", 10)
    second = expansion.to_source(start, start + len("von Hippel-Lindau disease"))
    assert second is not None
    assert second[0].of(text) == "VHL disease"
    assert second[1]


def test_a_part_of_a_long_form_is_no_place_in_the_source():
    text = "familial breast cancer (FBC). FBC cells"
    expansion = expand(text, abbreviations(text))
    start = expansion.text.index("familial", 10)
    assert expansion.to_source(start, start + len("familial")) is None
    tail = expansion.to_source(start + len("familial "), start + len("familial breast cancer"))
    assert tail is not None
    assert tail[0].of(text) == "FBC"


@given(st.text(alphabet="aAbB (),;.[]s", max_size=60))
def test_any_text_can_be_written_out(text):
    expansion = expand(text, abbreviations(text))
    if expansion.text:
        whole = expansion.to_source(0, len(expansion.text))
        assert whole is None or whole[0].end <= len(text)
    if not abbreviations(text):
        assert expansion.text == text


def test_a_unit_in_each_row_of_a_table_is_no_short_form() -> None:
    table = "Sodium (mmol/L)   137   136\nPotassium (mmol/L)   3.4   3.3\nBicarbonate (mmol/L)   24\n"
    assert abbreviations(table) == ()


def test_what_stands_far_before_changes_nothing():
    text = "Both had Huntington disease (HD) and hypertrophic cardiomyopathy (HCM). LMNA (lamin A) was not changed. "
    near = abbreviations(text)
    assert [pair.short for pair in near][:2] == ["HD", "HCM"]
    long = "The table of values follows here " * 400 + text
    base = len(long) - len(text)
    assert [
        (pair.short, pair.short_span.shift(-base), pair.long, pair.long_span.shift(-base))
        for pair in abbreviations(long)
    ] == [(pair.short, pair.short_span, pair.long, pair.long_span) for pair in near]
