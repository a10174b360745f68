"""The embedded LLM with several requests under way: the same answers as one after the other, in order, and bounded."""

import threading
from itertools import count

import pytest

from clinspan.errors import LLMError
from clinspan.llms.embedded import AHEAD, EmbeddedLLM, EmbeddedSettings
from clinspan.llms.llama import MOST, Threads, default_threads, most_threads
from clinspan.messages import CopyConstraint, Message, Request

SYSTEM = Message("system", "Copy the text and put every disease into brackets, like [ mention | disease ].")
NOTE = "She denies chest pain but has had gout and mild asthma since childhood, and no fever or chills were seen today."


def ask(text):
    return Request((SYSTEM, Message("user", text)), constraint=CopyConstraint(text, ("disease",), open_bias=4.0))


def opened(smollm2, threads):
    return EmbeddedLLM(smollm2, EmbeddedSettings(context=512, threads=threads, as_shipped=True))


@pytest.mark.model
def test_answers_are_those_of_one_after_the_other_in_order(smollm2):
    words = NOTE.split()
    texts = [" ".join(words[i % 7 : i % 7 + 2 + (i * 5) % 13]) for i in range(12)]
    # One that cannot be answered keeps its place.
    requests = [ask(text) for text in [*texts[:5], "word " * 600, *texts[5:]]]
    found = []
    for threads in (1, 3):
        with opened(smollm2, threads) as llm:
            found.append([str(a) if isinstance(a, LLMError) else (a.text, a.spans) for a in llm.complete(requests)])
    assert found[0] == found[1]
    assert "do not fit" in found[0][5]
    assert any("[" in row[0] for row in found[0] if not isinstance(row, str))


@pytest.mark.model
def test_requests_are_pulled_as_there_is_room_by_the_thread_that_asks(smollm2):
    pulled, by = [], set()

    def endless():
        for n in count():
            pulled.append(n)
            by.add(threading.get_ident())
            yield ask(f"Gout {n}.")

    with opened(smollm2, 2) as llm:
        results = llm.complete(endless())
        for n in range(6):
            assert str(n) in next(results).text
            assert len(pulled) <= n + 1 + 2 * AHEAD
        results.close()
        left = len(pulled)
        # The requests of one stream may be made out of another's results.
        assert [a.text for a in llm.complete(ask(a.text) for a in llm.complete([ask("No fever.")]))]
    assert by == {threading.get_ident()}
    assert len(pulled) == left


@pytest.mark.model
def test_one_thread_takes_a_request_when_the_one_before_was_used(smollm2):
    pulled = []
    with opened(smollm2, 1) as llm:
        results = llm.complete(pulled.append(n) or ask("Gout.") for n in count())
        for n in range(3):
            next(results)
            assert pulled == list(range(n + 1))


def test_contexts_that_are_busy_share_the_threads():
    threads = Threads(4)
    assert threads.part == 4
    with threads.busy():
        assert threads.part == 4
        with threads.busy(), threads.busy():
            assert threads.part == 1
        assert threads.part == 4


def test_a_thread_for_each_core_unless_the_environment_says_fewer(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert default_threads() == MOST
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert default_threads() == 3
    assert most_threads() == MOST
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(2), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "nonsense")
    assert default_threads() == 2
