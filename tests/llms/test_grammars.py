"""Grammars accept the answers that copy the text and no others, in llama.cpp's own reading of them."""

import ctypes
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.decoding import words
from clinspan.document import Entity, Span
from clinspan.errors import ConfigError
from clinspan.formats.tanl_marks import render
from clinspan.llms import llama_api
from clinspan.llms.llama import Llama
from clinspan.llms.openai import answer_grammar, quote
from clinspan.messages import AskedAttribute, Candidate, CopyConstraint

TEXT = st.text(st.sampled_from([*'ab1 .\n\t[|]\\"é漢😀\u0301\u2028-']), max_size=30)


class Reader:
    """llama.cpp's grammar sampler on a model's vocabulary, asked token by token."""

    def __init__(self, model):
        self.model, self.c = model, llama_api.load().c

    def allows(self, token, sampler):
        data = llama_api.TokenData(token, 1.0, 0.0)
        array = llama_api.TokenDataArray(ctypes.pointer(data), 1, -1, False)
        self.c.llama_sampler_apply(sampler, ctypes.byref(array))
        return not math.isinf(data.logit)

    def accepts(self, grammar, answer):
        sampler = self.c.llama_sampler_init_grammar(self.model._vocab, grammar.encode(), b"root")
        assert sampler, "llama.cpp does not take the grammar"
        try:
            for token in (*self.model.tokenize(answer), self.c.llama_vocab_eos(self.model._vocab)):
                if not self.allows(token, sampler):
                    return False
                self.c.llama_sampler_accept(sampler, token)
            return True
        finally:
            self.c.llama_sampler_free(sampler)


@pytest.fixture(scope="module")
def reader(smollm2):
    model = Llama.load(smollm2, context=64, threads=1)
    yield Reader(model)
    model.close()


@st.composite
def answered(draw):
    """A text, and entities on its words that lie apart."""
    text = draw(TEXT)
    found, _ = words(text)
    entities, at = [], 0
    while at < len(found):
        at += draw(st.integers(0, 3))
        end = at + draw(st.integers(1, 3))
        if end <= len(found):
            span = Span(found[at].start, found[end - 1].end)
            if "\n\n" not in span.of(text) and len(span.of(text).splitlines()) < 3:
                entities.append(Entity(span, draw(st.sampled_from(["disease", "a|b]"])), span.of(text)))
        at = end
    return text, entities


@pytest.mark.model
@given(answered())
def test_every_right_answer_is_accepted(reader, case):
    text, entities = case
    grammar = answer_grammar(CopyConstraint(text, ("disease", "a|b]")))
    assert reader.accepts(grammar, render(text, entities))


@pytest.mark.model
@pytest.mark.parametrize(
    "answer",
    [
        "the HTN is bad",
        "the HTN is",
        "the HTN is worse.",
        "The HTN is bad.",
        "the  HTN is bad.",
        "the [ HTN is bad.",
        "the [ HTN | gene ] is bad.",
        "the [ HTN | disease ] is bad. ",
        "the [ H | disease ]TN is bad.",
        "the [ HTN| disease ] is bad.",
        "the [ [ HTN | disease ] is | disease ] bad.",
        "the [HTN] is bad.",
        "Sure: the HTN is bad.",
        "",
    ],
)
def test_no_other_answer_is_accepted(reader, answer):
    grammar = answer_grammar(CopyConstraint("the HTN is bad.", ("disease",)))
    assert not reader.accepts(grammar, answer)
    assert reader.accepts(grammar, "the [ HTN | disease ] is bad.")


@pytest.mark.model
def test_candidates_alone_open_and_close_with_their_labels(reader):
    places = (Candidate(Span(0, 13), ()), Candidate(Span(0, 5), ("test",)), Candidate(Span(6, 13), ("problem",)))
    grammar = answer_grammar(CopyConstraint("renal failure now", ("problem", "test"), places, "only"))
    for answer, right in {
        "renal failure now": True,
        "[ renal failure | problem ] now": True,
        "[ renal failure | test ] now": True,
        "[ renal | test ] failure now": True,
        "[ renal | test ] [ failure | problem ] now": True,
        "[ renal | problem ] failure now": False,
        "renal [ failure | test ] now": False,
        "renal failure [ now | test ]": False,
        "[ renal failure now | test ]": False,
    }.items():
        assert reader.accepts(grammar, answer) == right, answer


@pytest.mark.model
@pytest.mark.parametrize("mode", ["off", "only"])
def test_values_follow_their_label_in_order(reader, mode):
    asked = (
        AskedAttribute("assertion", (("absent", "absent"), ("[x]", "[x]"))),
        AskedAttribute("course", (("new", "course=new"), ("old", "old"))),
    )
    places = (Candidate(Span(3, 7), ()),)
    constraint = CopyConstraint("No pain", ("problem", "test"), places, mode, attributes={"problem": asked})
    grammar = answer_grammar(constraint)
    for closed, right in {
        "problem": True,
        "problem | absent": True,
        "problem | absent | course=new": True,
        r"problem | \[x\] | old": True,
        "problem | old": True,
        "test": True,
        "problem | old | absent": False,
        "problem | absent | absent": False,
        "problem | new": False,
        "test | absent": False,
    }.items():
        assert reader.accepts(grammar, f"No [ pain | {closed} ]") == right, closed


@pytest.mark.model
def test_mentions_cross_lines_but_no_blank_line(reader):
    constraint = CopyConstraint("a\nb\n \nc", ("x",))
    assert reader.accepts(answer_grammar(constraint), "[ a\nb | x ]\n \nc")
    assert not reader.accepts(answer_grammar(constraint), "a\n[ b\n \nc | x ]")


@pytest.mark.parametrize("words_in_text", [10, 100, 1000])
def test_the_length_is_linear_in_the_text(words_in_text):
    text = "word " * words_in_text
    places = tuple(Candidate(Span(i * 5, i * 5 + 9), ()) for i in range(words_in_text - 1))
    for constraint in (CopyConstraint(text, ("a", "b")), CopyConstraint(text, ("a", "b"), places, "only")):
        assert len(answer_grammar(constraint)) < 200 * words_in_text + 100


def test_literals_are_escaped():
    assert quote('say "x"\\\n\t\u2028\x00\ud800é😀') == '"say \\"x\\"\\\\\\n\\t\\u2028\\u0000\\ufffdé😀"'


def test_a_constraint_without_labels_is_refused():
    with pytest.raises(ConfigError, match="at least one label"):
        answer_grammar(CopyConstraint("x", ()))
