"""What the dictionary and an LLM tell one another: facts for the prompt, and the candidates that the LLM lists (DiRAG).

Facts are what the dictionary knows of a text's terms, as lines, the most useful first. A list of candidates is read
whatever it looks like, and looked up.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from clinspan.dictionary.link import LabelTypes
from clinspan.dictionary.match import Match, Sense
from clinspan.dictionary.store import Dictionary
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


_FENCE = re.compile(r"```[\w-]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_BULLET = re.compile(r"^\s*(?:[-*•–+]|\(?\d{1,3}[.):]|#{1,6})\s+")
_QUOTED = re.compile(r"""^(?:\*\*|__)?(["'`“‘«])(.*?)(["'`”’»])(?:\*\*|__)?[,;.]?$""")
_EMPTY = re.compile(
    r"^[\W_]*(?:none|n/?a|no (?:candidates?|entit(?:y|ies)|mentions?|terms?|diseases?)\b.*|null|empty|\[\s*\]|\{\s*\})"
    r"[\W_]*$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.|'(?=\w))*)'|([^,;\[\]"]+))\s*(?:[,;]|$)""")
_LONGEST = 120
"""Characters of a candidate; what is longer is talk."""
_TALK = 7
"""Words of an item, on average, above which a line is a sentence and no list."""


@dataclass(frozen=True, slots=True)
class CandidateList:
    """What an answer lists.

    Attributes:
        unread: lines that are no list and no candidate; where there are no terms but unread lines, the list failed.
    """

    terms: tuple[str, ...]
    unread: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """True when the answer says something, and none of it could be read as a list."""
        return not self.terms and bool(self.unread)


def read_candidates(answer: str) -> CandidateList:
    """Reads the list that `answer` is or holds: JSON, a Python list, bullets, numbers, lines, commas; fenced or not.

    Never raises; an empty answer, or one that says that there is none, is an empty list.
    """
    fenced = _FENCE.search(answer)
    body = (fenced.group(1) if fenced else answer).strip()
    if not body or _EMPTY.match(body):
        return CandidateList(())
    terms = _from_json(body)
    if terms is None:
        terms = _from_brackets(body)
    if terms is not None:
        return CandidateList(_once(terms))
    return _from_lines(body)


def looked_up(dictionary: Dictionary, strings: Iterable[str]) -> tuple[Match, ...]:
    """What the dictionary has of strings, each looked up as one term with every normalisation that there is."""
    found = (dictionary.match(string) for string in dict.fromkeys(strings) if string)
    return tuple(match for match in found if match is not None)


def _once(terms: Iterable[str]) -> tuple[str, ...]:
    clean = (" ".join(term.split()) for term in terms)
    return tuple(dict.fromkeys(term for term in clean if term and len(term) <= _LONGEST))


def _from_json(body: str) -> list[str] | None:
    start = min((at for at in (body.find("["), body.find("{")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        data, _ = json.JSONDecoder().raw_decode(body, start)
    except (ValueError, RecursionError):
        return None
    return list(_strings(data))


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item)
    elif isinstance(data, dict):
        named = next((data[key] for key in ("text", "mention", "term", "entity", "name") if key in data), None)
        if named is not None:
            yield from _strings(named)
        elif data and all(isinstance(value, str) for value in data.values()):
            yield from map(str, data)  # a mapping of mention to type
        else:
            for value in data.values():
                yield from _strings(value)


def _from_brackets(body: str) -> list[str] | None:
    """A list in brackets that is no JSON: single quotes, an apostrophe, a lost end."""
    found = re.search(r"\[(.*?)(?:\]|\Z)", body, re.DOTALL)
    if not found or "\n-" in body or "\n*" in body:
        return None
    items = [next(part for part in item.groups() if part is not None) for item in _ITEM.finditer(found.group(1))]
    return [re.sub(r"\\(.)", r"\1", item).strip().strip("'\"") for item in items]


def _from_lines(body: str) -> CandidateList:
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    bulleted = [line for line in lines if _BULLET.match(line)]
    terms: list[str] = []
    unread = [line for line in lines if bulleted and not _BULLET.match(line)]
    for line in bulleted or lines:
        text = _BULLET.sub("", line).strip()
        if not bulleted and text.endswith(":"):
            unread.append(line)
            continue
        text = text if bulleted else re.sub(r"^[\w ]{0,40}:\s+", "", text)
        items = _split(text, bulleted=bool(bulleted))
        if not bulleted and len(text.split()) > _TALK * len(items):
            unread.append(line)
            continue
        for item in items:
            (terms if _is_term(item) else unread).append(item)
    return CandidateList(_once(terms), tuple(unread))


def _split(text: str, *, bulleted: bool) -> list[str]:
    if bulleted:
        # "- heart attack: a disease" and "- heart attack (disease)" name the candidate first
        text = re.split(r":\s|\s[-–—]\s", text)[0]
        items = [text]
    else:
        items = re.split(r"\s*[;,|]\s+|\s*[;|]\s*", text)
    return [_unquoted(item.strip().strip(".").strip()) for item in items if item.strip()]


def _unquoted(item: str) -> str:
    found = _QUOTED.match(item)
    return found.group(2) if found else item.strip("*_`").strip()


def _is_term(item: str) -> bool:
    words = item.split()
    return 0 < len(words) <= 12 and any(c.isalnum() for c in item) and not item.endswith(("?", "!", ":"))
