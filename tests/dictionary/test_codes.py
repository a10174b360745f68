"""Equivalents by name, the codes that are chosen, and the probability of a first concept."""

import pytest
from tests.dictionary.conftest import Listed, entry

from clinspan.dictionary.build import build
from clinspan.dictionary.link import Linker, LinkSettings
from clinspan.dictionary.match import How, LinkReason, probability
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


PLURALS = [
    entry("MESH:D7", "Infections", "infection", source="MeSH"),
    entry("MESH:D8", "Attention Problem", "hyperkinetic disorder", "Hyperkinetic Disorder", source="MeSH"),
]
SINGULARS = [
    entry("MONDO:7", "infectious disease", "infection", source="MONDO"),
    entry("MONDO:8", "hyperactivity", "hyperkinetic disorder", source="MONDO"),
]


@pytest.fixture(scope="module")
def plural(tmp_path_factory) -> Dictionary:
    path = tmp_path_factory.mktemp("plural")
    build([Listed(SINGULARS, "MONDO"), Listed(PLURALS, "MeSH")], path)
    return Dictionary.open(path)


def test_a_name_that_is_shown_in_the_plural_goes_before_a_synonym(plural) -> None:
    infection, other = linked(plural, "infection")
    assert (infection.id, infection.reason, other.id) == ("MESH:D7", LinkReason.EXACT, "MONDO:7")
    assert infection.score is not None


def test_one_synonym_in_two_spellings_makes_no_equivalent(plural) -> None:
    assert linked(plural, "hyperactivity")[0].equivalents == ()


STATED = [
    entry("MONDO:1", "gout", source="MONDO", same=("MESH:D9", "OMIM:138900", "UMLS:C0018099")),
    entry("MONDO:2", "twin", source="MONDO", same=("UMLS:C0000002",)),
    entry("MONDO:3", "other twin", source="MONDO", same=("UMLS:C0000002",)),
]
PHENOTYPES = [
    entry("HP:1", "gouty joints", source="HPO", same=("UMLS:C0018099", "SNOMEDCT_US:90560007")),
    entry("HP:2", "sibling", source="HPO", same=("UMLS:C0000002",)),
]
HEADINGS = [
    entry("MESH:D9", "Podagra", source="MeSH"),
    entry("MESH:D1", "Arthritis, Gouty", "gout", source="MeSH"),
]


@pytest.fixture(scope="module")
def stated(tmp_path_factory) -> Dictionary:
    path = tmp_path_factory.mktemp("stated")
    build([Listed(STATED, "MONDO"), Listed(PHENOTYPES, "HPO"), Listed(HEADINGS, "MeSH")], path)
    return Dictionary.open(path)


@pytest.mark.parametrize(
    ("name", "equivalents"),
    [
        # stated before what is called alike, and by way of UMLS
        ("gout", ("MESH:D9", "OMIM:138900", "UMLS:C0018099", "HP:1", "SNOMEDCT_US:90560007")),
        ("gouty joints", ("UMLS:C0018099", "SNOMEDCT_US:90560007", "MONDO:1", "MESH:D9", "OMIM:138900")),
        ("Podagra", ("MONDO:1", "OMIM:138900", "UMLS:C0018099")),
        # two of MONDO's terms say that they are one of UMLS: it is not known which is meant
        ("sibling", ("UMLS:C0000002",)),
    ],
)
def test_what_a_source_states_goes_before_names(stated, name: str, equivalents: tuple[str, ...]) -> None:
    assert linked(stated, name)[0].equivalents == equivalents


def test_a_stated_vocabulary_may_be_asked_for(stated) -> None:
    assert stated.info.crosswalks == {"MESH": 1, "OMIM": 1, "UMLS": 5, "SNOMEDCT_US": 1}
    (gout,) = linked(stated, "gout", LinkSettings(codes="omim"))
    assert (gout.id, gout.name, gout.source) == ("OMIM:138900", "gout", "OMIM")
    heading, _alike = linked(stated, "gout", LinkSettings(codes="mesh"))
    assert (heading.id, heading.name) == ("MESH:D9", "Podagra")


def test_a_short_form_is_what_the_document_says_and_nothing_where_that_is_unknown(small) -> None:
    types = ("Disease or Syndrome", "Neoplastic Process")
    labels = LabelSet("l", (Label("disease", "An illness.", semantic_types=types),))
    for text, ids in [("myocardial infarction (IM). IM", ["T:1"]), ("allergic lung lesion (ALL). ALL", [])]:
        at = text.rindex(" ") + 1
        document = Document("d", text, (Entity(Span(at, len(text)), "disease", text[at:]),))
        (entity,) = Linker(small, labels).link(document).entities
        assert [concept.id for concept in entity.concepts] == ids


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


@pytest.mark.parametrize("source", ["CARE", "ICD10PCS", "HGNC"])
def test_what_was_judged_has_a_probability_too(source) -> None:
    known = probability(How.NAMED, LinkReason.EXACT, source, rival=False)
    assert known is not None
    assert 0.9 < known < 1
