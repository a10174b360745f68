"""The table of settings: that all that is made of it says the same."""

import re
from dataclasses import fields, is_dataclass
from inspect import signature
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from clinspan.ablation.plan import KEYS
from clinspan.cli.main import app
from clinspan.errors import ConfigError
from clinspan.llms.spec import KINDS
from clinspan.settings import DEFAULT_LABELS, SETTINGS, TAGGING_SETTINGS, Of
from clinspan.tagging.settings import TagSettings, over, shown
from clinspan.tagging.tagger import Tagger

TAG = typer.main.get_command(app).commands["tag"]


def test_each_setting_is_an_option_of_the_same_name():
    options = {flag for parameter in TAG.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    for setting in SETTINGS.values():
        assert {f"--{setting.name}", setting.short} & options, setting.name


def test_every_way_to_tag_has_the_same_labels_by_default():
    commands = typer.main.get_command(app).commands
    options = {
        name: parameter.default
        for name in ("tag", "demo", "serve", "calibrate", "fuse", "assess")
        for parameter in commands[name].params
        if parameter.name == "labels"
    }
    assert options == dict.fromkeys(("tag", "demo", "serve", "calibrate", "fuse", "assess"), DEFAULT_LABELS)
    assert signature(Tagger.open).parameters["labels"].default == DEFAULT_LABELS


def test_each_has_a_place_in_the_settings_or_an_llm_that_takes_it():
    for setting in TAGGING_SETTINGS.values():
        value = TagSettings()
        for name in setting.at.split("."):
            assert is_dataclass(value)
            assert name in {field.name for field in fields(value)}
            value = getattr(value, name)
    taken = {option for kind in KINDS.values() for option in kind.options}
    assert {setting.key for setting in SETTINGS.values() if setting.of is Of.LLM} <= taken


def test_every_setting_of_tagging_can_be_a_key_of_a_plan():
    assert {name for name, setting in SETTINGS.items() if setting.at} <= set(KEYS)


def test_help_begins_with_the_options_that_most_people_need():
    said = CliRunner().invoke(app, ["tag", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    first = said[said.index("─ Options ─") : said.index("─ The inputs ─")]
    assert len(re.findall(r"^│ +(?:\* +)?--[a-z]", first, flags=re.M)) <= 14, first
    for group in ("The model", "How to tag", "The examples in the prompt", "Long runs", "More than one process"):
        assert group in said


@pytest.mark.parametrize(
    ("option", "typed", "offers"),
    [("--labels", "dis", "disease"), ("--llm", "op", "openai:"), ("--format", "per-type:j", "per-type:json")],
)
def test_values_complete(option, typed, offers):
    env = {"_CLINSPAN_COMPLETE": "complete_bash", "COMP_WORDS": f"clinspan tag {option} {typed}", "COMP_CWORD": "3"}
    assert offers in CliRunner().invoke(app, [], prog_name="clinspan", env=env).output.split()


def test_the_function_behind_tag_is_short():
    source = Path(__file__).parent.parent / "src" / "clinspan" / "cli" / "tag.py"
    body = re.search(r"^def tag\(.*?(?=^def )", source.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert body is not None
    assert len(body[0].strip().splitlines()) <= 60


def test_choices_are_put_over_what_suits_and_shown_by_their_names():
    chosen = over(TagSettings(), {"window_sentences": 1, "facts": "labels", "k": 3, "open_bias": None})
    assert (chosen.windows.max_sentences, chosen.windows.overlap_sentences, chosen.examples.k) == (1, 0, 3)
    said = dict(shown(chosen))
    assert (said["facts"], said["k"], said["window-sentences"]) == ("labels", "3", "1")
    with pytest.raises(ConfigError, match="there is no setting 'kk'"):
        over(TagSettings(), {"kk": 3})
