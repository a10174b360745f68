"""How much is asked: encoder and dictionary alone, an LLM where doubt is left, or an LLM everywhere."""

import random
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.fuse import learn_weights
from clinspan.fusion.features import ELSEWHERE, NAMES
from clinspan.fusion.heard import Gain
from clinspan.fusion.model import FusedModel, Judge, Weights
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Request
from clinspan.tagging.settings import TUNED
from clinspan.tagging.tagger import Tagger

LABELS = LabelSet("s", (Label("disease", "A disease."),))
SURE, DOUBTED, OTHERS = ("gout", "asthma"), ("rash", "cough"), ("ward", "window")


class Encoder:
    """Sure of some diseases; of others as sure as of words that are none."""

    name, context, constrains = "encoder:e:1", None, True
    traits = Traits("encoder", "tuned")

    def complete(self, requests: Iterable[Request]):
        for request in requests:
            text = request.constraint.text
            found = []
            for word in (*SURE, *DOUBTED, *OTHERS):
                at = text.find(word)
                if at >= 0:
                    found.append(FoundSpan(Span(at, at + len(word)), "disease", 0.99 if word in SURE else 0.5))
            yield Completion(text, spans=tuple(found), constrained=True)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class Asked:
    """Knows every disease, and keeps what it was asked about."""

    name, context, constrains = "asked", None, True
    traits = Traits("embedded", "tuned")

    def __init__(self) -> None:
        self.texts: list[str] = []

    def complete(self, requests: Iterable[Request]):
        for request in requests:
            text = request.constraint.text
            self.texts.append(text)
            places = [Span(at, at + len(word)) for word in (*SURE, *DOUBTED) if (at := text.find(word)) >= 0]
            yield Completion(text, spans=tuple(FoundSpan(place, "disease", 0.9) for place in places), constrained=True)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def document(number: int, words: Iterable[str]) -> Document:
    text = " ".join(f"We saw some {word} here." for word in words)
    marked, at = [], 0
    for word in words:
        at = text.index(word, at)
        if word not in OTHERS:
            marked.append(Entity(Span(at, at + len(word)), "disease", word))
    return Document(str(number), text, tuple(marked))


@pytest.fixture(scope="module")
def model() -> FusedModel:
    rng = random.Random(4)
    gold = [document(n, rng.choices((*SURE, *DOUBTED, *OTHERS), k=4)) for n in range(60)]
    return learn_weights(Tagger(Asked(), encoder=Encoder(), labels=LABELS, settings=TUNED), gold).model


NOTE = document(0, ["gout", "asthma", "rash", "gout", "ward", "asthma", "gout", "asthma"])


def opened(model: FusedModel | str, llm: Asked, **options: object) -> Tagger:
    return Tagger.open(llm, labels=LABELS, encoder=Encoder(), dictionary=None, fused=model, settings=TUNED, **options)


def test_an_llm_is_asked_where_as_much_is_to_be_gained_as_in_the_share_of_the_gold(model):
    llm = Asked()
    tagger = opened(model, llm, ask_share=0.5)
    found = tagger.tag(NOTE)
    assert llm.texts == ["We saw some rash here.", "We saw some ward here."]
    assert {(e.span, e.label) for e in found.entities} == {(e.span, e.label) for e in NOTE.entities}
    assert [window.asked for window in found.windows] == [False, False, True, False, True, False, False, False]
    assert any(remark.name == "the LLM was asked" and "50%" in remark.value for remark in tagger.remarks())
    never = Asked()
    opened(model, never, ask_share=0.05).tag(NOTE)
    assert never.texts == []


def test_in_one_document_it_is_never_more_than_three_times_the_share(model):
    eager = replace(model, gain=Gain(1.0, (0.0,) * 100))
    for share, asked in ((0.25, 6), (0.1, 2), (0.01, 1)):
        llm = Asked()
        opened(eager, llm, ask_share=share).tag(NOTE)
        assert len(llm.texts) == asked


def test_where_no_doubt_is_left_nobody_is_asked(model):
    def weights(*names: str) -> Weights:
        row = np.array([[float(name == "encoder") for name in names]])
        return Weights(row, np.zeros(1), np.zeros(len(names)))

    table = Judge(weights(*NAMES), weights(*NAMES, *ELSEWHERE), 0.4)
    llm = Asked()
    at_its_word = replace(model, tables={"without llm": table, "with llm": table})
    found = opened(at_its_word, llm).tag(document(1, ["gout", "asthma"]))
    assert llm.texts == []
    assert len(found.entities) == 2


def test_full_effort_asks_everywhere(model):
    llm = Asked()
    opened(model, llm, effort="full").tag(NOTE)
    assert len(llm.texts) == 8


def test_fast_leaves_the_llm_out_and_the_same_model_decides(model):
    llm = Asked()
    tagger = opened(model, llm, effort="fast")
    assert tagger.llm is None
    assert tagger.tag(NOTE).entities
    assert llm.texts == []


def test_where_nothing_tells_where_asking_pays_balanced_is_refused(model):
    with pytest.raises(ConfigError, match="worth asking the LLM"):
        opened("none", Asked(), effort="balanced")
    without = replace(
        model,
        sources={"encoder": Encoder.name},
        tables={"without llm": model.tables["without llm"]},
        gain=None,
    )
    doubting = Tagger(encoder=Encoder(), labels=LABELS, fused=without, settings=replace(TUNED, ask="doubt"))
    with pytest.raises(ConfigError, match="worth asking the LLM"):
        doubting.check()


def test_with_one_source_there_is_nothing_to_choose():
    llm = Asked()
    tagger = Tagger.open(llm, labels=LABELS, dictionary=None, settings=TUNED, effort="balanced")
    tagger.tag(NOTE)
    assert len(llm.texts) == 8


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="ask_share"):
        replace(TUNED, ask_share=0.0)
