import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora.format import Ruler, Unit

TEXTS = st.text(st.sampled_from("a é\n\u00a0😀中\t") | st.characters(exclude_categories=["Cs"]), max_size=30)
ENCODED = {Unit.UTF16: ("utf-16-le", 2), Unit.BYTE: ("utf-8", 1)}


@pytest.mark.parametrize("unit", ENCODED)
@given(text=TEXTS)
def test_units_are_those_of_the_encoded_text_and_come_back(unit, text):
    encoding, size = ENCODED[unit]
    ruler = Ruler(text, unit)
    for point in range(len(text) + 1):
        units = len(text[:point].encode(encoding)) // size
        assert ruler.units(point) == units
        assert ruler.start(units) == ruler.end(units) == point


@given(text=TEXTS)
def test_without_white_space_a_start_is_a_character_and_an_end_follows_one(text):
    ruler = Ruler(text, Unit.NO_SPACE)
    squeezed = "".join(text.split())
    assert ruler.length == len(squeezed)
    for number, character in enumerate(squeezed):
        start, end = ruler.start(number), ruler.end(number + 1)
        assert text[start:end] == character


@pytest.mark.parametrize(("unit", "at"), [(Unit.UTF16, 2), (Unit.BYTE, 3), (Unit.UTF16, 9), (Unit.BYTE, -1)])
def test_half_a_character_or_a_place_past_the_end_is_refused(unit, at):
    with pytest.raises(ValueError, match=r"within|inside"):
        Ruler("a😀b", unit).start(at)
