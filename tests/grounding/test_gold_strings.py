"""Gold strings in any order, as a perfect model would answer them, and how much of the gold comes back."""

import random

import pytest

from clinspan.corpora.catalogue import read
from clinspan.corpora.literature import NCBI_LABELS
from clinspan.formats import by_name
from clinspan.formats.base import Mention
from clinspan.grounding import ground
from clinspan.labels import LabelSet
from clinspan.text.sentences import sentences

LABELS = LabelSet.builtin("disease")


@pytest.fixture(scope="module")
def abstracts(shared):
    """Text and gold spans of each abstract of the NCBI-disease test part."""
    path = shared("data/ncbi_disease/test")
    if path.is_dir():
        path = next(one for one in sorted(path.iterdir()) if one.is_file())
    documents = list(read(path, format="pubtator", labels=NCBI_LABELS))
    assert len(documents) == 100
    return [(document.text, document.entities) for document in documents]


@pytest.fixture(scope="module")
def parts(abstracts):
    """The same by sentences, which is how windows put them to a model."""
    found = []
    for text, entities in abstracts:
        for sentence in sentences(text):
            span = sentence.span
            own = tuple(entity.shift(-span.start) for entity in entities if span.contains(entity.span))
            found.append((span.of(text), own))
    return found


def f1(cases, answer):
    """Strict F1 of the spans that come of `answer(text, entities)`, which gives mentions and a copy."""
    right = wrong = missed = 0
    for number, (text, entities) in enumerate(cases):
        mentions, copy = answer(text, entities)
        random.Random(number).shuffle(mentions)
        found = {(entity.start, entity.end) for entity in ground(text, mentions, copy=copy).entities}
        gold = {(entity.start, entity.end) for entity in entities}
        right, wrong, missed = right + len(found & gold), wrong + len(found - gold), missed + len(gold - found)
    return 2 * right / (2 * right + wrong + missed)


def strings(text, entities):
    return [Mention(entity.label, entity.text) for entity in entities], None


def through(name):
    form = by_name(name)

    def answer(text, entities):
        reading = form.parse(form.render(text, entities, LABELS), LABELS)
        assert reading.unread == ()
        return list(reading.mentions), reading.copy

    return answer


def test_strings_of_a_sentence_in_any_order(parts):
    assert f1(parts, strings) >= 0.995


def test_strings_of_a_whole_abstract_in_any_order(abstracts):
    # An abstract names APC the disease and APC the gene, of which strings alone cannot tell which is meant.
    assert f1(abstracts, strings) >= 0.985


@pytest.mark.parametrize("name", ["json", "dice"])
def test_answers_in_formats_of_strings(parts, name):
    assert f1(parts, through(name)) >= 0.995


def test_positions_in_a_copy_give_all_of_the_gold_back(abstracts):
    assert f1(abstracts, through("tanl")) == 1.0
