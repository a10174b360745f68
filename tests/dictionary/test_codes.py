"""Equivalents by name, the codes that are chosen, and the probability of a first concept."""

import pytest
from tests.dictionary.conftest import Listed, entry

from clinspan.dictionary.build import build
from clinspan.dictionary.link import Linker, LinkSettings
from clinspan.dictionary.probability import How, LinkReason, probability
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.labels import Label, LabelSet

LABELS = LabelSet("l", (Label("disease", "An illness.", semantic_types=("Disease or Syndrome",)),))
ONE = [
    entry("MONDO:1", "gout", "gouty arthritis", source="MONDO"),
    entry("MONDO:2", "cold", source="MONDO"),
    entry("MONDO:3", "chill", "cold", source="MONDO"),
]
OTHER = [entry("MESH:D1", "Arthritis, Gouty", "gout", source="MeSH"), entry("MESH:D2", "common cold", source="MeSH")]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Dictionary:
    path = tmp_path_factory.mktemp("two")
    build([Listed(ONE, "MONDO"), Listed(OTHER, "MeSH")], path)
    return Dictionary.open(path)


def linked(dictionary: Dictionary, text: str, settings: LinkSettings | None = None):
    document = Document(text, text, (Entity(Span(0, len(text)), "disease", text),))
    return Linker(dictionary, LABELS, settings).link(document).entities[0].concepts


def test_a_concept_carries_what_other_vocabularies_call_the_same(two) -> None:
    gout, *_ = linked(two, "gout")
    assert (gout.id, gout.equivalents) == ("MONDO:1", ("MESH:D1",))
    assert [concept.equivalents for concept in linked(two, "cold")] == [(), ()]


def test_codes_choose_what_is_reported(two) -> None:
    (gout,) = linked(two, "gout", LinkSettings(codes="mesh"))
    assert (gout.id, gout.equivalents) == ("MESH:D1", ("MONDO:1",))
    assert linked(two, "cold", LinkSettings(codes="mesh")) == ()
    assert [concept.id for concept in linked(two, "gout", LinkSettings(codes="MeSH, MONDO"))] == ["MESH:D1", "MONDO:1"]


@pytest.mark.parametrize("codes", ["snomed", "icd 10", "mesh,omim"])
def test_a_vocabulary_that_the_dictionary_lacks_is_refused(two, codes: str) -> None:
    with pytest.raises(ConfigError, match="has no codes"):
        Linker(two, LABELS, LinkSettings(codes=codes))


def test_a_threshold_leaves_out_what_is_less_likely_and_what_has_no_score(two, small) -> None:
    sure = linked(two, "gout")[0].score
    assert sure is not None
    assert linked(two, "gout", LinkSettings(precision=round(sure + 0.01, 3))) == ()
    assert linked(two, "gout", LinkSettings(precision=sure))
    assert linked(small, "pneumonia")[0].score is None
    assert linked(small, "pneumonia", LinkSettings(precision=0.1)) == ()


def test_a_probability_is_one_or_none_and_a_rival_lowers_it() -> None:
    assert probability(How.NAMED, LinkReason.EXACT, "my-list", rival=False) is None
    alone = probability(How.NAMED, LinkReason.SYNONYM, "MONDO", rival=False)
    rival = probability(How.NAMED, LinkReason.SYNONYM, "MONDO", rival=True)
    assert alone is not None
    assert rival is not None
    assert 0 < rival < alone < 1
