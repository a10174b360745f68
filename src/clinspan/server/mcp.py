"""The tagger for assistants: three tools of the Model Context Protocol, over standard input and output.

A client starts the process and speaks to it through a pipe: no port is opened, and what was sent is neither kept nor
logged.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import anyio
from anyio.to_thread import run_sync
from mcp import stdio_server
from mcp.server import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations
from pydantic import Field, ValidationError

from clinspan.document import READ_STATES, WindowReport, WindowState
from clinspan.errors import ClinspanError, InputError, did_you_mean
from clinspan.server import bodies
from clinspan.tagging.tagger import Tagger

log = logging.getLogger("clinspan.server")

_AT_ONCE = 4
"""Calls that work at once; others wait."""
_INSTRUCTIONS = """clinspan finds entities in clinical and biomedical text and verifies each against the text.
`labels` says what is looked for, `tag` finds the entities of a note, `lookup` the concepts of a term. Offsets count
Unicode code points. What no model read of a note is listed under `look_at`: tell whoever relies on the answer."""


class GivenNote(bodies.GivenDocument):
    """A note to tag."""

    concepts: Literal["none", "first", "all"] = Field(
        "first", description="Which concepts of each entity are told: none, the likeliest, or all."
    )


class Nothing(bodies.Given):
    """No arguments."""


class SaidFound(bodies.Said):
    """What was found in a note. The note itself is not repeated."""

    id: str
    entities: list[bodies.SaidEntity]
    windows: dict[WindowState, int] = Field(description="How many parts of the note ended in which state.")
    look_at: list[bodies.SaidWindow] = Field(
        description="The parts that were not read, and those whose answer was not understood whole."
    )


@dataclass(frozen=True, slots=True)
class _Tool:
    """A tool.

    Attributes:
        about: what it does, for the model that chooses among tools.
        given: its arguments.
        said: its result.
        answer: makes the result; called in a thread.
    """

    name: str
    about: str
    given: type[bodies.Given]
    said: type[bodies.Said]
    answer: Callable[[Any], dict[str, object]]

    def shown(self) -> Tool:
        """What a client is told of it."""
        return Tool(
            name=self.name,
            description=self.about,
            input_schema=self.given.model_json_schema(),
            output_schema=self.said.model_json_schema(),
            annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
        )


def _tools(tagger: Tagger, max_text: int) -> list[_Tool]:
    """The tools of a tagger; without a dictionary there is no `lookup`."""
    tag = _Tool(
        "tag",
        "Finds the entities of a note, each with its place, probability, attributes such as present or absent, and "
        f"concept. Labels: {', '.join(tagger.labels.names)}. Nothing is reported that does not stand in the text.",
        GivenNote,
        SaidFound,
        partial(_tagged, tagger, max_text),
    )
    labels = _Tool(
        "labels",
        "Lists the labels that are looked for, with their definitions and attributes, and what can find each.",
        Nothing,
        bodies.SaidLabels,
        lambda _: bodies.said_labels(tagger),
    )
    dictionary = tagger.dictionary
    if dictionary is None:
        return [tag, labels]
    lookup = _Tool(
        "lookup",
        "Looks a clinical term up: the concepts that it may stand for, with codes and definitions, best first.",
        bodies.Term,
        bodies.SaidSenses,
        lambda given: bodies.said_senses(dictionary, given.term),
    )
    return [tag, lookup, labels]


def _tagged(tagger: Tagger, max_text: int, given: GivenNote) -> dict[str, object]:
    if len(given.text) > max_text:
        raise InputError(f"the text has more than {max_text} characters", fix="Cut it at a section.")
    document = tagger.tag(given.document())
    entities = []
    for entity in document.entities:
        said = entity.to_dict()
        kept = {"none": 0, "first": 1, "all": len(entity.concepts)}[given.concepts]
        entities.append(said | {"concepts": [concept.to_dict() for concept in entity.concepts[:kept]]})
    return {
        "id": document.id,
        "entities": entities,
        "windows": dict(Counter(window.state.value for window in document.windows)),
        "look_at": [window.to_dict() for window in document.windows if _wants_a_look(window)],
    }


def _wants_a_look(window: WindowReport) -> bool:
    return window.state not in READ_STATES or bool(window.unread) or window.unlisted is not None


def server(tagger: Tagger, max_text: int) -> Server[Any]:
    """The server, which any transport of the protocol can drive.

    Args:
        tagger: opened once; any number of calls may use it.
        max_text: characters of one note.
    """
    tools = {tool.name: tool for tool in _tools(tagger, max_text)}
    room = anyio.CapacityLimiter(_AT_ONCE)

    async def listed(*_: object) -> ListToolsResult:
        return ListToolsResult(tools=[tool.shown() for tool in tools.values()])

    async def called(_: object, asked: CallToolRequestParams) -> CallToolResult:
        return await run_sync(_answer, tools, asked, limiter=room)

    return Server(
        "clinspan",
        version=version("clinspan"),
        instructions=_INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )


def _answer(tools: dict[str, _Tool], asked: CallToolRequestParams) -> CallToolResult:
    """The result of a call. A fault is a result too, so that the model that asked can mend its question."""
    tool = tools.get(asked.name)
    if tool is None:
        return _fault(f"there is no such tool. {did_you_mean(asked.name, tools)}")
    try:
        given = tool.given.model_validate(asked.arguments or {})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = bodies.fault_place(first["type"], ("arguments", *first["loc"])).replace("body", "arguments", 1)
        return _fault(f"{place} {bodies.fault_words(first['type'])}")
    try:
        said = tool.answer(given)
    except ClinspanError as error:
        log.error("a call of %s failed: %s", tool.name, bodies.place_of(error))
        return _fault(str(error))
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=said)


def _fault(said: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=said)], is_error=True)


def serve(tagger: Tagger, max_text: int) -> None:
    """Answers the client at standard input until it closes it. Nothing else may write to standard output meanwhile.

    Args:
        tagger: the caller closes it.
        max_text: characters of one note.
    """
    made = server(tagger, max_text)

    async def run() -> None:
        async with stdio_server() as (read, write):
            await made.run(read, write, made.create_initialization_options())

    anyio.run(run)
