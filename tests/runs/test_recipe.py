"""What a user asked for, as it goes to another process."""

import pickle

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.labels import LabelSet
from clinspan.runs.folder import TaggerRecipe

NOTE = "He has gout and a sore back."


@pytest.fixture
def recipe():
    shown = Document("shown", "gout", (Entity(Span(0, 4), "disease", "gout"),))
    return TaggerRecipe(
        llm="none",
        labels=LabelSet.load("disease"),
        dictionary="none",
        pool=(shown,),
        options={"window_tokens": 5, "open_bias": 0.5},
    )


def test_it_makes_the_same_tagger_after_a_journey(recipe):
    here, there = recipe.make(), pickle.loads(pickle.dumps(recipe)).make()
    assert there.describe() == here.describe()
    assert there.settings == here.settings
    assert there.tag(NOTE) == here.tag(NOTE)


def test_the_choice_is_put_over_what_suits_the_llm(recipe):
    settings = recipe.make().settings
    assert (settings.windows.max_tokens, settings.open_bias, settings.ask) == (5, 0.5, "always")


def test_an_option_of_another_llm_is_refused(recipe):
    wrong = TaggerRecipe(llm="none", labels=recipe.labels, options={"base_url": "http://localhost:1/v1"})
    with pytest.raises(ConfigError, match="base-url"):
        wrong.make()


def test_paths_hold_in_another_folder_and_names_stay(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = TaggerRecipe(
        llm="llamacpp:models/m.gguf", labels=recipe.labels, adapter="a", dictionary="d", calibration="c.toml"
    ).anchored()
    paths = [asked.llm.removeprefix("llamacpp:"), asked.adapter, asked.dictionary, asked.calibration]
    assert paths == [str(tmp_path / name) for name in ("models/m.gguf", "a", "d", "c.toml")]
    for spec in ("replay:r.jsonl",):
        kind, _, path = spec.partition(":")
        assert TaggerRecipe(llm=spec, labels=recipe.labels).anchored().llm == f"{kind}:{tmp_path / path}"
    named = TaggerRecipe(llm="openai:m", labels=recipe.labels, adapter="none", dictionary="open", calibration="none")
    assert named.anchored() == named
