"""Documents stream through an LLM: order, bounds, faults, and ends."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, islice

import pytest

from clinspan.document import Document
from clinspan.errors import LLMError
from clinspan.llms.base import Traits
from clinspan.messages import Completion, Request
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings

SENTENCE = WindowSettings(max_tokens=40, max_sentences=1, overlap_sentences=0)


class AheadLLM:
    """Pulls up to `ahead` requests before it gives their results, and counts what it does."""

    name, context, constrains, traits = "ahead", None, False, Traits()

    def __init__(self, ahead: int = 1):
        self.ahead = ahead
        self.pulled = self.given = 0
        self.ended = 0

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        upcoming, waiting = iter(requests), deque()
        try:
            while True:
                for request in islice(upcoming, self.ahead - len(waiting)):
                    self.pulled += 1
                    waiting.append(request)
                if not waiting:
                    return
                text = waiting.popleft().messages[-1].content.split("Text:\n", 1)[-1]
                self.given += 1
                yield Completion(re.sub("aspirin", "[ aspirin | drug ]", text))
        finally:
            self.ended += 1

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def tagger(llm, labels, *, ahead: int = 2048, ask: str = "always") -> Tagger:
    settings = TagSettings(windows=SENTENCE, ask=ask, ahead=ahead)
    return Tagger.open(llm, labels=labels, dictionary=None, settings=settings)


def note(name: object, sentences: int) -> Document:
    return Document(str(name), "Given aspirin. " * sentences)


def test_a_document_is_given_when_its_last_window_is_answered(labels) -> None:
    llm = AheadLLM()
    taken = []
    notes = (taken.append(n) or note(n, 3) for n in range(100))
    given = tagger(llm, labels).tag_many(notes)
    for n in range(4):
        assert next(given).id == str(n)
        assert llm.given == 3 * (n + 1)
        assert taken == list(range(n + 1))


def test_windows_without_questions_do_not_hold_a_document_back(labels) -> None:
    drug = labels.labels[0]
    terms = type(labels)("drugs", (type(drug)("drug", drug.definition, terms=("aspirin",)),))
    llm = AheadLLM()
    text = "Given aspirin. All is well. Nothing is new."
    given = tagger(llm, terms, ask="candidates").tag_many(Document(str(n), text) for n in count())
    done = next(given)
    assert [window.asked for window in done.windows] == [True, False, False]
    assert llm.given == llm.pulled == 1


@pytest.mark.parametrize("ahead", [1, 2, 7, 1000])
def test_an_llm_that_pulls_ahead_gets_no_more_than_may_be_held(labels, ahead) -> None:
    llm = AheadLLM(ahead=10**9)
    taken = 0

    def notes() -> Iterator[Document]:
        nonlocal taken
        for taken in count(1):
            yield note(taken, 3)

    given = tagger(llm, labels, ahead=ahead).tag_many(notes())
    for n in range(1, 50):
        document = next(given)
        assert (document.id, len(document.entities)) == (str(n), 3)
        assert 3 * (taken - n - 1) <= ahead


def test_notes_about_which_nothing_is_asked_do_not_pile_up(labels) -> None:
    taken = 0

    def notes() -> Iterator[Document]:
        nonlocal taken
        for taken in count(1):
            yield Document(str(taken), "" if taken % 2 else "All is well.")

    given = tagger(AheadLLM(), labels, ahead=10, ask="candidates").tag_many(notes())
    for n in range(1, 100):
        assert next(given).id == str(n)
        assert taken - n <= 11


@pytest.mark.parametrize("ahead", [1, 8])
def test_a_fault_of_the_source_comes_after_the_notes_before_it(labels, ahead) -> None:
    def notes() -> Iterator[Document]:
        yield note(0, 2)
        yield note(1, 3)
        raise OSError("the disk is gone")

    given = tagger(AheadLLM(ahead), labels).tag_many(notes())
    assert [len(next(given).entities) for _ in range(2)] == [2, 3]
    with pytest.raises(OSError, match="the disk is gone"):
        next(given)


def test_ctrl_c_in_the_source_goes_through_at_once(labels) -> None:
    def notes() -> Iterator[Document]:
        yield note(0, 2)
        raise KeyboardInterrupt

    llm = AheadLLM(8)
    with pytest.raises(KeyboardInterrupt):
        next(tagger(llm, labels).tag_many(notes()))
    assert (llm.given, llm.ended) == (0, 1)


def test_leaving_early_ends_the_llm_and_takes_no_more(labels) -> None:
    llm = AheadLLM(4)
    taken = []
    given = tagger(llm, labels).tag_many(taken.append(n) or note(n, 1) for n in count())
    next(given)
    given.close()
    before = len(taken)
    assert llm.ended == 1
    assert before <= 5


@pytest.mark.parametrize("results", [[], [Completion("x")] * 9])
def test_an_llm_that_does_not_answer_one_for_one_is_found_out(labels, results) -> None:
    class Miscounting(AheadLLM):
        def complete(self, requests):
            list(requests)
            return iter(results)

    with pytest.raises(LLMError, match=r"without a result|for no request"):
        tagger(Miscounting(), labels).tag(note(0, 3))
