"""Mentions marked in their window, and what an encoder says of each."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.classifier.folder import load
from clinspan.classifier.marked import CLOSE, OPEN, Asserter, for_assertion
from clinspan.classifier.model import TokenClassifier
from clinspan.classifier.scheme import AttributeHead, units
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError
from clinspan.labels import LabelSet
from clinspan.llms.encoder import EncoderLLM
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings, tokens

LABELS = LabelSet.builtin("problem-treatment-test")
HEAD = AttributeHead("assertion", ("present", "absent", "possible"), ("problem",), 0)


class Letters(TokenClassifier):
    """A token a word; a window's output is 1 for `absent` at each token after the word `no`."""

    def __init__(self):
        super().__init__((), (HEAD,), context=60, outputs=3)

    def count_tokens(self, text):
        return len(tokens(text))

    def tokens(self, text):
        return [sum(map(ord, token.of(text))) + 10 for token in tokens(text)]

    def token_id(self, token):
        return {OPEN: 1, CLOSE: 2}[token]

    def _encoded(self, text):
        spans = tokens(text)
        offsets = [(0, 0), *((span.start, span.end) for span in spans), (0, 0)]
        return [3, *self.tokens(text), 4], units(text, offsets)

    def outputs(self, windows):
        (no,) = self.tokens("no")
        return [np.array([[0, i and ids[i - 1] == no, 0] for i in range(len(ids))], np.float32) for ids in windows]


@pytest.fixture
def asserter():
    return Asserter(Letters(), without_values("conditional", "hypothetical", "associated-with-someone-else"))


def without_values(*names):
    """The built-in labels, whose problems have just the values that the classifier knows."""
    (problem, *others) = LABELS.labels
    assertion = problem.attributes[0]
    kept = tuple((name, said) for name, said in assertion.values if name not in names)
    return replace(LABELS, labels=(replace(problem, attributes=(replace(assertion, values=kept),)), *others))


def document(text, *mentions):
    spans = [Span(text.index(one), text.index(one) + len(one)) for one in mentions]
    return Document("d", text, tuple(Entity(span, "problem", span.of(text)) for span in spans))


def test_each_mention_is_read_at_its_own_marker(asserter):
    said = asserter(document("He has gout, no fever and no cough.", "gout", "fever", "cough"))
    assert [one["assertion"][0] for one in said] == ["present", "absent", "absent"]
    assert said[1]["assertion"][1] == pytest.approx(np.e / (np.e + 2))


def test_those_that_nobody_asks_about_are_not_read(asserter):
    given = document("He has gout, no fever and no cough.", "gout", "fever", "cough")
    said = asserter(given, [2])
    assert [dict(one) for one in said[:2]] == [{}, {}]
    assert said[2] == asserter(given)[2]


def test_mentions_in_one_another_have_markers_of_their_own(asserter):
    window = asserter.classifier.encode("no acute chest pain now")
    ids, places = asserter.mark(window, [Span(3, 19), Span(9, 14), Span(9, 19)])
    # An outer mention opens first, whatever the order in which they are given.
    marks = [{1: "<", 2: ">"}.get(one, "w") for one in ids]
    assert "".join(marks) == "ww<w<<w>w>>ww"
    assert places == [2, 5, 4]


def test_a_mention_without_a_token_has_no_value(asserter):
    entities = Entity(Span(2, 3), "problem", " "), Entity(Span(3, 8), "problem", "fever")
    said = asserter(Document("d", "no fever", entities))
    assert said[0] == {}
    assert said[1]["assertion"][0] == "absent"


def test_labels_that_declare_nothing_are_not_read(asserter):
    text = "no aspirin"
    said = asserter(Document("d", text, (Entity(Span(3, 10), "treatment", "aspirin"),)))
    assert said == [{}]


def test_values_that_the_encoder_does_not_know_are_not_guessed():
    assert not Asserter(Letters(), LABELS).knows


WORDS = st.lists(st.sampled_from(["no", "gout", "fever", ".", "\n", "cough,", "İ"]), min_size=1, max_size=60)


@given(WORDS, st.integers(4, 40), st.data())
def test_every_mention_is_answered_for_once_and_its_marker_stands_before_it(words, most, data):
    asserter = Asserter(Letters(), LABELS)
    text = " ".join(words)
    found = tokens(text)
    spans = [Span(found[a].start, found[min(a + n, len(found) - 1)].end) for a, n in data.draw(PLACES(len(found)))]
    shown = list(asserter.windows(text, spans, WindowSettings(max_tokens=most, overlap_sentences=0)))
    answered = [number for window in shown for number, _ in window.mentions]
    assert sorted(answered) == list(range(len(spans)))
    for window in shown:
        for number, at in window.mentions:
            opened = at
            while window.ids[opened] == 1:
                opened += 1
            first = next(span for span in found if span.overlaps(spans[number]))
            assert window.ids[opened] == asserter.classifier.tokens(first.of(text))[0]


def PLACES(count):
    return st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, 4)), max_size=6) if count else st.just([])


def test_what_comes_with_clinspan_says_the_assertion_of_given_mentions():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    text = "FAMILY HISTORY: breast cancer.\n\nShe denies chest pain, fever or cough. CT: diverticulitis."
    names = ("breast cancer", "chest pain", "fever", "cough", "diverticulitis")
    said = Asserter.opened(for_assertion(), LABELS)(document(text, *names))
    assert [one["assertion"][0] for one in said] == [
        "associated-with-someone-else",
        "absent",
        "absent",
        "absent",
        "present",
    ]
    assert all(0 < one["assertion"][1] <= 1 for one in said)


def test_it_is_no_encoder_that_finds_and_the_other_way_round():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    with pytest.raises(ConfigError, match="does not find mentions"):
        EncoderLLM.opened(for_assertion())
    finds = next(path for path in for_assertion().parent.iterdir() if path.name == "clinical-notes")
    assert load(finds)[0].heads
    with pytest.raises(InputError, match="of mentions that are marked"):
        Asserter.opened(finds, LABELS)


def test_tagging_hears_it_unless_rules_are_asked_for():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    with Tagger.open(labels="problem-treatment-test", dictionary=None) as tagger:
        assert tagger.asserter is not None
        said = "asserter, the encoder that finds them and rules"
        assert tagger.describe()["assertion of problems"] == said
        assert tagger.with_(settings=replace(tagger.settings, assertion="rules")).asserter is None
    assert Tagger(labels=LABELS).asserter is None


@pytest.mark.parametrize("threads", [1, 3])
def test_it_reads_with_the_threads_of_the_tagger(threads):
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    with Tagger.open(labels="problem-treatment-test", dictionary=None, threads=threads) as tagger:
        assert tagger.asserter.classifier._threads == threads
