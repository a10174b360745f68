"""Facts: what the dictionary knows of a text's terms, as lines for the prompt, the most useful first (DiRAG)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from clinspan.dictionary.link import LabelTypes
from clinspan.dictionary.match import Match, Sense
from clinspan.document import Entity
from clinspan.labels import LabelSet

CountTokens = Callable[[str], int]
"""How many tokens a text is for the LLM at hand."""


class FactsMode(StrEnum):
    """What a fact says."""

    NONE = "none"
    LABELS = "labels"
    TYPES = "types"
    DEFINITIONS = "definitions"
    BOTH = "both"


_SENTENCE = re.compile(r"(?<=[a-z)\]][.;])\s+(?=[A-Z])")
_SHORTEST_CUT = 5
"""Words that must be left of a definition that is cut; fewer say nothing."""


def rank(
    matches: Iterable[Match],
    labels: LabelSet,
    budget: int,
    mode: FactsMode,
    count_tokens: CountTokens,
    *,
    type_definitions: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """The facts that fit into `budget` tokens, one line a term.

    A term counts when one of its likely senses is of the label set's types (any term, where the set names none). Terms
    that agree more closely with the text come first, then longer ones. A definition gives way to its first sentence,
    and that to its first words, before a term is left out.

    Args:
        matches: terms of the text, or those that an LLM proposed.
        budget: tokens that all lines together may have, each with its line break.
        mode: what each line says; `labels` is about proposals, see `labelled`.
        type_definitions: said of a concept's type where the concept itself has no definition.
    """
    if mode in (FactsMode.NONE, FactsMode.LABELS):
        return ()
    left = budget
    lines: list[str] = []
    for term, senses in _useful(matches, LabelTypes(labels)):
        versions = list(_versions(term, senses, mode, type_definitions or {}))
        # Most terms come when there is no room left: what does not fit at its shortest fits in no way.
        if not versions or count_tokens(versions[-1] + "\n") > left:
            continue
        for line in versions:
            cost = count_tokens(line + "\n")
            if cost <= left:
                lines.append(line)
                left -= cost
                break
    return tuple(lines)


def labelled(proposals: Iterable[Entity], budget: int, count_tokens: CountTokens) -> tuple[str, ...]:
    """What the dictionary alone would tag, in text order, each name once: `term: label`.

    The shortest fact there is, for small models tuned on it: it says of a short form, too, what its long form is in
    another sentence of the document.

    Args:
        proposals: the dictionary's own entities that stand in the window.
        budget: tokens that all lines together may have, each with its line break.
    """
    left = budget
    lines: dict[str, str] = {}
    for entity in sorted(proposals, key=lambda e: (e.start, e.end)):
        line = f"{' '.join(entity.text.split())}: {entity.label}"
        if line.casefold() in lines:
            continue
        left -= count_tokens(line + "\n")
        if left < 0:
            break
        lines[line.casefold()] = line
    return tuple(lines.values())


def _useful(matches: Iterable[Match], types: LabelTypes) -> list[tuple[str, tuple[Sense, ...]]]:
    """(term as the text writes it, its senses of one label), best first, each concept once."""
    found: dict[str, tuple[tuple[float, int, int], str, tuple[Sense, ...]]] = {}
    for place, match in enumerate(matches):
        label = types.decide(match.senses)
        senses = types.senses(match.senses, label) if label else () if types.labels else match.senses
        if senses:
            order = (-senses[0].score, -len(match.text), place)
            known = found.get(senses[0].concept)
            if known is None or order < known[0]:
                found[senses[0].concept] = (order, " ".join(match.text.split()), senses)
    return [(term, senses) for _, term, senses in sorted(found.values(), key=lambda item: item[0])]


def _versions(
    term: str, senses: Sequence[Sense], mode: FactsMode, type_definitions: Mapping[str, str]
) -> Iterable[str]:
    """The line for a term, from the longest way to say it to the shortest."""
    best = senses[0]
    head = term if best.name.casefold() == term.casefold() else f"{term} ({best.name})"
    types = ", ".join(dict.fromkeys(name for sense in senses for name in sense.types))
    if mode is FactsMode.TYPES:
        if types:
            yield f"{head}: {types}"
        return
    definition = " ".join(best.definition.split()) or next(
        (f"{name}: {type_definitions[name]}" for name in best.types if name in type_definitions), ""
    )
    start = f"{head}: {types}. " if mode is FactsMode.BOTH and types else f"{head}: "
    if definition:
        sentence = _SENTENCE.split(definition)[0]
        yield start + definition
        yield start + sentence
        words = sentence.split()
        for kept in range(len(words) - 1, _SHORTEST_CUT - 1, -max(1, len(words) // 8)):
            yield start + " ".join(words[:kept]) + " …"
    if mode is FactsMode.BOTH and types:
        yield f"{head}: {types}"
