import logging
import os
import subprocess
import sys
import threading
import time
from itertools import count
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_server import Answer, reply

from clinspan.errors import ConfigError, LLMError, MissingExtra, PrivacyError
from clinspan.llms.base import estimate_tokens
from clinspan.llms.openai import OpenAILLM, OpenAISettings, answer_grammar
from clinspan.messages import Completion, CopyConstraint, FinishReason, Message, Request


def ask(text="Is it flu?", **rest):
    return Request((Message("system", "Copy the text."), Message("user", text)), **rest)


@pytest.fixture
def llm(server):
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0)) as llm:
        yield llm


def only(llm, request=None):
    (result,) = llm.complete([request or ask()])
    return result


def test_a_request_as_the_server_sees_it(server, llm):
    result = only(llm, ask(max_tokens=33))
    assert isinstance(result, Completion)
    assert result.text == "It is [ flu | disease ]."
    assert (result.finish, result.constrained) == (FinishReason.STOP, False)
    assert (result.prompt_tokens, result.completion_tokens, result.cached_tokens) == (11, 7, 5)
    assert result.seconds > 0
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Copy the text."},
            {"role": "user", "content": "Is it flu?"},
        ],
        "temperature": 0,
        "max_tokens": 33,
    }


def test_the_name_says_model_and_server(server, llm):
    assert llm.name == f"openai:tiny@127.0.0.1:{server.port}"
    assert (llm.context, llm.constrains) == (None, False)


HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer({"error": {"message": "boom"}}, 500), "HTTP 500: boom"),
        (Answer("<html>Bad gateway</html>", 502, HTML), "HTTP 502: an HTML page"),
        (Answer({"error": {"message": "no such field"}}, 400), "HTTP 400: no such field"),
        (Answer({"error": "no"}, 401), "HTTP 401: no. Check the key in OPENAI_API_KEY"),
        (Answer({"error": "no"}, 404), "HTTP 404: no. Check the address and the model's name 'tiny'"),
        (Answer("<html>login</html>", 200, HTML), "is not JSON: <html>login"),
        (Answer('{"choices": [{', 200), "is not JSON"),
        (Answer({"choices": []}), "has no choices"),
        (Answer({"error": {"message": "boom"}}), "answered with an error: boom"),
        (Answer(reply(None)), "has no text"),
        (Answer(cut=True), "the request failed"),
        (Answer("not gzip", headers={"Content-Encoding": "gzip"}), "the request failed"),
        (Answer({}, 302), r"redirects to \(empty\), which is refused"),
        (Answer({}, 302, {"Location": "http://[bad"}), "the request failed|redirects to http"),
    ],
)
def test_one_bad_answer_is_one_error_and_the_others_go_on(server, llm, answer, fault):
    server.script = lambda seen: answer if seen.question == "bad" else Answer()
    results = list(llm.complete([ask(), ask("bad"), ask()]))
    assert [type(result) for result in results] == [Completion, LLMError, Completion]
    assert str(results[1]).startswith(f"{server.url}: ")
    with pytest.raises(LLMError, match=fault):
        raise results[1]


def test_a_redirect_to_another_host_is_refused(server, other_server, llm):
    server.script = lambda seen: Answer({}, 307, {"Location": other_server.url + "/chat/completions"})
    result = only(llm)
    assert f"redirects to {other_server.url}/chat/completions, which is refused" in str(result)


def test_a_refusal_and_a_truncation_are_answers(server, llm):
    server.script = lambda seen: Answer(reply(None, refusal="I cannot."))
    assert (only(llm).finish, only(llm).text) == (FinishReason.REFUSAL, "I cannot.")
    server.script = lambda seen: Answer(reply("It is [ fl", "length"))
    assert (only(llm).finish, only(llm).text) == (FinishReason.LENGTH, "It is [ fl")


def test_nobody_listens():
    import socket

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with OpenAILLM("tiny", OpenAISettings(base_url=url, retries=0)) as llm:
            said = str(only(llm))
    assert "nothing answers at that address. Is the server running?" in said


def test_a_server_that_does_not_answer_in_time(server):
    done = threading.Event()

    def script(seen):
        done.wait(20)
        return Answer()

    server.script = script
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0, timeout=0.3)) as llm:
        assert "no whole answer within 0." in str(only(llm))
    done.set()


