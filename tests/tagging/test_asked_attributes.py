"""Who is asked for attributes, and what becomes of what is answered."""

from dataclasses import replace

import pytest

from clinspan import codec
from clinspan.document import WindowState
from clinspan.labels import LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Span, dump_spans, load_spans
from clinspan.tagging.settings import TagSettings, profile
from clinspan.tagging.tagger import Tagger

LABELS = LabelSet.builtin("problem-treatment-test")
NOTE = "No chest pain. His asthma is stable."


SERVED = Traits("served")


class Answering:
    """Gives one answer, and keeps what it was asked."""

    name, context, constrains = "answering", None, True

    def __init__(self, text="", spans=None, traits=SERVED):
        self.traits, self._text, self._spans, self.asked = traits, text, spans, []

    def count_tokens(self, text):
        return len(text.split())

    def complete(self, requests):
        for request in requests:
            self.asked.append(request)
            yield Completion(self._text, spans=self._spans)


def tag(llm, note=NOTE, **chosen):
    return Tagger.open(llm, select="fixed", labels=LABELS, dictionary="none", facts="none", **chosen).tag(note)


def said(document):
    return [(e.text, dict(e.attributes)) for e in document.entities]


def test_a_prompted_model_is_asked_and_rules_complete_what_it_leaves_out():
    llm = Answering("No [ chest pain | problem | possible ]. [ His asthma | problem ] is stable.")
    document = tag(llm)
    assert "Its assertion is one of:" in llm.asked[0].messages[0].content
    assert "[ fever | problem | absent | current ]" in "".join(m.content for m in llm.asked[0].messages)
    assert set(llm.asked[0].constraint.attributes) == {"problem"}
    assert said(document) == [
        ("chest pain", {"assertion": "possible", "temporality": "current"}),
        ("His asthma", {"assertion": "present", "temporality": "current"}),
    ]


def test_a_value_that_is_unknown_is_kept_as_unread_and_the_entity_stays():
    document = tag(Answering("No [ chest pain | problem | gone ]. His asthma is stable."))
    assert said(document) == [("chest pain", {"assertion": "absent", "temporality": "current"})]
    (window,) = document.windows
    assert window.state is WindowState.OK
    assert window.unread == ("'gone' is no value that was asked for: '| gone '",)


def test_with_rules_nothing_is_asked():
    llm = Answering("No [ chest pain | problem ]. His asthma is stable.")
    document = tag(llm, attributes="rules")
    assert "assertion" not in "".join(m.content for m in llm.asked[0].messages)
    assert not llm.asked[0].constraint.attributes
    assert said(document) == [("chest pain", {"assertion": "absent", "temporality": "current"})]


@pytest.mark.parametrize(
    ("traits", "asked"),
    [
        (Traits("served"), "model"),
        (Traits("embedded", "prompted"), "model"),
        (Traits("embedded", "small"), "rules"),
        (Traits("embedded", "tuned"), "rules"),
        (Traits("embedded", "told"), "rules"),
        (Traits("embedded", "tuned", attributes=True), "model"),
        (Traits("encoder", "read"), "rules"),
    ],
)
@pytest.mark.parametrize("proposals", [True, False])
def test_who_is_asked_by_default(traits, asked, proposals):
    assert profile(Answering(traits=traits), proposals=proposals).prompt.attributes == asked
    assert profile(None, proposals=proposals) == replace(TagSettings(), windows=profile(None, proposals=False).windows)


def test_scores_of_attributes_reach_the_output_unless_a_rule_put_another_value():
    scores = (("assertion", 0.55),)
    spans = (
        FoundSpan(Span(3, 13), "problem", 0.5, {"assertion": "present"}, scores),
        FoundSpan(Span(15, 25), "problem", 0.5, {"assertion": "present"}, scores),
    )
    assert load_spans(dump_spans(spans)) == spans
    tuned = Traits("embedded", "tuned", attributes=True)
    document = tag(Answering(spans=spans, traits=tuned), window_sentences=4)
    assert [e.attribute_score("assertion") for e in document.entities] == [0.55, 0.55]
    assert codec.parse(codec.dump(document), where="here").entities == document.entities
    assert document.entities[0].attribute_score("temporality") is None
    encoded = tag(Answering(spans=spans, traits=Traits("encoder", "read")))
    assert [(e.attribute("assertion"), e.attribute_score("assertion")) for e in encoded.entities] == [
        ("absent", None),
        ("present", 0.55),
    ]
