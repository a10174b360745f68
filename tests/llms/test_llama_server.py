"""The embedded model behind a real llama.cpp server, asked as any OpenAI-compatible server is."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from clinspan import codec
from clinspan.errors import ContextOverflow
from clinspan.formats.tanl import Tanl
from clinspan.labels import LabelSet
from clinspan.llms.base import estimate_tokens
from clinspan.llms.openai import OpenAILLM, OpenAISettings
from clinspan.messages import Completion, CopyConstraint, FinishReason, Message, Request

pytestmark = pytest.mark.model

NOTE = (
    "HPI: 67 y/o M w/ NSTEMI s/p PCI 03/14/2019, EF 35-40%, on metoprolol succinate 50 mg p.o. q.d., "
    "apixaban 5 mg BID; cholecystectomy 2011. Hb 10.5 g/dL, Na⁺ 128 mmol/L, temp. 38.4 °C → ceftriaxone."
)


@pytest.fixture(scope="module")
def llama_server(smollm2):
    script = Path(__file__).with_name("llama_server.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(smollm2)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        address = process.stdout.readline().strip()
        assert address, "the server did not start"
        yield address
        process.stdin.close()
        process.wait(30)


@pytest.fixture(scope="module")
def llm(llama_server):
    with OpenAILLM("smollm2", OpenAISettings(base_url=f"{llama_server}/v1", retries=0, concurrency=2)) as llm:
        yield llm


def test_the_command_reads_notes_through_the_server(llama_server, tmp_path):
    """Under the grammar each answer is a copy, so that every window is read, whatever so small a model marks."""
    text = "Two brothers had breast cancer.\n\nNo gout was seen in the sister.\n"
    (tmp_path / "note.txt").write_text(text)
    out = tmp_path / "out.jsonl"
    command = [
        "tag",
        tmp_path / "note.txt",
        "-o",
        out,
        "--labels",
        "disease",
        "--llm",
        "openai:smollm2",
        "--base-url",
        f"{llama_server}/v1",
    ]
    command += ["--grammar", "llamacpp", "--facts", "none", "--dictionary", "none", "--concurrency", "2"]
    # A slot of the server has 1,024 tokens: no room for eight examples from the notes.
    command += ["--select", "fixed", "--attributes", "rules"]
    done = subprocess.run(
        [sys.executable, "-m", "clinspan", *map(str, command)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = out.read_text().splitlines()
    read = codec.parse(line, where="out.jsonl")
    assert read.text == text
    assert read.windows
    assert read.complete


def ask(text, **rest):
    return Request((Message("user", text),), **rest)


def test_answers_are_cut_at_the_limit(llm):
    answers = list(llm.complete([ask("Write about the heart.", max_tokens=8)] * 2))
    assert all(isinstance(answer, Completion) and answer.text for answer in answers)
    assert [(answer.finish, answer.completion_tokens) for answer in answers] == [(FinishReason.LENGTH, 8)] * 2
    assert answers[0].prompt_tokens > 5


def test_its_own_word_for_a_full_context_is_understood(llm):
    (answer,) = llm.complete([ask("She had gout. " * 1000, max_tokens=4)])
    assert isinstance(answer, ContextOverflow)


def test_a_json_schema_is_kept_to(llm):
    schema = {
        "type": "object",
        "properties": {"organ": {"enum": ["heart", "lung"]}},
        "required": ["organ"],
        "additionalProperties": False,
    }
    (answer,) = llm.complete([ask("Which organ pumps blood?", json_schema=schema, max_tokens=40)])
    assert isinstance(answer, Completion)
    assert json.loads(answer.text)["organ"] in {"heart", "lung"}


@pytest.mark.parametrize("text", [NOTE, "Values [120/80] | a\\b ] [ |\r\n\r\nseizure disorder", "İ👩‍⚕️ naïve “flu” "])
def test_under_a_grammar_answers_are_copies(llama_server, text):
    settings = OpenAISettings(base_url=f"{llama_server}/v1", retries=0, grammar="llamacpp")
    request = ask(f"Repeat, with each disease in brackets:\n{text}", constraint=CopyConstraint(text, ("disease",)))
    with OpenAILLM("smollm2", settings) as llm:
        (answer,) = llm.complete([request])
    assert isinstance(answer, Completion)
    assert (answer.constrained, answer.finish) == (True, FinishReason.STOP)
    reading = Tanl().parse(answer.text, LabelSet.builtin("disease"))
    assert reading.copy == text


def test_the_estimate_of_tokens_is_an_upper_one(llama_server):
    body = json.dumps({"content": NOTE}).encode()
    request = urllib.request.Request(f"{llama_server}/tokenize", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        tokens = len(json.load(answer)["tokens"])
    assert tokens <= estimate_tokens(NOTE) <= 2 * tokens
