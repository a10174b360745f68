"""The parts of a tagger from the names that users give them."""

from pathlib import Path

from clinspan.dictionary.default import open_default
from clinspan.dictionary.store import Dictionary
from clinspan.formats.base import Format
from clinspan.formats.table import by_name
from clinspan.labels import LabelSet
from clinspan.llms import spec
from clinspan.llms.base import LLM
from clinspan.pipeline.calibration import Calibration


def labels(given: LabelSet | str) -> LabelSet:
    """A label set, by name or path."""
    return LabelSet.load(given) if isinstance(given, str) else given


def form(given: Format | str) -> Format:
    """A format, by name."""
    return by_name(given) if isinstance(given, str) else given


def llm(given: LLM | str | None) -> LLM | None:
    """An LLM, by spec."""
    return spec.load(given) if isinstance(given, str) else given


def dictionary(given: Dictionary | str | Path | None) -> Dictionary | None:
    """A dictionary: `open` for the packaged vocabularies, `none`, or a folder."""
    if given is None or given == "none":
        return None
    if isinstance(given, Dictionary):
        return given
    return open_default() if given == "open" else Dictionary.open(given)


def calibration(given: Calibration | str | Path | None) -> Calibration:
    """A calibration, or one that changes nothing."""
    if given is None:
        return Calibration()
    return given if isinstance(given, Calibration) else Calibration.from_toml(given)
