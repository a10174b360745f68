from dataclasses import replace

import pytest

from clinspan.errors import LLMError
from clinspan.evaluation.score import score
from clinspan.llms.base import Traits
from clinspan.messages import Completion
from clinspan.text.windows import WindowSettings
from clinspan.tuning.epochs import Held, report, tag
from tuning.sample import DISEASE, document, gold

DOCS = [
    document("1", "Seen for {gout}. Later {gout} and {colon cancer}. Well."),
    document("2", "Nothing was found. The {gout} is gone."),
]
HELD = Held(gold(*DOCS))


class Knows:
    """Marks every `gout` of a window, as a constrained decoder would answer."""

    name, context, constrains, traits = "knows", None, True, Traits()

    def __init__(self):
        self.asked = []

    def count_tokens(self, text):
        return len(text.split())

    def complete(self, requests):
        for request in requests:
            self.asked.append((request.messages[0].content, request.constraint.text))
            assert request.messages[-1].content == request.constraint.text
            yield Completion(request.constraint.text.replace("gout", "[ gout | disease ]"), constrained=True)


class Fails(Knows):
    def complete(self, requests):
        for _ in requests:
            yield LLMError("the context is full")


def test_documents_are_tagged_sentence_by_sentence():
    llm = Knows()
    found = tag(llm, HELD)
    assert [[(e.text, e.start) for e in doc.entities] for doc in found] == [[("gout", 9), ("gout", 21)], [("gout", 23)]]
    assert llm.asked[:2] == [("Mark: disease", "Seen for gout."), ("Mark: disease", "Later gout and colon cancer.")]


def test_an_entity_of_an_overlap_is_found_once():
    overlapping = WindowSettings(max_tokens=64, max_sentences=2, overlap_sentences=1)
    found = tag(Knows(), replace(HELD, windows=overlapping))
    assert [len(doc.entities) for doc in found] == [2, 1]


def test_a_failed_request_ends_validation():
    with pytest.raises(LLMError, match="context is full"):
        tag(Fails(), HELD)


def test_a_report_has_figures_and_intervals():
    shown = report(score(DOCS, tag(Knows(), HELD), labels=DISEASE.names))
    assert shown["strict"]["disease"] == shown["strict"]["all"]
    figures = shown["strict"]["all"]
    assert (figures["precision"], figures["recall"], figures["gold"]) == (1.0, 0.75, 4)
    low, high = figures["f1_interval"]
    assert low <= figures["f1"] <= high
    assert "documents:2" in shown["signature"]
