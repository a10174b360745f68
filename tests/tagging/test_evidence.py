"""What becomes of evidence: the LLM where it is asked, the encoder elsewhere, the dictionary where there is neither."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from clinspan.document import Entity, Span
from clinspan.errors import LLMError
from clinspan.formats import by_name
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Request
from clinspan.tagging.calibration import Calibration, Dial
from clinspan.tagging.evidence import Decider, Evidence, WindowEvidence, first_rule
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import Window, WindowSettings

LABELS = LabelSet("s", (Label("disease", "A disease.", terms=("gout",)),))
TEXT = "He has gout now. His asthma is mild. The flu has gone."
SENTENCES = TagSettings(windows=WindowSettings(max_tokens=40, max_sentences=1, overlap_sentences=0))


class Reader:
    """An encoder that knows some words, and hands over spans."""

    name, context, constrains = "reader", None, True
    traits = Traits("encoder", "tuned")

    def __init__(self, *words: str):
        self.words = words

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            text = request.constraint.text
            places = [(text.find(word), word) for word in self.words if word in text]
            yield Completion(
                "", spans=tuple(FoundSpan(Span(at, at + len(word)), "disease", 0.75) for at, word in places)
            )

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def marked(text: str) -> str:
    return text.replace("gout", "[ gout | disease ]").replace("has", "[ has | disease ]")


def found(tagger: Tagger) -> list[str]:
    done = tagger.tag(TEXT)
    assert all(done.text[e.start : e.end] == e.text for e in done.entities)
    return [entity.text for entity in done.entities]


def test_each_source_decides_in_its_turn(scripted):
    asks = replace(SENTENCES, ask="candidates")
    reader = Reader("gout", "asthma", "flu")
    assert found(Tagger(labels=LABELS)) == ["gout"]
    assert found(Tagger(encoder=reader, labels=LABELS)) == ["gout", "asthma", "flu"]
    assert found(Tagger(scripted(marked), labels=LABELS, settings=asks)) == ["has", "gout"]
    # The LLM is asked about the first sentence alone; of the others the encoder tells.
    both = Tagger(scripted(marked), encoder=reader, labels=LABELS, settings=asks)
    assert found(both) == ["has", "gout", "asthma", "flu"]
    assert [window.asked for window in both.tag(TEXT).windows] == [True, False, False]


def test_where_the_llm_says_nothing_the_encoder_does_not_overrule_it(scripted):
    silent = Tagger(scripted(lambda text: text), encoder=Reader("gout", "flu"), labels=LABELS, settings=SENTENCES)
    assert found(silent) == []
    fails = Tagger(
        scripted(lambda text: LLMError("no") if "flu" in text else text),
        encoder=Reader("gout", "flu"),
        labels=LABELS,
        settings=SENTENCES,
    )
    assert found(fails) == ["flu"]
    assert not fails.tag(TEXT).complete


def evidence(source, at, word, score, *, read=True):
    window = Window(0, Span(at, at + 20), Span(at, at + 20))
    entity = Entity(Span(2, 2 + len(word)), "disease", word, score)
    return WindowEvidence.of(source, window, [entity], read=read)


def test_offsets_are_shifted_to_the_document_once():
    (one,) = evidence("llm", 100, "gout", 0.5).found
    assert (one.span, one.label, one.score, one.source) == (Span(102, 106), "disease", 0.5, "llm")


def test_the_first_rule_prefers_an_llm_that_was_read():
    llm, encoder = evidence("llm", 0, "gout", 0.5), evidence("encoder", 0, "asthma", 0.9)
    assert [one.source for one in first_rule([llm, encoder], [])] == ["llm"]
    unread = WindowEvidence("llm", llm.span, llm.core, (), read=False)
    assert [one.source for one in first_rule([unread, encoder], [])] == ["encoder"]
    proposal = Evidence(encoder.found[0].entity, "dictionary")
    assert first_rule([], [proposal]) == [proposal]
    assert first_rule([llm], [proposal]) == list(llm.found)


def test_a_calibration_is_for_the_scores_of_the_source_that_it_was_learned_with():
    text = "  gout".ljust(40)
    decider = Decider(Calibration(dials={"disease": Dial(0.0, 1.0, 2.0)}), "llm", scores=True)
    (of_llm,) = decider.entities([evidence("llm", 0, "gout", 0.5)], [], text)
    (of_encoder,) = decider.entities([evidence("encoder", 0, "gout", 0.5)], [], text)
    assert of_llm.score == pytest.approx(0.8808, abs=1e-3)
    assert of_encoder.score == 0.5


def test_a_rule_of_ones_own_takes_its_place():
    def both(read, proposals):
        llm = {one.span for window in read if window.source == "llm" for one in window.found}
        return [one for one in proposals if one.span in llm]

    decider = Decider(Calibration(), "llm", scores=True, rule=both)
    text = "  gout".ljust(40)
    proposal = Entity(Span(2, 6), "disease", "gout")
    assert [e.text for e in decider.entities([evidence("llm", 0, "gout", 0.5)], [proposal], text)] == ["gout"]
    assert decider.entities([evidence("llm", 0, "gout", 0.5)], [], text) == ()


def described(*words):
    reader = Reader(*words)
    reader.traits = Traits("encoder", "described")
    return reader


def test_terms_that_the_user_lists_stand_beside_an_encoder_that_was_not_tuned_for_the_labels():
    labels = LabelSet("s", (Label("disease", "A disease.", terms=("gout", "flu")),))
    found = Tagger(encoder=described("asthma", "The flu has"), labels=labels).tag(TEXT)
    # The term within a longer mention of its label adds nothing.
    assert [e.text for e in found.entities] == ["gout", "asthma", "The flu has"]
    found = Tagger(encoder=Reader("asthma"), labels=labels).tag(TEXT)
    assert [e.text for e in found.entities] == ["asthma"]


def test_what_overlaps_a_term_with_another_label_gives_way():
    labels = LabelSet("s", (Label("disease", "A disease."), Label("event", "What happened.", terms=("flu has gone",))))
    found = Tagger(encoder=described("asthma", "flu"), labels=labels).tag(TEXT)
    assert [(e.text, e.label) for e in found.entities] == [("asthma", "disease"), ("flu has gone", "event")]


def test_what_is_found_by_definitions_is_said_with_hints_on_them():
    labels = LabelSet("s", (Label("disease", "Disease."),))
    said = [(remark.name, remark.value) for remark in Tagger(encoder=described("gout"), labels=labels).remarks()]
    assert said[0][0] == "found by what their definitions say"
    assert "disease: by no model that was tuned" in said[0][1]
    assert "says little more than its name" in said[1][1]


@pytest.mark.parametrize("source", ["llm", "encoder", "dictionary"])
def test_placeholders_are_no_entities_whoever_finds_them(scripted, source):
    labels = LabelSet("s", (Label("disease", "A disease.", terms=("name", "hospital1", "pain", "fracture")),))
    text = "[**Name**] has pain at [**Hospital1**]. A fracture of the ___ femur."
    wanted = ["Name", "pain at [**Hospital1", "fracture of the ___ femur"]

    def answer(window: str) -> str:
        return json.dumps([{"text": word, "label": "disease"} for word in wanted if word in window])

    tagger = {
        "llm": lambda: Tagger(scripted(answer), labels=labels, format=by_name("json")),
        "encoder": lambda: Tagger(encoder=Reader(*wanted), labels=labels),
        "dictionary": lambda: Tagger(labels=labels),
    }[source]()
    last = "fracture" if source == "dictionary" else wanted[-1]
    assert [entity.text for entity in tagger.tag(text).entities] == ["pain", last]
