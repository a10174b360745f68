"""`clinspan mcp` as an assistant's program meets it: a real process, asked by the protocol's own client over a pipe."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import anyio
import pytest
from service import LABELS, PATIENCE, TERMS
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.labels import Label, LabelSet
from clinspan.tagging.tagger import Tagger

pytest.importorskip("mcp", reason="the extra mcp is not installed")
from mcp import Client, StdioServerParameters, stdio_client

from clinspan.server.mcp import server

NOTE = "Mrs Quimby has gout and asthma. 😀 No gout."
SECRET = "Quimby"


def apart(run):
    """What it gives, run in a thread of its own: a browser that another test left open keeps this thread's loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, run).result()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("mcp")
    (made / "labels.toml").write_text(LABELS)
    (made / "terms.tsv").write_text(TERMS)
    command = ["dictionary", "build", made / "terms.tsv", "-o", made / "terms", "--type", "Disease or Syndrome"]
    done = CliRunner().invoke(app, [*map(str, command)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return made


@pytest.fixture(scope="module")
def command(folder):
    options = ["--llm", "none", "--labels", folder / "labels.toml", "--dictionary", folder / "terms"]
    return [sys.executable, "-m", "clinspan", "mcp", *map(str, options)]


@pytest.fixture
def asked(command, tmp_path):
    """Asks a server of its own and gives the answers; what the server logs must not hold a note's text."""

    @asynccontextmanager
    async def connected(mode: str, *more: str):
        with (tmp_path / "log").open("w") as log:
            program = StdioServerParameters(command=command[0], args=[*command[1:], *more], env=dict(os.environ))
            async with Client(stdio_client(program, errlog=log), mode=mode) as client:
                yield client

    def ask(*calls, mode: str = "auto", more=()):
        async def run():
            with anyio.fail_after(PATIENCE):
                async with connected(mode, *more) as client:
                    return [await call(client) for call in calls]

        answers = apart(run)
        assert SECRET not in (tmp_path / "log").read_text()
        return answers

    return ask


def call(name: str, **arguments):
    return lambda client: client.call_tool(name, arguments)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_three_tools_answer_as_their_schemas_say(asked, mode) -> None:
    # The client itself holds structured answers to the schemas.
    listed, tagged, found, labels = asked(
        lambda client: client.list_tools(),
        call("tag", text=NOTE, id="n1"),
        call("lookup", term="gout"),
        call("labels"),
        mode=mode,
    )
    assert [tool.name for tool in listed.tools] == ["tag", "lookup", "labels"]
    assert all(tool.annotations.read_only_hint and tool.output_schema for tool in listed.tools)
    said = tagged.structured_content
    assert [NOTE[one["start"] : one["end"]] for one in said["entities"]] == ["gout", "asthma", "gout"]
    assert [[concept["id"] for concept in one["concepts"]] for one in said["entities"]] == [["D1"], ["D2"], ["D1"]]
    assert (said["id"], said["windows"], said["look_at"]) == ("n1", {"ok": 1}, [])
    assert "text" not in said
    assert json.loads(tagged.content[0].text) == said
    assert found.structured_content["senses"][0]["concept"] == "D1"
    (label,) = labels.structured_content["labels"]
    assert (label["name"], label["found_by"]) == ("disease", ["the dictionary"])


FAULTS = [
    ("tag", {}, "arguments.text is missing"),
    ("tag", {"text": [SECRET]}, "arguments.text is not a string"),
    ("tag", {"text": "gout", SECRET: 1}, "arguments has a key that is not known"),
    ("tag", {"text": "gout", "concepts": SECRET}, "arguments.concepts is none of the words"),
    ("tag", {"text": "x" * 101}, "more than 100 characters"),
    ("lookup", {"term": ""}, "arguments.term is too short"),
    ("labels", {"text": SECRET}, "arguments has a key that is not known"),
    ("tags", {}, "Did you mean 'tag'?"),
]


def test_a_fault_is_told_to_the_model_that_asked_and_ends_nothing(asked) -> None:
    calls = [call(name, **arguments) for name, arguments, _ in FAULTS]
    *wrong, right = asked(*calls, call("tag", text="gout"), more=("--max-text", "100"))
    told = [(answer.is_error, answer.content[0].text) for answer in wrong]
    assert [said in text for (_, text), (_, _, said) in zip(told, FAULTS, strict=True)] == [True] * len(FAULTS), told
    assert all(is_error and SECRET not in text for is_error, text in told)
    assert not right.is_error


def test_no_concepts_and_all(asked) -> None:
    none, every = asked(call("tag", text=NOTE, concepts="none"), call("tag", text=NOTE, concepts="all"))
    assert {len(one["concepts"]) for one in none.structured_content["entities"]} == {0}
    assert {len(one["concepts"]) for one in every.structured_content["entities"]} == {1}


def test_many_calls_at_once_each_get_their_own_answer(asked) -> None:
    async def many(client):
        found = {}

        async def one(number: int):
            words = "gout " * number
            found[number] = (await client.call_tool("tag", {"text": words})).structured_content["entities"]

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(one, number)
        return {number: len(entities) for number, entities in found.items()}

    assert asked(many) == [{number: number for number in range(12)}]


def test_without_a_dictionary_there_is_no_lookup() -> None:
    tagger = Tagger(labels=LabelSet("mine", (Label("disease", "A disease.", terms=("gout",)),)))

    async def run():
        async with Client(server(tagger, 100)) as client:
            return await client.list_tools(), await client.call_tool("tag", {"text": "gout"})

    listed, tagged = apart(run)
    assert [tool.name for tool in listed.tools] == ["tag", "labels"]
    assert [one["text"] for one in tagged.structured_content["entities"]] == ["gout"]


@contextmanager
def begun(command):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert "ready for a client" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def test_it_ends_when_the_client_closes_the_pipe(command) -> None:
    with begun(command) as process:
        said, _ = process.communicate("not JSON\n", timeout=PATIENCE)
    assert process.returncode == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in said.splitlines())


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_it_waits(command, sent) -> None:
    with begun(command) as process:
        process.send_signal(sent)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == "stopped\n"
