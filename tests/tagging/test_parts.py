"""Which adapter a tagger takes, and which it refuses."""

from importlib import resources

import pytest

from clinspan.errors import ConfigError
from clinspan.formats import by_name
from clinspan.labels import LabelSet
from clinspan.tagging import open as parts

SHIPPED = str(resources.files("clinspan") / "adapters" / "disease-chemical")


def name(labels: str, form: str, **options: str) -> str:
    llm = parts.llm("embedded", LabelSet.builtin(labels), by_name(form), **options)
    assert llm is not None
    return llm.name


@pytest.mark.parametrize(
    ("labels", "form", "adapted"),
    [
        ("disease", "tanl", True),
        ("chemical-disease", "tanl", True),
        ("gene", "tanl", False),
        ("disease", "json", False),
        ("disease", "per-type:tanl", False),
    ],
)
def test_the_shipped_adapter_is_taken_for_its_labels_and_its_format_alone(smollm2, labels, form, adapted) -> None:
    assert ("+adapter" in name(labels, form)) is adapted


def test_none_leaves_the_model_as_it_is(smollm2) -> None:
    assert "+adapter" not in name("disease", "tanl", adapter="none")


@pytest.mark.parametrize(
    ("labels", "form", "says"),
    [("gene", "tanl", "was not tuned for gene"), ("disease", "json", "does not answer in json")],
)
def test_an_adapter_named_for_what_it_was_not_tuned_for_is_refused(smollm2, labels, form, says) -> None:
    with pytest.raises(ConfigError, match=says):
        name(labels, form, adapter=SHIPPED)
