"""The wrapper that asks nothing twice."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from counting_llm import CountingLLM, ask
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Span
from clinspan.errors import BudgetError, ContextOverflow, LLMError
from clinspan.messages import Candidate, Completion, CopyConstraint, FinishReason, FoundSpan, Message
from clinspan.runs import recorded
from clinspan.runs.answers import NOTHING, Cache, TokenCounts, content_key
from clinspan.runs.ledger import Budget, Ledger, Limits, Price
from clinspan.runs.recorded import Recorded


def said(results):
    return [result.text if isinstance(result, Completion) else type(result).__name__ for result in results]


def texts(llm):
    return [request.messages[-1].content for request in llm.seen]


def test_answers_come_in_order_and_equal_requests_are_made_once(tmp_path, llm):
    with Ledger(tmp_path / "l") as ledger:
        results = Recorded(llm, ledger=ledger).complete(ask(text) for text in ["a", "b", "a", "fail", "c", "fail", "a"])
        assert said(results) == ["A", "B", "A", "LLMError", "C", "LLMError", "A"]
    assert texts(llm) == ["a", "b", "fail", "c"]


def test_every_window_is_linked_to_its_request(tmp_path, llm):
    with Ledger(tmp_path / "l") as ledger:
        places = [("a", "x", 0), ("a", "x", 9), ("b", "y", 0), ("a", "z", 0), ("fail", "z", 9)]
        list(Recorded(llm, ledger=ledger).complete(ask(*place) for place in places))
    with closing(sqlite3.connect(tmp_path / "l")) as db:
        linked = db.execute("SELECT document, start, key FROM asked JOIN requests USING (key)").fetchall()
    assert {(document, start) for document, start, _ in linked} == {place[1:] for place in places}
    assert {key for *_, key in linked} == {content_key(llm, ask(text)) for text in ("a", "b", "fail")}


def test_a_second_session_asks_what_is_new_alone_and_failures_stay(tmp_path, llm):
    with Ledger(tmp_path / "l") as ledger:
        first = list(Recorded(llm, ledger=ledger).complete(map(ask, ["a", "fail", "b"])))
    with Ledger(tmp_path / "l") as ledger:
        again = Recorded(llm, ledger=ledger)
        second = list(again.complete(map(ask, ["a", "fail", "b", "c"])))
        assert ledger.requests() == {"answered": 3, "known": 0, "failed": 1, "attempts": 4}
        assert ledger.spent() == TokenCounts(30, 15)
    assert texts(llm) == ["a", "fail", "b", "c"]
    assert second[0] == first[0]
    assert str(second[1]) == str(first[1])
    assert (again.tally.asked, again.tally.known) == (1, 3)


FOUND = st.builds(
    FoundSpan,
    st.builds(lambda start, size: Span(start, start + size), st.integers(0, 10**6), st.integers(1, 100)),
    st.text(st.characters(codec=None)),
    st.none() | st.floats(0, 1),
    st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=2),
)


@given(
    text=st.text(st.characters(codec=None)),
    spans=st.none() | st.lists(FOUND).map(tuple),
    finish=st.sampled_from(FinishReason),
    constrained=st.booleans(),
    counts=st.tuples(*[st.integers(0, 10**9)] * 3),
    seconds=st.floats(0, 1e6),
)
def test_what_is_kept_comes_back_exactly(tmp_path_factory, text, spans, finish, constrained, counts, seconds):
    answer = Completion(text, finish, spans, constrained, *counts, seconds)
    path = tmp_path_factory.mktemp("l") / "l"
    with Ledger(path) as ledger:
        ledger.answers.put(b"key", answer)
    with Ledger(path) as ledger:
        assert ledger.answers.get(b"key") == answer


@pytest.mark.parametrize("kind", [LLMError, ContextOverflow, BudgetError])
def test_a_failure_that_is_kept_comes_back_as_what_it_was(tmp_path, kind):
    with Ledger(tmp_path / "l") as ledger:
        ledger.answers.put(b"key", kind("does not fit", where="there", fix="Wait."))
        kept = ledger.answers.get(b"key")
    assert type(kept) is kind
    assert str(kept) == "there: does not fit. Wait."


def test_every_time_a_request_was_sent_counts(tmp_path):
    gave_up = LLMError("HTTP 500")
    gave_up.attempts = 5
    with Ledger(tmp_path / "l") as ledger:
        ledger.answers.put(b"key", gave_up)
        ledger.answers.put(b"key", Completion("at last", attempts=2))
        ledger.answers.put(b"other", Completion("from the cache", attempts=3), paid=False)
        assert ledger.requests() == {"answered": 1, "known": 1, "failed": 0, "attempts": 7}


@given(known=st.lists(st.booleans(), max_size=40), ahead=st.integers(1, 5), room=st.integers(1, 5))
def test_order_is_kept_however_known_and_new_are_mixed(known, ahead, room):
    llm = CountingLLM(ahead=room)
    database = recorded.AHEAD
    recorded.AHEAD = ahead
    try:
        cache = _Memory()
        wrapped = Recorded(llm, cache=cache)
        for n, here in enumerate(known):
            if here:
                cache.put(content_key(llm, ask(f"t{n}")), Completion(f"kept {n}"))
        pulled = 0

        def requests():
            nonlocal pulled
            for n in range(len(known)):
                pulled = n + 1
                yield ask(f"t{n}")

        given = 0
        for n, result in enumerate(wrapped.complete(requests())):
            assert result.text == (f"kept {n}" if known[n] else f"T{n}")
            assert pulled <= n + 1 + ahead + room
            given = n + 1
        assert given == len(known)
        assert len(llm.seen) == known.count(False)
    finally:
        recorded.AHEAD = database


class _Memory(dict):
    def put(self, key, result, *, paid=True):
        self[key] = result


def test_the_cache_serves_another_run_and_keeps_no_failure(tmp_path, llm):
    with Cache(tmp_path / "cache") as cache:
        with Ledger(tmp_path / "one") as ledger:
            list(Recorded(llm, ledger=ledger, cache=cache).complete(map(ask, ["a", "fail"])))
        with Ledger(tmp_path / "two") as ledger:
            results = Recorded(llm, ledger=ledger, cache=cache).complete(map(ask, ["a", "fail"]))
            assert said(results) == ["A", "LLMError"]
            assert ledger.requests() == {"answered": 0, "known": 1, "failed": 1, "attempts": 1}
            assert ledger.spent() == NOTHING
        assert len(cache) == 1
    assert texts(llm) == ["a", "fail", "fail"]


def test_what_is_asked_again_passes_ledger_and_cache(tmp_path, llm):
    with Cache(tmp_path / "cache") as cache, Ledger(tmp_path / "l") as ledger:
        wrapped = Recorded(llm, ledger=ledger, cache=cache)
        list(wrapped.complete(map(ask, ["a", "fail"])))
        llm.healed = True
        ledger.ask_again()
        assert said(wrapped.complete(map(ask, ["a", "fail"]))) == ["A", "FAIL"]
        assert texts(llm) == ["a", "fail", "fail"]
        assert ledger.requests() == {"answered": 2, "known": 0, "failed": 0, "attempts": 3}


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message("user", "b"),)},
        {"messages": (Message("system", "a"),)},
        {"messages": (Message("user", "a"), Message("user", ""))},
        {"max_tokens": 21},
        {"json_schema": {"type": "object"}},
        {"constraint": CopyConstraint("a", ("x",))},
        {"constraint": CopyConstraint("a", ("x",), open_bias=0.1)},
        {"constraint": CopyConstraint("a", ("x",), candidates=(Candidate(Span(0, 1), ("x",)),))},
    ],
)
def test_all_that_changes_an_answer_changes_the_key(change):
    llm = CountingLLM(constrains=True)
    assert content_key(llm, replace(ask("a"), **change)) != content_key(llm, ask("a"))


def test_the_key_is_of_the_model_and_not_of_the_place():
    llm = CountingLLM()
    assert content_key(llm, ask("a")) != content_key(CountingLLM(name="other"), ask("a"))
    assert content_key(llm, ask("a")) != content_key(CountingLLM(constrains=True), ask("a"))
    assert content_key(llm, ask("a", "x")) == content_key(llm, ask("a", "y", 7))
    assert len(content_key(llm, ask("\ud800"))) == 16


class Eager(CountingLLM):
    """Knows all answers before the first is wanted, and says so."""

    listener = None

    def complete(self, requests):
        requests = list(requests)

        def announce():
            for request in reversed(requests):
                self.listener(request, self.answer(request))

        thread = threading.Thread(target=announce)
        thread.start()
        thread.join()
        for request in requests:
            self.seen.append(request)
            yield self.answer(request)


def test_what_is_announced_is_kept_before_its_turn(tmp_path):
    llm = Eager()
    with Ledger(tmp_path / "l") as ledger:
        results = Recorded(llm, ledger=ledger).complete(map(ask, ["a", "fail", "c"]))
        assert next(results).text == "A"
        assert len(ledger.answers) == 3
        assert said(results) == ["LLMError", "C"]
        assert ledger.requests() == {"answered": 2, "known": 0, "failed": 1, "attempts": 3}


def test_a_budget_of_tokens_is_never_passed_and_ends_in_good_order(llm):
    # A request takes 15 tokens, and could take 29: one word, 8 around it, 20 of an answer.
    wrapped = Recorded(llm, cache=_Memory(), budget=Budget(Limits(tokens=80)))
    results = list(wrapped.complete(map(ask, ["a", "b", "c", "d", "e", "a", "f"])))
    assert said(results) == ["A", "B", "C", "D", "BudgetError", "A", "BudgetError"]
    assert wrapped.tally.tokens.total == 60
    assert "80 tokens" in str(results[4])


def test_a_budget_counts_earlier_sessions(tmp_path, llm):
    with Ledger(tmp_path / "l") as ledger:
        list(Recorded(llm, ledger=ledger).complete(map(ask, "abcd")))
        budget = Budget(Limits(tokens=80), ledger.spent())
        assert said(Recorded(llm, ledger=ledger, budget=budget).complete([ask("a"), ask("z")])) == ["A", "BudgetError"]
        assert ledger.requests()["failed"] == 0


def test_a_budget_of_money(llm):
    price = Price(input=1_000_000, output=2_000_000)  # a request takes 10 + 2 * 5, and could take 9 + 2 * 20
    wrapped = Recorded(llm, budget=Budget(Limits(cost=90, price=price)))
    assert said(wrapped.complete(map(ask, "abcdef"))) == ["A", "B", "C", "BudgetError", "BudgetError", "BudgetError"]
    assert price.of(wrapped.tally.tokens) == 60


def test_a_server_that_does_not_count_has_used_what_was_reckoned_with():
    llm = CountingLLM(tokens=(0, 0))
    wrapped = Recorded(llm, budget=Budget(Limits(tokens=60)))
    assert said(wrapped.complete(map(ask, "abc"))) == ["A", "B", "BudgetError"]


def test_closed_early_it_ends_what_is_under_way(llm):
    closed = []

    def requests():
        try:
            while True:
                yield ask("a" * (len(llm.seen) + 1))
        finally:
            closed.append(True)

    results = Recorded(llm).complete(feed := requests())
    next(results)
    results.close()
    feed.close()
    assert closed
    assert len(llm.seen) == 1


def test_an_error_of_the_budget_is_an_llm_error():
    assert issubclass(BudgetError, LLMError)
