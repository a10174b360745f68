"""Recordings through the command itself: what was answered once is answered again, without the LLM."""

import json
import stat
from dataclasses import replace

import pytest
from llm_server import Answer, reply
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.document import Span
from clinspan.errors import InputError, LLMError, OutputError
from clinspan.llms.base import Traits
from clinspan.llms.openai import OpenAILLM, OpenAISettings
from clinspan.llms.replay import Recorder, ReplayLLM, request_key
from clinspan.messages import Completion, FinishReason, FoundSpan, Message, Request

NOTES = "\n\n".join(f"Brother {n} had ataxia. No gout was seen." for n in range(20))


def tag(tmp_path, name, *options):
    out = tmp_path / f"{name}.jsonl"
    arguments = ["tag", str(tmp_path / "note.txt"), "-o", str(out), "--labels", "disease", "--dictionary", "none", "-q"]
    arguments += map(str, options)
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return out.read_text()


def copied(seen):
    return Answer(reply(seen.window.replace("ataxia", "[ ataxia | disease ]")))


def test_a_server_is_needed_once_only(tmp_path, server):
    (tmp_path / "note.txt").write_text(NOTES)
    server.script = copied
    recording = tmp_path / "answers.jsonl"
    asked = ["--window-tokens", "40"]
    first = tag(tmp_path, "a", "--llm", "openai:tiny", "--base-url", server.url, "--record", recording, *asked)
    assert first.count('"ataxia"') == 20
    questions = len(server.seen)
    assert questions > 5
    assert tag(tmp_path, "b", "--llm", f"replay:{recording}", *asked) == first
    assert len(server.seen) == questions
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600


@pytest.mark.model
def test_the_embedded_model_is_replayed_with_its_own_windows_and_prompts(tmp_path, smollm2):
    (tmp_path / "note.txt").write_text(NOTES[:150])
    recording = tmp_path / "answers.jsonl"
    first = tag(tmp_path, "a", "--llm", "embedded", "--adapter", "none", "--threads", 1, "--record", recording)
    assert tag(tmp_path, "b", "--llm", f"replay:{recording}") == first


@pytest.mark.model
def test_a_recording_has_the_token_counts_that_examples_were_chosen_by(tmp_path, smollm2):
    (tmp_path / "note.txt").write_text(NOTES[:80])
    gold = {"id": "g", "text": "He had gout.", "entities": [{"start": 7, "end": 11, "label": "disease"}]}
    (tmp_path / "gold.jsonl").write_text(json.dumps(gold))
    # The prompts of a small model have no definitions, and show examples where that is asked for.
    asked = ["--examples", tmp_path / "gold.jsonl", "--select", "knn", "-k", 1, "--examples-tokens", 60]
    recording = tmp_path / "answers.jsonl"
    llm = ["--llm", "embedded", "--adapter", "none", "--threads", 1, "--record", recording]
    first = tag(tmp_path, "a", *llm, *asked)
    again = tag(tmp_path, "b", "--llm", f"replay:{recording}", *asked)
    assert again == first
    assert "no answer" not in again


def ask(text="Is it flu?", **rest):
    return Request((Message("user", text),), **rest)


FOUND = (FoundSpan(Span(0, 1), "b\ud800", 0.1 + 0.2, {"assertion": "negated"}), FoundSpan(Span(0, 1), "c"))


def test_everything_an_answer_says_comes_back(tmp_path):
    answers = [
        Completion("é\ud800", FinishReason.LENGTH, FOUND, True, 11, 7, 5, 0.5, 3),
        LLMError("boom", where="there", expected="peace", fix="Wait."),
        Completion(""),
    ]

    class Scripted:
        name, context, constrains = "scripted", 512, True
        traits = Traits("embedded", "tuned", {"disease": "open_bias = 1"})

        def complete(self, requests):
            yield from (answer for _, answer in zip(requests, answers, strict=True))

        def count_tokens(self, text):
            return 3

    requests = [ask("0", json_schema={"type": "object"}), ask("1"), ask("\ud800")]
    with Recorder(Scripted(), tmp_path / "r.jsonl") as recorder:
        assert list(recorder.complete(requests)) == answers
        assert recorder.count_tokens("a\ud800b") == 3
    with ReplayLLM(tmp_path / "r.jsonl") as replay:
        assert replay.name.startswith("replay:scripted#")
        assert (replay.context, replay.constrains) == (512, True)
        assert replay.traits == replace(Scripted.traits, kind="replayed")
        again = list(replay.complete(reversed(requests)))[::-1]
        assert [again[0], again[2]] == [answers[0], answers[2]]
        assert str(again[1]) == str(answers[1])
        assert replay.count_tokens("a\ud800b") == 3
        (unknown,) = replay.complete([ask("2")])
        assert "no answer to this request" in str(unknown)


