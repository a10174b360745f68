"""A real server that misbehaves on a script, and what a run makes of it: each window ends named, and it goes on."""

import threading
import time
from email.utils import formatdate

import pytest
from llm_server import Answer, reply

from clinspan.document import Document, WindowState
from clinspan.labels import LabelSet
from clinspan.llms.limits import LimitSettings
from clinspan.llms.openai import OpenAILLM, OpenAISettings
from clinspan.messages import Completion, Message, Request
from clinspan.tagging.settings import NO_FACTS, TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings

OK, FAILED = WindowState.OK, WindowState.FAILED
HTML = {"Content-Type": "text/html"}
QUICK = LimitSettings(first_wait=0.01, longest_wait=0.02, dead_after=50, dead_wait=0.05, outage=2.0)


def good(seen):
    return Answer(reply(seen.window.replace("gout", "[ gout | disease ]")))


def tagger(server, *, retries=2, timeout=20.0, limits=QUICK, tokens=64, **more):
    llm = OpenAILLM(
        "tiny", OpenAISettings(base_url=server.url, retries=retries, timeout=timeout, limits=limits, **more)
    )
    settings = TagSettings(windows=WindowSettings(max_tokens=tokens, overlap_sentences=0), facts=NO_FACTS)
    return llm, Tagger.open(llm, labels=LabelSet.builtin("disease"), dictionary=None, settings=settings)


def states(server, script, **how):
    """Three notes, of which the one in the middle meets with the fault; their states, and how often it was asked."""
    asked = []

    def scripted(seen):
        if "MIDDLE" not in seen.window:
            return good(seen)
        asked.append(seen)
        return script(seen, len(asked))

    server.script = scripted
    llm, tags = tagger(server, **how)
    with llm:
        notes = [Document(str(n), f"He {'MIDDLE' if n == 1 else 'then'} had gout.") for n in range(3)]
        done = list(tags.tag_many(notes))
    (first,), (middle,), (last,) = (document.windows for document in done)
    assert (first.state, last.state) == (OK, OK)
    return middle, len(asked)


def error(message, **more):
    return {"error": {"message": message} | more}


@pytest.mark.parametrize(
    ("answer", "state", "asked", "detail"),
    [
        (Answer(error("slow down"), 429), OK, 2, None),
        (Answer(error("slow down"), 429, {"Retry-After": "0.01"}), OK, 2, None),
        (Answer(error("boom"), 500), OK, 2, None),
        (Answer("<html>Bad gateway</html>", 502, HTML), OK, 2, None),
        (Answer(error("starting"), 503, {"Retry-After": "0"}), OK, 2, None),
        (Answer(cut=True), OK, 2, None),
        (Answer(reset=True), OK, 2, None),
        (Answer('{"choices": [{'), OK, 2, None),
        (Answer({"choices": []}), OK, 2, None),
        (Answer("<html>Please log in</html>", 200, HTML), OK, 2, None),
        (Answer(error("overloaded", code=503)), OK, 2, None),
        (Answer(error("boom")), FAILED, 1, "answered with an error: boom"),
        (Answer(error("no such field"), 400), FAILED, 1, "HTTP 400: no such field"),
        (Answer(error("no"), 401), FAILED, 1, "HTTP 401: no. Check the key"),
        (Answer(reply(None, refusal="I cannot.")), WindowState.REFUSED, 1, "declined"),
        (Answer(reply(None, "content_filter")), WindowState.REFUSED, 1, "declined"),
        (Answer(error("The response was filtered", code="content_filter"), 400), WindowState.REFUSED, 1, "declined"),
        (Answer(reply("He MID", "length")), WindowState.TRUNCATED, 1, "cut off after 7 tokens"),
    ],
)
def test_a_fault_that_comes_once(server, answer, state, asked, detail):
    window, times = states(server, lambda seen, time: answer if time == 1 else good(seen))
    assert (window.state, times) == (state, asked), window.detail
    assert detail is None or detail in window.detail


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (Answer(error("boom"), 500), "HTTP 500: boom"),
        (Answer("<html>Bad gateway</html>", 502, HTML), "HTTP 502: an HTML page"),
        (Answer(cut=True), "the request failed"),
        (Answer(reset=True), "the request failed"),
        (Answer('{"choices": [{'), "is not JSON"),
        (Answer({"choices": []}), "has no choices"),
        (Answer("<html>Please log in</html>", 200, HTML), "is not JSON: <html>"),
        (Answer(error("overloaded", code=503)), "answered with an error: overloaded"),
    ],
)
def test_a_fault_that_stays_is_asked_three_times(server, answer, detail):
    window, times = states(server, lambda seen, time: answer)
    assert (window.state, times) == (FAILED, 3)
    assert detail in window.detail


def test_a_server_that_drips_or_hangs(server):
    waiting = threading.Event()
    window, times = states(server, lambda seen, time: Answer(drip=0.05), retries=1, timeout=1.0)
    assert (window.state, times) == (FAILED, 2)
    assert "no whole answer within 1 s" in window.detail
    window, times = states(server, lambda seen, time: waiting.wait(20) and Answer(), retries=0, timeout=1.0)
    waiting.set()
    assert (window.state, times) == (FAILED, 1)


def test_a_redirect_to_another_host_is_refused(server, other_server):
    target = other_server.url + "/chat/completions"
    window, times = states(server, lambda seen, time: Answer({}, 307, {"Location": target}))
    assert (window.state, times) == (FAILED, 1)
    assert f"redirects to {target}, which is refused" in window.detail


