"""A small dictionary, made of entries that each test can see."""

import pytest

from clinspan.dictionary.build import build
from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.store import Dictionary

DISEASE = ("Disease or Syndrome",)
NEOPLASM = ("Neoplastic Process",)


class Listed(Small):
    """A source that is a list of entries."""

    def __init__(self, entries, name="T"):
        self.listed = entries
        self.name = name

    def infos(self):
        return (SourceInfo(self.name, "1", "none", "a test"),)

    def entries(self):
        return iter(self.listed)


def entry(identifier, name, *synonyms, types=DISEASE, definition="", source="T", same=()):
    terms = (Term(name, source, preferred=True), *(Term(synonym, source) for synonym in synonyms))
    return Entry(identifier, terms, types, (definition,) if definition else (), tuple(same))


SMALL = [
    entry("T:1", "myocardial infarction", "heart attack", definition="Necrosis of heart muscle."),
    entry("T:2", "Diabetes Mellitus, Type 2", "NIDDM", definition="A metabolic disease."),
    entry("T:3", "lung cancer", "cancer of the bronchus", types=NEOPLASM),
    entry("T:4", "breast cancer", types=NEOPLASM),
    entry("T:5", "ovarian cancer", types=NEOPLASM),
    entry("T:6", "Huntington disease"),
    entry("T:7", "acute lymphoblastic leukemia", "ALL", types=NEOPLASM),
    entry("T:8", "Lesch-Nyhan syndrome"),
    entry("T:9", "cold", "common cold"),
    entry("T:10", "cold", types=("Natural Phenomenon or Process",)),
    entry("T:11", "von Hippel-Lindau disease"),
    entry("T:12", "tumor", types=NEOPLASM),
    entry("T:13", "aspirin", types=("Pharmacologic Substance",)),
    entry("T:14", "pneumonia"),
    entry("T:15", "beta-thalassemia"),
    entry("T:16", "disease"),
]


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The dictionary of `SMALL`."""
    path = tmp_path_factory.mktemp("small")
    build([Listed(SMALL)], path)
    return Dictionary.open(path)