def kinds_of(kind):
    return [kind, *(narrower for one in kind.__subclasses__() for narrower in kinds_of(one))]


@pytest.mark.parametrize("kind", kinds_of(LLMError))
def test_an_error_comes_back_as_what_it_was(tmp_path, kind):
    error = kind("does not fit", where="there", fix="Wait.")
    error.attempts = 0

    class Failing:
        name, context, constrains, traits = "failing", 512, True, Traits()

        def complete(self, requests):
            yield from (error for _ in requests)

        def count_tokens(self, text):
            return 3

    with Recorder(Failing(), tmp_path / "r.jsonl") as recorder:
        list(recorder.complete([ask()]))
    with ReplayLLM(tmp_path / "r.jsonl") as replay:
        (again,) = replay.complete([ask()])
    assert type(again) is kind
    assert (str(again), again.attempts) == (str(error), 0)


def test_windows_that_were_split_are_read_again_from_a_recording(tmp_path, server):
    (tmp_path / "note.txt").write_text(NOTES)
    too_long = Answer({"error": {"message": "too long", "code": "context_length_exceeded"}}, 400)
    server.script = lambda seen: too_long if len(seen.window) > 30 else copied(seen)
    recording = tmp_path / "answers.jsonl"
    asked = ["--window-tokens", "40"]
    first = tag(tmp_path, "a", "--llm", "openai:tiny", "--base-url", server.url, "--record", recording, *asked)
    assert any("ContextOverflow" in line for line in recording.read_text().splitlines())
    assert first.count('"ataxia"') == 20
    assert tag(tmp_path, "b", "--llm", f"replay:{recording}", *asked) == first


@pytest.mark.model
def test_a_replay_is_calibrated_as_the_adapter_was(tmp_path, smollm2):
    (tmp_path / "note.txt").write_text("The man had gout and ataxia. No asthma was seen.")
    recording = tmp_path / "answers.jsonl"
    asked = ["--labels", "disease"]
    first = tag(tmp_path, "a", "--llm", "embedded", "--threads", 1, "--record", recording, *asked)
    assert '"score"' in first
    assert tag(tmp_path, "b", "--llm", f"replay:{recording}", *asked) == first
    assert tag(tmp_path, "c", "--llm", f"replay:{recording}", "--calibration", "none", *asked) != first


def test_what_tells_requests_apart():
    keys = {request_key(r) for r in (ask(), ask("Is it gout?"), ask(max_tokens=3), ask(json_schema={"a": 1}))}
    assert len(keys) == 4


def test_a_recording_is_never_written_over(tmp_path, server):
    path = tmp_path / "r.jsonl"
    path.write_text("mine")
    with (
        OpenAILLM("tiny", OpenAISettings(base_url=server.url)) as llm,
        pytest.raises(OutputError, match="exists already"),
    ):
        Recorder(llm, path)
    assert path.read_text() == "mine"


HEAD = json.dumps({"recording": 2, "llm": "m", "context": None, "constrains": False, "traits": {}})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is not a recording"),
        ("[1]\n", "line 1: is not a line"),
        ('{"recording": 1, "llm": "m", "context": 1, "constrains": true, "profile": null}\n', "is not a recording"),
        (HEAD + "\n{}\n", "line 2: is not a line"),
        (HEAD + "\nnot json\n" + '{"text": "a", "tokens": 1}\n', "line 2: is not a line"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, content, fault):
    path = tmp_path / "r.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=fault):
        ReplayLLM(path)


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(HEAD + '\n{"text": "a", "tokens": 1}\n{"request": "ab", "answ')
    ReplayLLM(path).close()


def test_there_must_be_a_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        ReplayLLM(tmp_path / "absent.jsonl")


def test_nothing_is_recorded_without_an_llm(tmp_path):
    (tmp_path / "note.txt").write_text(NOTES)
    arguments = ["tag", str(tmp_path / "note.txt"), "-o", str(tmp_path / "o.jsonl"), "--llm", "none"]
    done = CliRunner().invoke(app, [*arguments, "--record", str(tmp_path / "r.jsonl")])
    assert "--record has nothing to record" in str(done.exception)