def test_everybody_waits_as_long_as_the_server_asks(server):
    """An HTTP date counts whole seconds, so the wait is somewhat under two of them."""
    came = []

    def script(seen):
        came.append(time.time())
        if len(came) == 1:
            return Answer(error("slow down"), 429, {"Retry-After": formatdate(came[0] + 2, usegmt=True)})
        return good(seen)

    server.script = script
    llm, tags = tagger(server, limits=LimitSettings(start=1))
    with llm:
        notes = [Document(str(n), "He had gout.") for n in range(3)]
        assert [d.windows[0].state for d in tags.tag_many(notes)] == [OK] * 3
    assert len(came) == 4
    assert came[1] - came[0] > 0.9


def test_a_quota_that_is_spent_for_hours_is_not_waited_for(server):
    headers = {"Retry-After": "7200"}
    window, times = states(server, lambda seen, time: Answer(error("quota"), 429, headers))
    assert (window.state, times) == (FAILED, 1)
    assert "it asks to wait 7200 s" in window.detail


def test_a_dead_server_is_left_alone(server):
    server.script = lambda seen: Answer(error("boom"), 500)
    limits = LimitSettings(first_wait=0.0, longest_wait=0.0, dead_after=6, dead_wait=600.0, start=1)
    llm, tags = tagger(server, limits=limits)
    with llm:
        done = list(tags.tag_many(Document(str(n), "He had gout.") for n in range(40)))
    assert {document.windows[0].state for document in done} == {FAILED}
    assert len(server.seen) == 6
    last = done[-1].windows[0].detail
    assert "not asked: the server has failed 6 times in a row, last: HTTP 500: boom" in last


def test_a_server_that_comes_back_is_found_and_nothing_is_lost(server):
    """Down for a while in the middle of a run: requests wait, one looks after it, and all go on."""
    served = []

    def script(seen):
        served.append(seen)
        return Answer(error("restarting"), 503) if 5 < len(served) <= 14 else good(seen)

    server.script = script
    limits = LimitSettings(first_wait=0.01, longest_wait=0.02, dead_after=4, dead_wait=0.05, outage=60.0)
    llm, tags = tagger(server, limits=limits, retries=10)
    with llm:
        done = list(tags.tag_many(Document(str(n), "He had gout.") for n in range(30)))
    assert {document.windows[0].state for document in done} == {OK}


LONG = (
    "He had gout in May. " * 12
    + "Then he fell\u2014and had gout again \U0001f600 in \u00e9t\u00e9. "
    + "She had no gout. " * 12
)


def test_a_window_that_is_too_long_is_asked_about_in_parts(server):
    """The server takes 60 words; offsets are the note's, and no entity is lost or found twice."""
    most = 60

    def script(seen):
        if len(seen.window.split()) > most:
            return Answer(error("the request exceeds the available context size", code=400), 400)
        return good(seen)

    server.script = script
    llm, tags = tagger(server, tokens=400)
    with llm:
        done = tags.tag(LONG)
    assert [window.state for window in done.windows] == [OK]
    assert [entity.text for entity in done.entities] == ["gout"] * LONG.count("gout")
    assert [entity.start for entity in done.entities] == sorted({entity.start for entity in done.entities})
    shown = [seen.window for seen in server.seen if len(seen.window.split()) <= most]
    assert all(part in LONG for part in shown)
    # No part begins or ends within a word.
    assert all((" " + LONG + " ").count(f" {part} ") for part in shown)


def test_a_text_of_any_kind_is_split_without_losing_a_word(server):
    """No sentences and no spaces to speak of: cut between words, else between tokens."""
    text = "gout;" * 50 + "x" * 300 + " gout " * 30
    server.script = lambda seen: (
        Answer(error("maximum context length is 99 tokens"), 400) if len(seen.window) > 120 else good(seen)
    )
    llm, tags = tagger(server, tokens=4000)
    with llm:
        done = tags.tag(text)
    assert "".join(sorted(entity.text for entity in done.entities))
    assert all(entity.text == "gout" for entity in done.entities)
    assert len(done.entities) == text.count("gout")


def test_a_prompt_that_leaves_no_room_at_all_ends_over_budget(server):
    server.script = lambda seen: Answer(error("too long", code="context_length_exceeded"), 400)
    llm, tags = tagger(server)
    with llm:
        done = tags.tag("He had gout. " * 5)
    (window,) = done.windows
    assert window.state is WindowState.OVER_BUDGET
    assert "does not fit into the model's context, not even in parts" in window.detail


def test_no_more_than_a_few_set_out_before_the_first_answer(server):
    """How it grows from there is shown without a server, where nothing disturbs the times."""
    release = threading.Event()

    def script(seen):
        if server.most_inside >= 4:
            # More would come now.
            threading.Timer(0.3, release.set).start()
        release.wait(60)
        return Answer()

    server.script = script
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0, concurrency=16)) as llm:
        requests = [Request((Message("user", str(n)),)) for n in range(40)]
        results = llm.complete(requests)
        assert isinstance(next(results), Completion)
        assert server.most_inside == 4
        assert [result for result in results if not isinstance(result, Completion)] == []
    assert server.most_inside <= 16


def test_attempts_are_counted(server):
    answers = [Answer(error("boom"), 500), Answer(error("boom"), 500), Answer()]
    server.script = lambda seen: answers.pop(0)
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, limits=QUICK)) as llm:
        (result,) = llm.complete([Request((Message("user", "x"),))])
    assert result.attempts == 3
