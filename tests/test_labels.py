import pytest

from clinspan.errors import LabelError
from clinspan.labels import LabelSet, builtin_names


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
