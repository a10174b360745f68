"""Azure's and Anthropic's protocols, spoken to a real server on this machine."""

import logging
import sys

import pytest
from llm_server import Answer, reply

from clinspan.errors import ConfigError, ContextOverflow, LLMError, MissingExtra, PrivacyError
from clinspan.llms.anthropic import AnthropicLLM
from clinspan.llms.openai import AzureLLM, AzureSettings
from clinspan.llms.served import ServerSettings
from clinspan.messages import Completion, FinishReason, Message, Request

KEY = "sk-very-secret-123"


def ask(text="Is it flu?", **rest):
    return Request((Message("system", "Copy the text."), Message("user", text)), **rest)


def only(llm, request=None):
    (result,) = llm.complete([request or ask()])
    return result


def message(text="It is [ flu | disease ].", stop="end_turn", **usage):
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop,
        "usage": {"input_tokens": 6, "output_tokens": 7, "cache_read_input_tokens": 5} | usage,
    }


@pytest.fixture
def azure(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    with AzureLLM("ward-gpt", AzureSettings(base_url=server.url.removesuffix("/v1"), retries=0)) as llm:
        yield llm


@pytest.fixture
def anthropic(server, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    server.script = lambda seen: Answer(message())
    with AnthropicLLM("claude", ServerSettings(base_url=server.url.removesuffix("/v1"), retries=0)) as llm:
        yield llm


def test_a_request_as_azure_sees_it(server, azure):
    result = only(azure, ask(max_tokens=33))
    assert isinstance(result, Completion)
    assert (result.text, result.cached_tokens) == ("It is [ flu | disease ].", 5)
    (seen,) = server.seen
    assert seen.path == "/openai/deployments/ward-gpt/chat/completions?api-version=2024-10-21"
    assert seen.headers["api-key"] == KEY
    assert (seen.body["max_tokens"], seen.body["temperature"]) == (33, 0)
    assert azure.name == f"azure:ward-gpt@127.0.0.1:{server.port}/2024-10-21"


def test_azures_filter_is_a_refusal(server, azure):
    error = {"code": "content_filter", "message": "The response was filtered", "param": "prompt"}
    server.script = lambda seen: Answer({"error": error}, 400)
    assert only(azure).finish is FinishReason.REFUSAL
    server.script = lambda seen: Answer({"choices": [{"finish_reason": "content_filter"}]})
    assert only(azure).finish is FinishReason.REFUSAL


def test_a_token_of_entra_id_takes_the_place_of_a_key(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("OPENAI_API_VERSION", "2030-01-01")
    with AzureLLM("ward-gpt") as llm:
        assert isinstance(only(llm), Completion)
    (seen,) = server.seen
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.path.endswith("api-version=2030-01-01")


def test_azure_needs_an_address_and_the_users_word(monkeypatch):
    with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT"):
        AzureLLM("ward-gpt")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://ward.openai.azure.com")
    with pytest.raises(PrivacyError, match=r"sent to ward\.openai\.azure\.com.*--allow-remote"):
        AzureLLM("ward-gpt")
    with pytest.raises(ConfigError, match="AZURE_OPENAI_API_KEY is not set"):
        AzureLLM("ward-gpt", AzureSettings(allow_remote=True))


def test_a_request_as_anthropic_sees_it(server, anthropic):
    result = only(anthropic, ask(max_tokens=33, json_schema={"type": "object"}))
    assert isinstance(result, Completion)
    assert (result.text, result.finish) == ("It is [ flu | disease ].", FinishReason.STOP)
    assert (result.prompt_tokens, result.completion_tokens, result.cached_tokens) == (11, 7, 5)
    (seen,) = server.seen
    assert seen.path == "/v1/messages"
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.body == {
        "model": "claude",
        "max_tokens": 33,
        "messages": [{"role": "user", "content": "Is it flu?"}],
        "system": "Copy the text.",
        "temperature": 0,
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("refusal", FinishReason.REFUSAL),
    ],
)
def test_how_anthropics_answers_end(server, anthropic, stop, finish):
    server.script = lambda seen: Answer(message(stop=stop))
    assert only(anthropic).finish is finish


@pytest.mark.parametrize(
    ("answer", "kind", "fault"),
    [
        (Answer({"error": {"message": "Overloaded"}}, 529), LLMError, "HTTP 529: Overloaded"),
        (Answer({"error": {"message": "prompt is too long: 9 > 8"}}, 400), ContextOverflow, "too long"),
        (Answer({"type": "error", "error": {"message": "boom"}}), LLMError, "answered with an error: boom"),
        (Answer({}), LLMError, "has no content"),
        (Answer({"content": []}), LLMError, "has no text"),
        (Answer(message(stop="pause_turn")), LLMError, "not known: 'pause_turn'"),
        (Answer("<html>", headers={"Content-Type": "text/html"}), LLMError, "is not JSON"),
        (Answer({"error": {"message": "no"}}, 401), LLMError, "Check the key in ANTHROPIC_API_KEY"),
    ],
)
def test_anthropics_faults(server, anthropic, answer, kind, fault):
    server.script = lambda seen: answer
    result = only(anthropic)
    assert type(result) is kind
    assert fault in str(result)


def test_what_a_model_does_not_take_is_left_out(server, anthropic, caplog):
    def script(seen):
        if "temperature" in seen.body:
            return Answer({"error": {"message": "temperature: not supported by this model"}}, 400)
        return Answer(message())

    server.script = script
    assert isinstance(only(anthropic), Completion)
    assert isinstance(only(anthropic), Completion)
    assert ["temperature" in seen.body for seen in server.seen] == [True, False, False]
    assert "takes no temperature" in caplog.text


def test_anthropic_needs_the_users_word_and_a_key():
    with pytest.raises(PrivacyError, match=r"sent to api\.anthropic\.com"):
        AnthropicLLM("claude")
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY is not set"):
        AnthropicLLM("claude", ServerSettings(allow_remote=True))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(MissingExtra, match=r"'\.\[anthropic\]'"):
        AnthropicLLM("claude", ServerSettings(base_url="http://127.0.0.1"))


@pytest.mark.parametrize("which", ["azure", "anthropic"])
def test_keys_and_notes_are_never_shown(server, request, caplog, which):
    llm = request.getfixturevalue(which)
    note = "The patient, Jane Roe of Elm Street, has flu."
    server.script = lambda seen: Answer({"error": {"message": f"key {KEY} may not read: {note}"}}, 401)
    with caplog.at_level(logging.DEBUG):
        shown = str(only(llm, ask(note)))
    assert "key *** may not read: [text of the request]" in shown
    for hidden in (KEY, "Jane Roe"):
        assert hidden not in shown + repr(llm) + repr(llm.settings) + llm.name + caplog.text


def test_replies_of_openais_kind_are_not_anthropics(server, anthropic):
    server.script = lambda seen: Answer(reply())
    assert "has no content" in str(only(anthropic))
