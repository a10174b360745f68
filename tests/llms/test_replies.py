import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.llms.replies import AttemptFault, error_message, read_reply
from clinspan.messages import Completion, FinishReason

WHERE = "http://127.0.0.1/v1"


def body(content="text", finish="stop", **rest):
    return json.dumps({"choices": [{"message": {"content": content} | rest, "finish_reason": finish}]})


@pytest.mark.parametrize(
    ("given", "text", "finish"),
    [
        (body(), "text", FinishReason.STOP),
        (body(finish="eos"), "text", FinishReason.STOP),
        (body(finish="length"), "text", FinishReason.LENGTH),
        (body(finish="content_filter"), "text", FinishReason.REFUSAL),
        (body(content=None, finish="content_filter"), "", FinishReason.REFUSAL),
        (body(content=None, refusal="I cannot."), "I cannot.", FinishReason.REFUSAL),
        (body(content="", refusal="I cannot."), "I cannot.", FinishReason.REFUSAL),
        (body(refusal=None), "text", FinishReason.STOP),
        (body(content=""), "", FinishReason.STOP),
    ],
)
def test_answers(given, text, finish):
    assert read_reply(given, where=WHERE) == Completion(text, finish)


def test_token_counts():
    reply = json.loads(body())
    reply["usage"] = {"prompt_tokens": 30, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 20}}
    assert read_reply(json.dumps(reply), where=WHERE) == Completion(
        "text", prompt_tokens=30, completion_tokens=4, cached_tokens=20
    )
    # llama.cpp's server counts what it took from its cache elsewhere.
    reply["usage"] = {"prompt_tokens": "many", "completion_tokens": None, "prompt_tokens_details": None}
    reply["timings"] = {"cache_n": 9}
    assert read_reply(json.dumps(reply), where=WHERE) == Completion("text", cached_tokens=9)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("<html><body>Bad gateway</body></html>", "is not JSON: <html>"),
        ("", r"is not JSON: \(empty\)"),
        ("[1]", "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
        ('{"error": {"message": "overloaded"}}', "answered with an error: overloaded"),
        ('{"error": "overloaded"}', "answered with an error: overloaded"),
        ("{}", "has no choices"),
        ('{"choices": []}', "has no choices"),
        ('{"choices": {"0": 1}}', "has no choices"),
        ('{"choices": ["text"]}', "has no choices"),
        ('{"choices": [{"text": "x", "finish_reason": "stop"}]}', "has no message"),
        (body(content=None), "has no text"),
        (body(content=[{"type": "text"}]), "has no text"),
        (body(finish=None), "not known: None"),
        (body(finish="abort"), "not known: 'abort'"),
        (body(finish=["stop"]), "not known"),
    ],
)
def test_what_is_no_answer_is_an_error(given, fault):
    with pytest.raises(AttemptFault, match=fault) as caught:
        read_reply(given, where=WHERE)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('{"error": {"message": "too long", "code": 400}}', "too long"),
        ('{"message": "too long"}', "too long"),
        ('{"detail": "Not Found"}', "{'detail': 'Not Found'}"),
        ("<!DOCTYPE html><HTML><body>", "an HTML page"),
        ("plain\n  words", "plain words"),
        ("", "(empty)"),
        ("x" * 5000, "x" * 200 + "…"),
    ],
)
def test_error_messages_are_short(given, message):
    assert error_message(given) == message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "finish_reason", "usage", "error", "refusal", "timings"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON.map(json.dumps) | st.text())
def test_nothing_a_server_sends_does_worse_than_an_llm_error(sent):
    try:
        assert isinstance(read_reply(sent, where=WHERE), Completion)
    except AttemptFault:
        assert error_message(sent)
