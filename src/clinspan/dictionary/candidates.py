"""Candidates that an LLM proposes: its list read whatever it looks like, and looked up in the dictionary."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import marisa_trie

from clinspan.dictionary.match import Match
from clinspan.dictionary.normalise import Tokens, is_acronym, normal_form, visible
from clinspan.dictionary.store import Dictionary
from clinspan.labels import LabelSet


def term_key(term: str) -> str:
    """What makes two spellings one term: the normal form, with its case for an acronym."""
    term = visible(term)
    return "=" + term if is_acronym(term) else normal_form(term)


def label_terms(labels: LabelSet) -> dict[str, str]:
    """The key of each term that labels.toml names, with its label."""
    return {term_key(term): label.name for label in labels.labels for term in label.terms if term_key(term)}


class TermList:
    """Finds labelled terms in a text.

    Args:
        terms: by key (see `term_key`), the label.
    """

    def __init__(self, terms: Mapping[str, str]):
        self._terms = terms
        self._cased = {key[1:]: key for key in terms if key.startswith("=")}
        self._trie = marisa_trie.Trie(key + " " for key in terms if not key.startswith("="))

    def __len__(self) -> int:
        return len(self._terms)

    def scan(self, text: str, tokens: Tokens) -> Iterator[tuple[int, int, str]]:
        """(first token, one past the last, key) of each term in `text`."""
        if len(self._trie):
            for at, end, prefix in walk(self._trie, tokens.forms):
                yield at, end, prefix[:-1]
        if self._cased:
            plain = text.isascii()
            for at, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
                key = self._cased.get(text[start:end] if plain else visible(text[start:end]))
                if key is not None:
                    yield at, at + 1, key

    def label(self, key: str) -> str:
        """The label of a key that `scan` found."""
        return self._terms[key]


def walk(trie: marisa_trie.Trie, forms: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(first token, one past the last, key) of each key of `trie` that the forms hold."""
    line = " ".join(forms) + " "
    place = 0
    for at, form in enumerate(forms):
        for prefix in trie.iter_prefixes(line[place : place + 200]):
            yield at, at + prefix.count(" "), prefix
        place += len(form) + 1


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


@dataclass(frozen=True, slots=True)
class Lookup:
    """The candidates that the dictionary knows, and those that it does not."""

    matches: tuple[Match, ...]
    unknown: tuple[str, ...]


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


def lookup_mentions(dictionary: Dictionary, strings: Iterable[str]) -> Lookup:
    """Looks up strings, each as one term, with every normalisation that the dictionary has."""
    matches: list[Match] = []
    unknown: list[str] = []
    for string in dict.fromkeys(strings):
        match = dictionary.match(string) if string else None
        if match is None:
            unknown.append(string)
        else:
            matches.append(match)
    return Lookup(tuple(matches), tuple(unknown))


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
