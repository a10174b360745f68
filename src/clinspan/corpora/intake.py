"""Whether a note says that a drug was stopped or is held, or that the patient is allergic to it.

Label sets of treatments declare no assertion, so the text itself is read, by cues of its own.
"""

import tomllib
from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise

import regex

from clinspan.assertion.lexicon import Lexicon
from clinspan.assertion.scope import Said, by_kind, said_of
from clinspan.document import Span

_AND = regex.compile(r"\s*,?\s*(?:and|or|&|/)\s*", regex.IGNORECASE)
_AGAIN = regex.compile(r"[^\n;]{0,120}?\b(?:re-?(?:sum|start))", regex.IGNORECASE)
_SECTION = 30
"""The distance at which `said_of` puts what a section says."""
_STATES = {"absent": "stopped", "possible": "on-hold"}


@cache
def _cues() -> Lexicon:
    file = files("clinspan.corpora").joinpath("intake.toml")
    return Lexicon(tomllib.loads(file.read_text(encoding="utf-8")), where=file.name)


def intakes(text: str, mentions: Sequence[Span]) -> list[str | None]:
    """For each mention what the text says of it as a drug.

    `stopped` and `on-hold` are FHIR's words; `allergy` wins over them; `unclear` is an order to stop or hold a
    drug, one that is taken on again in the same line, and one that "and" joins to a stopped one. None where nothing
    is said.
    """
    kinds = [by_kind([one for one in said if _counts(one)]).keys() for said in said_of(text, mentions, _cues())]
    found = [_intake(said, text, span) for said, span in zip(kinds, mentions, strict=True)]
    order = sorted(range(len(mentions)), key=lambda number: mentions[number], reverse=True)
    joined = False
    for later, number in pairwise(order):
        between = text[mentions[number].end : mentions[later].start]
        word = _AND.fullmatch(between) is not None
        joined = (found[later] in _STATES.values() and word) or (joined and (word or between.strip() == ","))
        if joined and found[number] is None and "present" not in kinds[number]:
            found[number] = "unclear"
    return found


def _counts(said: Said) -> bool:
    """Whether it says something of a drug: a check box does not stop it, and of the sections only allergies count."""
    return not said.sign and (said.distance < _SECTION or said.kind == "conditional")


def _intake(kinds: Collection[str], text: str, span: Span) -> str | None:
    if "conditional" in kinds:
        return "allergy"
    found = [kind for kind in _STATES if kind in kinds]
    if "hypothetical" in kinds or len(found) > 1 or (found and "present" in kinds):
        return "unclear"
    if found and _AGAIN.match(text, span.end):
        return "unclear"
    return _STATES[found[0]] if found else None
