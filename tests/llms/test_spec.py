import pytest

from clinspan.errors import ConfigError, ModelError, PrivacyError
from clinspan.llms.openai import OpenAILLM
from clinspan.llms.spec import load, spec_forms


def test_none():
    assert load("none") is None


def test_a_model_name_may_hold_a_colon():
    llm = load("openai:llama3:8b", base_url="http://127.0.0.1:1/v1", timeout=3.0, allow_remote=False, adapter=None)
    assert isinstance(llm, OpenAILLM)
    assert (llm.model, llm.settings.timeout, llm.settings.concurrency) == ("llama3:8b", 3.0, 64)
    llm.close()


@pytest.mark.parametrize(
    ("spec", "options", "fault"),
    [
        ("opnai:gpt", {}, "Did you mean 'openai'"),
        ("", {}, "names no LLM; expected none, "),
        ("openai", {}, "expected openai:MODEL"),
        ("openai:", {}, "expected openai:MODEL"),
        ("none", {"base_url": "http://127.0.0.1/v1"}, "does not take --base-url; expected no options"),
        ("openai:m", {"adapter": "x.gguf"}, "does not take --adapter; expected allow-remote, base-url"),
    ],
)
def test_what_cannot_be_meant_is_refused(spec, options, fault):
    with pytest.raises(ConfigError, match=fault):
        load(spec, **options)


def test_the_vendor_is_not_contacted_unasked():
    with pytest.raises(PrivacyError):
        load("openai:gpt")


def test_every_form_is_listed():
    forms = {"none", "openai:MODEL", "azure:DEPLOYMENT", "anthropic:MODEL", "embedded[:MODEL]", "llamacpp:PATH"}
    assert forms <= set(spec_forms())


@pytest.mark.parametrize(
    ("spec", "host"), [("openai:gpt", "api.openai.com"), ("anthropic:claude", "api.anthropic.com")]
)
def test_the_refusal_names_the_address_and_why(spec, host):
    with pytest.raises(PrivacyError) as caught:
        load(spec)
    said = str(caught.value)
    assert said.startswith(f"https://{host}: the notes would leave this machine")
    assert "--allow-remote" in said


def test_what_changes_answers_is_in_the_name():
    with load("openai:m", base_url="http://127.0.0.1:1/v1", temperature=0.7, seed=0) as llm:
        assert llm.name == "openai:m@127.0.0.1:1[temperature=0.7,seed=0]"


def test_the_embedded_model_is_known_by_name_or_by_path(tmp_path):
    with pytest.raises(ModelError, match="no model is called 'smollm'"):
        load("embedded:smollm")
    with pytest.raises(ModelError, match="no such file"):
        load(f"llamacpp:{tmp_path / 'absent.gguf'}", context=512)


@pytest.mark.model
def test_embedded_alone_is_the_default_model(smollm2):
    with load("embedded", context=256, threads=1, as_shipped=True) as llm:
        assert (llm.context, llm.constrains) == (256, True)
        assert "Q4_1" in llm.name
