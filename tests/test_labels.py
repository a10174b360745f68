import pytest

from clinspan.errors import LabelError
from clinspan.labels import Label, LabelSet, builtin_names, hints


@pytest.mark.parametrize("name", builtin_names())
def test_every_builtin_set_loads(name: str) -> None:
    assert LabelSet.builtin(name).name == name


def test_an_example_whose_mention_is_not_in_its_text_is_named(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[labels]]\nname = "drug"\ndefinition = "A drug."\n'
        '[[examples]]\ntext = "Given aspirin."\nentities = [{text = "asp", label = "drug"}]\n'
    )
    with pytest.raises(LabelError) as caught:
        LabelSet.from_toml(path)
    assert "'asp' does not stand in the example's text" in str(caught.value)
    assert "[[examples]] 1, entity 1" in str(caught.value)


def test_an_unknown_key_offers_the_nearest(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[labels]]\nname = "drug"\ndefinitoin = "A drug."\n')
    with pytest.raises(LabelError, match="Did you mean 'definition'"):
        LabelSet.from_toml(path)


def test_two_labels_with_one_name_are_refused(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[labels]]\nname = "drug"\ndefinition = "A."\n[[labels]]\nname = "Drug"\ndefinition = "B."\n')
    with pytest.raises(LabelError, match="two labels have the name 'Drug'"):
        LabelSet.from_toml(path)


def told(*definitions, names=("allergen", "dose")):
    labels = tuple(Label(name, definition) for name, definition in zip(names, definitions, strict=False))
    return list(hints(LabelSet("own", labels)))


def test_good_definitions_have_no_hints():
    assert told("A substance that the patient has reacted to.", "The amount of a drug that is taken at once.") == []


@pytest.mark.parametrize(
    ("definition", "hint"),
    [
        ("Allergen", "says little more than its name"),
        ("This is an allergen", "says little more than its name"),
        ("Stoffe, auf welche Patienten reagiert haben", "does not look like English"),
    ],
)
def test_a_definition_that_says_little_is_told(definition, hint):
    (said,) = told(definition)
    assert hint in said
    assert "'allergen'" in said


def test_two_labels_with_one_definition_are_told():
    (said,) = told("A drug that is taken now.", "A drug that is taken now!")
    assert said.startswith("'allergen' and 'dose' have one definition")


def test_the_cost_of_many_labels_is_told():
    names = [f"label {number}" for number in range(20)]
    (said,) = told(*(f"What the {n}th column of the table holds" for n in range(20)), names=names)
    assert said.startswith("20 labels are read one by one")