def test_faults_that_pass_are_tried_again(server):
    answers = [Answer({}, 429, {"Retry-After": "0.01"}), Answer({}, 503, {"Retry-After-Ms": "10"}), Answer()]
    server.script = lambda seen: answers.pop(0)
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=2)) as llm:
        assert isinstance(only(llm), Completion)
    assert len(server.seen) == 3


def test_as_many_requests_are_under_way_as_was_said(server):
    together = threading.Barrier(3)

    def script(seen):
        if int(seen.question) < 3:
            together.wait(20)  # raises, and breaks the answer off, unless three are there at once
        return Answer()

    server.script = script
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0, concurrency=3)) as llm:
        assert all(isinstance(result, Completion) for result in llm.complete([ask(str(n)) for n in range(20)]))
    assert server.most_inside == 3


def test_order_is_kept_and_results_come_before_the_last_request(server):
    first_may_go = threading.Event()

    def script(seen):
        if seen.question == "0":
            assert first_may_go.wait(20)
        if seen.question == "5":
            first_may_go.set()
        return Answer(reply(seen.question))

    server.script = script
    settings = OpenAISettings(base_url=server.url, retries=0, concurrency=3)
    with OpenAILLM("tiny", settings) as llm:
        results = llm.complete([ask(str(n)) for n in range(40)])
        # Those behind the slow one do not wait for it, and the last ones are not yet asked for.
        assert next(results).text == "0"
        assert len(server.seen) < 40
        assert [result.text for result in results] == [str(n) for n in range(1, 40)]


def test_requests_are_pulled_as_there_is_room(server):
    """An endless source: the next request is made from a result, and few are pulled ahead."""
    pulled = []
    server.script = lambda seen: Answer(reply(seen.question))
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0, concurrency=2)) as llm:
        results = llm.complete(pulled.append(n) or ask(str(n)) for n in count())
        for n in range(30):
            assert next(results).text == str(n)
            assert len(pulled) <= n + 1 + 8
        results.close()


def test_streams_of_one_llm_share_its_limit(server):
    """The second stream's requests are made out of the first one's results, as candidates listed first are."""
    server.script = lambda seen: time.sleep(0.01) or Answer(reply(seen.question))
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0, concurrency=2)) as llm:
        lists = llm.complete(ask(f"list {n}") for n in range(20))
        answers = llm.complete(ask(f"after {listed.text}") for listed in lists)
        assert [answer.text for answer in answers] == [f"after list {n}" for n in range(20)]
    assert server.most_inside == 2


def test_what_pulling_raises_is_let_through(server, llm):
    def requests():
        yield ask("0")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(llm.complete(requests()))


def test_leaving_early_cancels_the_rest(server):
    left = threading.Event()
    # Only the first is answered before the others are left.
    server.script = lambda seen: (seen.question == "0" or left.wait(600)) and Answer()
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0, concurrency=2)) as llm:
        results = llm.complete([ask(str(n)) for n in range(1000)])
        next(results)
        results.close()
        left.set()
    assert len(server.seen) <= 1 + 2


COPY = CopyConstraint("It is flu.", ("disease",))


@pytest.mark.parametrize(
    ("kind", "where"), [("llamacpp", ("grammar",)), ("vllm", ("structured_outputs", "grammar")), ("none", ())]
)
def test_a_constraint_is_passed_on_as_the_server_takes_it(server, kind, where):
    with OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0, grammar=kind)) as llm:
        assert llm.constrains == bool(where)
        assert only(llm, ask(constraint=COPY)).constrained == bool(where)
        assert not only(llm, ask()).constrained
    sent, without = (seen.body for seen in server.seen)
    assert set(sent) - set(without) == set(where[:1])
    for name in where:
        sent = sent[name]
    assert not where or sent == answer_grammar(COPY)


def test_a_json_schema_is_passed_on(server, llm):
    only(llm, ask(json_schema={"type": "object"}))
    assert server.seen[0].body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }


def test_a_server_that_takes_no_schema_is_asked_without_and_that_is_said(server, llm, caplog):
    def script(seen):
        return Answer({"error": "unknown field"}, 400) if "response_format" in seen.body else Answer()

    server.script = script
    with caplog.at_level(logging.WARNING):
        assert isinstance(only(llm, ask(json_schema={"type": "object"})), Completion)
        assert isinstance(only(llm, ask(json_schema={"type": "object"})), Completion)
    assert ["response_format" in seen.body for seen in server.seen] == [True, False, False]
    assert [record.message for record in caplog.records if record.name.startswith("clinspan")] == [
        f"{server.url} takes no JSON schema; asking it without one from now on"
    ]


