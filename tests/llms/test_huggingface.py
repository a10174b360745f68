"""A folder in Hugging Face's layout, run by transformers; its weights are random, so only the frame is looked at."""

import sys

import pytest

from clinspan.errors import ConfigError, ContextOverflow, MissingExtra, ModelError
from clinspan.llms.huggingface import HuggingFaceSettings, TransformersLLM
from clinspan.llms.spec import load
from clinspan.messages import Completion, FinishReason, Message, Request


def ask(text="The patient had ataxia.", **rest):
    return Request((Message("user", text),), **rest)


def test_a_folder_answers_the_same_each_time(tiny_llama):
    llm = load(f"hf:{tiny_llama}", threads=1)
    first, second = llm.complete([ask(max_tokens=5)] * 2)
    assert isinstance(first, Completion)
    assert first.prompt_tokens > 5
    assert (first.completion_tokens, first.finish) == (5, FinishReason.LENGTH)
    assert second.text == first.text
    assert llm.name.startswith(f"hf:{tiny_llama.name}#")
    assert (llm.context, llm.constrains) == (512, False)
    assert llm.count_tokens("The patient") >= 2


def test_an_end_is_seen_and_not_shown(tiny_llama):
    import torch

    llm = load(f"hf:{tiny_llama}")
    with torch.no_grad():
        # Whatever is asked, the likeliest token is the end.
        llm._model.lm_head = torch.nn.Linear(32, llm._model.config.vocab_size)
        llm._model.lm_head.weight.zero_()
        llm._model.lm_head.bias.zero_()
        llm._model.lm_head.bias[llm._tokenizer.end] = 9.0
    (answer,) = llm.complete([ask()])
    assert (answer.text, answer.finish, answer.completion_tokens) == ("", FinishReason.STOP, 1)


def test_what_does_not_fit_fails_alone(tiny_llama):
    llm = load(f"hf:{tiny_llama}", context=64)
    long, short = llm.complete([ask("ataxia and gout " * 100), ask("ataxia", max_tokens=2)])
    assert isinstance(long, ContextOverflow)
    assert isinstance(short, Completion)


def test_what_is_no_model(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="not a model in Hugging Face's layout"):
        load(f"hf:{tmp_path}")
    with pytest.raises(ModelError, match="there is no such folder"):
        load(f"hf:{tmp_path}/absent")
    with pytest.raises(ConfigError, match="context"):
        HuggingFaceSettings(context=3)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"'\.\[train\]'"):
        TransformersLLM(tmp_path, name="hf:x")
