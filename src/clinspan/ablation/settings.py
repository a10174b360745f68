"""What a plan can fix or vary: the options of `clinspan tag` by their names, and some that it has no option for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeVar, cast, get_args

from clinspan.dictionary.facts import FactsMode
from clinspan.errors import ConfigError, did_you_mean
from clinspan.examples.selection import MentionSource, Order, Strategy
from clinspan.formats import catalogue
from clinspan.messages import CandidateMode
from clinspan.tagging.recipe import Choice
from clinspan.tagging.settings import ExampleChoice, TagSettings

Value = str | int | float
Settings = Mapping[str, Value]
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        kind: of its values: str, int or float.
        choices: the texts that it may be; None for any. A number may also be one of them.
        least: the smallest number.
    """

    kind: type
    choices: tuple[str, ...] | None = None
    least: float | None = None

    def check(self, name: str, value: object, where: str) -> Value:
        """The value, if it is one that the setting can have.

        Raises:
            ConfigError: naming section and key.
        """
        if self.kind is not str:
            right = isinstance(value, int | float if self.kind is float else int) and not isinstance(value, bool)
            if right and (self.least is None or cast(float, value) >= self.least):
                return cast(Value, self.kind(value))
            if value not in (self.choices or ()):
                raise ConfigError(f"{name} is {value!r}", where=where, expected=self._numbers())
            return str(value)
        if not isinstance(value, str):
            raise ConfigError(f"{name} is {value!r}", where=where, expected="text in quotes")
        if self.choices is not None and value not in self.choices:
            raise ConfigError(f"{name} is {value!r}", where=where, fix=did_you_mean(value, self.choices))
        return value

    def _numbers(self) -> str:
        what = "a whole number" if self.kind is int else "a number"
        least = f", {self.least:g} or more" if self.least is not None else ""
        return what + least + "".join(f', or "{choice}"' for choice in self.choices or ())


def _of(kind: type[Enum]) -> Key:
    return Key(str, tuple(str(member.value) for member in kind))


KEYS: Mapping[str, Key] = {
    "format": Key(str, catalogue.names()),
    "select": _of(Strategy),
    "k": Key(int, least=0),
    "examples-by": Key(str),
    "facts": _of(FactsMode),
    "llm": Key(str),
    "select-seed": Key(int),
    "dictionary": Key(str),
    "calibration": Key(str),
    "facts-from": Key(str, ("scan", "propose", "both")),
    "facts-budget": Key(int, least=0),
    "examples-order": _of(Order),
    "examples-tokens": Key(int, least=0),
    "examples-as": Key(str, ("turns", "message")),
    "select-mentions": _of(MentionSource),
    "select-relevance": Key(float),
    "ask": Key(str, ("always", "candidates")),
    "candidates": Key(str, get_args(CandidateMode)),
    "candidate-bias": Key(float),
    "open-bias": Key(float, (AUTO,)),
    "style": Key(str, ("full", "brief")),
    "window-tokens": Key(int, least=4),
    "window-sentences": Key(int, least=1),
    "overlap-sentences": Key(int, least=0),
}
"""In the order in which a cell's name has them. The last three and `style` are not options of `clinspan tag`."""


_E = TypeVar("_E", bound=Enum)


def _member(kind: type[_E], value: object) -> _E | None:
    return None if value is None else kind(value)


def over(settings: Settings, own: TagSettings) -> TagSettings:
    """The settings of a tagger with those of a cell put in.

    Args:
        settings: of a cell, `open-bias` a number.
        own: what suits its LLM.

    Raises:
        ConfigError: when a value is none that the setting can have.
    """
    get = cast("Mapping[str, Any]", settings).get
    windows = own.windows
    if (most := get("window-sentences")) is not None:
        windows = replace(windows, max_sentences=most, overlap_sentences=get("overlap-sentences", 0))
    elif (shared := get("overlap-sentences")) is not None:
        windows = replace(windows, overlap_sentences=shared)
    choice = Choice(
        ask=get("ask"),
        candidates=get("candidates"),
        candidate_bias=get("candidate-bias"),
        open_bias=get("open-bias"),
        facts=_member(FactsMode, get("facts")),
        facts_budget=get("facts-budget"),
        facts_from=get("facts-from"),
        window_tokens=get("window-tokens"),
        examples=ExampleChoice(
            strategy=_member(Strategy, get("select")),
            k=get("k"),
            order=_member(Order, get("examples-order")),
            tokens=get("examples-tokens"),
            retriever=get("examples-by"),
            layout=get("examples-as"),
            seed=get("select-seed"),
            mentions=_member(MentionSource, get("select-mentions")),
            relevance=get("select-relevance"),
        ),
    )
    chosen = choice.over(replace(own, windows=windows))
    # Whether examples resemble their text is told of a run on notes; here the score says it.
    return replace(
        chosen,
        prompt=replace(chosen.prompt, style=get("style") or chosen.prompt.style),
        examples=replace(chosen.examples, resembles=0.0),
    )