def test_a_400_of_another_cause_is_not_laid_on_the_schema(server, llm):
    server.script = lambda seen: (
        Answer({"error": "context length exceeded"}, 400) if seen.question == "long" else Answer()
    )
    assert "context length" in str(only(llm, ask("long", json_schema={"type": "object"})))
    only(llm, ask(json_schema={"type": "object"}))
    assert "response_format" in server.seen[-1].body


def test_the_key_is_sent_and_never_shown(server, monkeypatch, caplog):
    key = "sk-very-secret-123"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server.script = lambda seen: Answer({"error": {"message": f"bad key {seen.headers['Authorization']}"}}, 401)
    with (
        caplog.at_level(logging.DEBUG),
        OpenAILLM("tiny", OpenAISettings(base_url=server.url, retries=0)) as llm,
    ):
        result = only(llm)
        assert server.seen[0].headers["Authorization"] == f"Bearer {key}"
        assert "bad key Bearer ***" in str(result)
        assert key not in repr(llm.__dict__["settings"]) + llm.name
    assert key not in caplog.text
    assert "Is it flu?" not in caplog.text


def test_a_unix_socket(tmp_path):
    import socket
    from http.server import BaseHTTPRequestHandler
    from socketserver import ThreadingMixIn, UnixStreamServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            content = Answer().content()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    class Server(ThreadingMixIn, UnixStreamServer):
        daemon_threads = True
        address_family = socket.AF_UNIX

    path = tmp_path / "llm.sock"
    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
        with OpenAILLM("tiny", OpenAISettings(base_url=f"unix:{path}", retries=0)) as llm:
            assert isinstance(only(llm), Completion)
            assert llm.name == f"openai:tiny@{path}"
        server.shutdown()


def test_the_vendor_needs_the_users_word_and_a_key(monkeypatch):
    with pytest.raises(PrivacyError, match=r"sent to api\.openai\.com"):
        OpenAILLM("gpt")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        OpenAILLM("gpt", OpenAISettings(allow_remote=True))


def test_a_gateway_in_the_environment_is_not_passed_by(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with OpenAILLM("tiny") as llm:
        assert isinstance(only(llm), Completion)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"'\.\[openai\]'"):
        OpenAILLM("tiny", OpenAISettings(base_url="http://127.0.0.1/v1"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"retries": -1},
        {"concurrency": 0},
        {"context": 0},
        {"grammar": "lama"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        OpenAISettings(**wrong)


def test_estimated_tokens_are_never_too_few():
    assert estimate_tokens("") == 0
    assert estimate_tokens("Hb 10.5") == 1 + 1 + 2 + 1 + 1
    assert estimate_tokens("é") == 1
    assert estimate_tokens("→") == 3


@given(st.text(st.characters(codec="ascii")))
def test_plain_text_is_estimated_as_text_with_other_letters_is(text):
    assert estimate_tokens(text) + 3 == estimate_tokens(f"{text}→")


# Everything that Python does with sockets passes the interpreter's audit hooks, so this sees what any library tries.
BLOCKED = """
    import socket, sys
    from clinspan.llms.openai import OpenAILLM, OpenAISettings
    from clinspan.messages import Completion, CopyConstraint, Message, Request

    port = int(sys.argv[1])

    def only_the_server(event, arguments):
        if event == "socket.connect" and arguments[1] != ("127.0.0.1", port):
            # Event loops make a pair of sockets to wake themselves up.
            raise SystemExit(f"connected to {arguments[1]}")
        if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", b"127.0.0.1"):
            raise SystemExit(f"looked up {arguments[0]}")

    sys.addaudithook(only_the_server)
    with OpenAILLM("tiny", OpenAISettings(base_url=f"http://127.0.0.1:{port}/v1", retries=0)) as llm:
        (result,) = llm.complete([Request((Message("user", "hello"),))])
    assert isinstance(result, Completion), result
    print("answered")
"""


def test_no_socket_but_the_configured_one_is_opened(server, other_server):
    proxy = f"http://127.0.0.1:{other_server.port}"
    environment = os.environ | dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), proxy)
    done = subprocess.run(
        [sys.executable, "-c", dedent(BLOCKED), str(server.port)], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "answered\n", done.stderr
    assert len(server.seen) == 1
