"""What a plan can fix or vary: settings of `clinspan tag` by their names."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from clinspan.errors import ConfigError, did_you_mean
from clinspan.formats import catalogue
from clinspan.settings import SETTINGS, Setting
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.settings import over as put

Value = str | int | float
Settings = Mapping[str, Value]
AUTO = "auto"

ORDER = (
    *("format", "select", "k", "examples-by", "facts", "llm", "select-seed", "dictionary", "calibration"),
    *("facts-from", "facts-budget", "examples-order", "examples-tokens", "examples-as", "select-mentions"),
    *("select-relevance", "ask", "candidates", "candidate-bias", "open-bias", "style", "window-tokens"),
    *("window-sentences", "overlap-sentences"),
)
"""In which a cell's name has them."""

KEYS: Mapping[str, Setting] = {name: SETTINGS[name] for name in ORDER}
"""What a plan can fix or vary."""


def check(name: str, value: object, where: str) -> Value:
    """The value of a key, if it is one that the setting can have.

    Raises:
        ConfigError: naming section and key.
    """
    setting = KEYS[name]
    if name == "open-bias" and value == AUTO:
        return AUTO
    if setting.type in (int, float):
        try:
            number = cast(float, setting.value(value))
            return int(number) if setting.type is int else float(number)
        except ConfigError as error:
            auto = f', or "{AUTO}"' if name == "open-bias" else ""
            raise ConfigError(error.what, where=where, expected=f"{setting.numbers()}{auto}") from None
    if not isinstance(value, str):
        raise ConfigError(f"{name} is {value!r}", where=where, expected="text in quotes")
    known = setting.choices or (catalogue.names() if name == "format" else None)
    if known is not None and value not in known:
        raise ConfigError(f"{name} is {value!r}", where=where, fix=did_you_mean(value, known))
    return value


def over(settings: Settings, own: TagSettings) -> TagSettings:
    """The settings of a tagger with those of a cell put in.

    Args:
        settings: of a cell, `open-bias` a number.
        own: what suits its LLM.

    Raises:
        ConfigError: when a value is none that the setting can have.
    """
    chosen = put(own, {KEYS[name].key: value for name, value in settings.items() if KEYS[name].at})
    # Whether examples resemble their text is told of a run on notes; here the score says it.
    return replace(chosen, examples=replace(chosen.examples, resembles=0.0))
