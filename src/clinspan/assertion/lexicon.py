"""The lexicon: cues of assertion with their class and scope, read from a TOML file for each language."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, TypeAlias

import regex

from clinspan.errors import ConfigError, did_you_mean

Stands = Literal["after", "before", "both"]

CLASSES = ("absent", "possible", "conditional", "hypothetical", "associated-with-someone-else", "present", "past")
"""What a cue can say; a cue of the class `none` only hides shorter ones."""

_TOKEN = regex.compile(r"['’]s\b|[^\W_]+(?:['’](?!s\b)[^\W_]+)*|[^\w\s]|_")
_ABBREVIATIONS = frozenset({"dr", "mr", "mrs", "ms", "vs", "st", "approx", "e.g", "i.e", "etc", "pt", "jr", "sr", "dx"})
_NEW_LINE = regex.compile(r"[A-Z][^\n:.]{0,40}:|[-*•#\[]")
_WRAPPED = 50
_CELL_GAP = 3
_PART = regex.compile(r"[{|}]|[^\s{|}]+")
_CLOSING = frozenset('.,;)(:|/-?"[')
_KEYS = frozenset({"class", "stands", "reach", "verbs", "list", "first", "closing", "terms"})


class Token(NamedTuple):
    """A word, or one mark of punctuation."""

    start: int
    end: int
    word: str


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of a part of the text, in lower case, with their offsets in the text."""
    found = _TOKEN.finditer(text, start, len(text) if end is None else end)
    return [Token(*one.span(), one.group().lower().replace("’", "'")) for one in found]


def sentences(row: list[Token], text: str) -> Iterator[list[Token]]:
    """The tokens of a part of the text, cut where a sentence, a line that is no wrapped prose, or a cell ends."""
    first = 0
    for at, token in enumerate(row[:-1]):
        following = row[at + 1]
        if following.start > token.end and _turns(text, token.end, following.start):
            yield row[first : at + 1]
            first = at + 1
            continue
        if token.word in '"”)' and at > first and row[at - 1].word in ".!?" and row[at - 1].end == token.start:
            if text[following.start].isupper() and following.start > token.end:
                yield row[first : at + 1]
                first = at + 1
            continue
        if token.word not in ".!?" or following.start == token.end:
            continue
        before = row[at - 1] if at > first else None
        starts = text[following.start]
        if before is not None and before.end == token.start:
            short = before.word in _ABBREVIATIONS or (len(before.word) == 1 and before.word.isalpha())
            short = short or (before.word == "no" and starts.isdigit())
            if token.word == "." and short and not (starts.isupper() and len(before.word) == 1):
                continue
        elif token.word == "?":
            continue
        if starts.isupper() or starts.isdigit() or starts in '[(-#*?"“':
            yield row[first : at + 1]
            first = at + 1
    yield row[first:]


def _turns(text: str, end: int, start: int) -> bool:
    """Whether a line ends between two tokens that is not a line of wrapped prose."""
    gap = text[end:start]
    at = text.find("\n", end, start)
    if at < 0 and ("\t" in gap or len(gap) >= _CELL_GAP):
        return True
    if at < 0 or text[start].islower():
        return False
    return at - text.rfind("\n", 0, at) < _WRAPPED or _NEW_LINE.match(text, start) is not None


@dataclass(frozen=True, slots=True)
class Cue:
    """What one kind of cue says, and how far.

    Attributes:
        kind: one of `CLASSES`, `none`, or `stop-hard`, `stop-verb` and `stop-people` for terminators.
        stands: where the mention is, as seen from the cue.
        reach: tokens that may lie between cue and mention.
        verbs: whether the scope runs over verbs and commas.
        list: whether the scope ends with the list that its first mention is in.
        first: whether the scope ends with its first mention, and others that a word of choice joins to it.
        closing: whether the cue only counts at the end of a clause.
    """

    kind: str
    stands: Stands = "after"
    reach: int = 8
    verbs: bool = False
    list: bool = False
    first: bool = False
    closing: bool = False

    def __post_init__(self) -> None:
        if self.kind not in (*CLASSES, "none", "stop-hard", "stop-verb", "stop-people"):
            raise ConfigError(f"a cue has the unknown class {self.kind!r}", fix=did_you_mean(self.kind, CLASSES))
        if self.stands not in ("after", "before", "both"):
            raise ConfigError(f"a cue stands {self.stands!r}", expected="after, before or both")
        if self.reach < 1:
            raise ConfigError(f"a cue reaches {self.reach} tokens", expected="1 or more")


@dataclass(slots=True, eq=False)
class _Node:
    """A state: `next` by plain words, `sets` by words of a choice, `groups` by names of groups, `free` by nothing."""

    next: dict[str, "_Node"] = field(default_factory=dict)
    sets: dict[str, list["_Node"]] = field(default_factory=dict)
    groups: dict[str, list["_Node"]] = field(default_factory=dict)
    any: list["_Node"] = field(default_factory=list)
    free: list["_Node"] = field(default_factory=list)
    cues: tuple[Cue, ...] = ()


_YEAR, _MARK, _OTHER = "<year>", "<mark>", "<other>"
"""What stands for words that no cue names."""
_MARKS = frozenset({".", ";", ":", ",", _MARK})
_NO_CUES: tuple[Cue, ...] = ()


class _State:
    """Nodes that the same words lead to, so that a row of words is looked up in one go.

    Attributes:
        nodes: the first that has cues decides.
        last: the cues where a clause ends after it.
        inner: the cues elsewhere.
        steps: where each word leads, as far as it was asked.
    """

    __slots__ = ("inner", "last", "nodes", "steps")

    def __init__(self, nodes: tuple[_Node, ...]) -> None:
        self.nodes = nodes
        self.last = next((node.cues for node in nodes if node.cues), _NO_CUES)
        open_ = (tuple(cue for cue in node.cues if not cue.closing) for node in nodes)
        self.inner = next((cues for cues in open_ if cues), _NO_CUES)
        self.steps: dict[str, _State] = {}


class Hit(NamedTuple):
    """A cue in a row of tokens: `first` up to but without `end`."""

    first: int
    end: int
    cues: tuple[Cue, ...]


class Lexicon:
    """The cues of one language, found in tokens in one pass.

    Args:
        data: the parsed file; `en.toml` shows what may stand in it.
        where: names the file in errors.

    Raises:
        ConfigError: when it holds what no lexicon does.
    """

    def __init__(self, data: Mapping[str, Any], *, where: str):
        self.language: str = data["language"]
        self._groups: dict[str, list[str]] = {}
        for name, words in data.get("groups", {}).items():
            for word in words:
                self._groups.setdefault(word, []).append(name)
        self._tries = {kind: _Node() for kind in ("after", "before", "past")}
        self._words: set[str] = set(self._groups)
        self.chronic = frozenset(data.get("chronic", {}).get("words", ()))
        self.circumstantial = frozenset(data.get("inside", {}).get("words", ()))
        self.closers = frozenset(data.get("closers", {}).get("words", ())) | _CLOSING
        for name, terms in data.get("terminators", {}).items():
            self._add(Cue(f"stop-{'verb' if name == 'verbs' else name}"), terms)
        for section in data.get("cues", ()):
            for key in section:
                if key not in _KEYS:
                    raise ConfigError(f"unknown key {key!r}", where=where, fix=did_you_mean(key, _KEYS))
            options = {key: section[key] for key in section if key not in ("class", "terms")}
            self._add(Cue(section["class"], **options), section["terms"])
        self._states: dict[tuple[int, ...], _State] = {}
        self._starts = {kind: self._state([root]) for kind, root in self._tries.items()}

    def _add(self, cue: Cue, terms: Sequence[str]) -> None:
        for term in terms:
            parts = _parsed(term)
            self._words.update(_plain(parts))
            for kind in self._kinds(cue):
                root = self._tries[kind]
                for node in _grown([root], parts):
                    if node is not root and cue not in node.cues:
                        node.cues = (*node.cues, cue)

    @staticmethod
    def _kinds(cue: Cue) -> Sequence[str]:
        """The tries that a cue is looked up in; what stops or hides stands in all."""
        if cue.kind == "none" or cue.kind.startswith("stop"):
            return ("after", "before", "past")
        if cue.kind == "past":
            return ("past",)
        return ("after", "before") if cue.stands == "both" else (cue.stands,)

    def find(self, row: Sequence[Token]) -> list[Hit]:
        """The cues in a row of tokens, in order.

        The longest counts at each place, among those of each direction. One that lies inside a cue of the other
        direction is left out, unless it is as long.
        """
        words = [token.word for token in row]
        kinds = [word if word in self._words else self._kind(word) for word in words]
        closes = [word in self.closers for word in words] + [True]
        before = list(self._found(kinds, closes, "before"))
        covered = {(at, hit.end): hit for hit in before for at in range(hit.first, hit.end)}
        after = [
            hit
            for hit in self._found(kinds, closes, "after")
            if (hit.first, hit.end) not in covered or covered[hit.first, hit.end].first == hit.first
        ]
        hits = {*after, *before, *self._found(kinds, closes, "past")}
        return sorted(hits, key=lambda hit: (hit.first, hit.end))

    def _kind(self, word: str) -> str:
        """What stands for a word that no cue names: those of a kind lead to the same states."""
        return _YEAR if self._named(word) else _MARK if word in ".;:," else _OTHER

    def _found(self, words: Sequence[str], closes: Sequence[bool], kind: str) -> Iterator[Hit]:
        start, at = self._starts[kind], 0
        while at < len(words):
            state, place, end, cues = start, at, 0, _NO_CUES
            while place < len(words):
                after = state.steps.get(words[place]) or self._step(state, words[place])
                if not after.nodes:
                    break
                state, place = after, place + 1
                said = state.last if closes[place] else state.inner
                if said:
                    end, cues = place, said
            if end:
                yield Hit(at, end, cues)
            at = end or at + 1

    def _step(self, state: "_State", word: str) -> "_State":
        """Where a word leads from a state; found once, then remembered."""
        leads: list[_Node] = []
        named = ("year",) if word == _YEAR else self._named(word)
        for node in state.nodes:
            if node.any and word not in _MARKS:
                leads += reversed(node.any)
            for name in reversed(named):
                leads += reversed(node.groups.get(name, ()))
            leads += reversed(node.sets.get(word, ()))
            leads += [node.next[word]] if word in node.next else []
        return state.steps.setdefault(word, self._state(leads))

    def _state(self, nodes: Iterable[_Node]) -> "_State":
        """The state of some nodes, with those that nothing more leads to, in the order in which they count."""
        whole: dict[int, _Node] = {}
        waiting = list(reversed(list(nodes)))
        while waiting:
            node = waiting.pop()
            if id(node) not in whole:
                whole[id(node)] = node
                waiting += node.free
        return self._states.setdefault(tuple(whole), _State(tuple(whole.values())))

    def _named(self, word: str) -> Sequence[str]:
        if word in self._groups:
            return self._groups[word]
        return ("year",) if word.isdecimal() and len(word) == 4 and word[:2] in ("19", "20") else ()

    def is_in(self, word: str, group: str) -> bool:
        """Whether a group has a word."""
        return group in self._groups.get(word, ())

    def goes_on(self, mention: str) -> bool:
        """Whether a mention names a disease that goes on, of which a history is no past."""
        return _holds(mention, self.chronic)

    def depends(self, mention: str) -> bool:
        """Whether a mention says by its own words that it comes only under a circumstance."""
        return _holds(mention, self.circumstantial)


def _holds(mention: str, names: frozenset[str]) -> bool:
    said = f" {' '.join(mention.lower().split())} "
    return any(f" {name} " in said for name in names)


_Part: TypeAlias = "str | list[list[_Part]]"
"""A word, a group or `*`; or a choice of rows of parts."""


def _parsed(term: str) -> list[_Part]:
    """The parts of a term.

    Raises:
        ConfigError: when its braces do not close.
    """
    rows: list[list[_Part]] = [[]]
    open_: list[list[list[_Part]]] = []
    for part in _PART.findall(term):
        if part == "{":
            open_.append(rows)
            rows = [[]]
        elif part == "|" and open_:
            rows.append([])
        elif part == "}" and open_:
            choice, rows = rows, open_.pop()
            rows[-1].append(choice)
        elif part == "*" or (part[0] == "<" and part[-1] == ">" and len(part) > 2):
            rows[-1].append(part)
        else:
            rows[-1] += [token.word for token in tokens(part)]
    if open_ or len(rows) > 1:
        raise ConfigError(f"the term {term!r} opens braces that it does not close", fix="write {a|b}")
    return rows[0]


def _plain(parts: Sequence[_Part]) -> Iterator[str]:
    """The words of a term that stand for themselves."""
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            for row in part:
                yield from _plain(row)


def _grown(nodes: list[_Node], parts: Sequence[_Part]) -> list[_Node]:
    """The nodes that the parts lead to from some nodes. Rows of a choice meet in one node, so that none multiplies."""
    for part in parts:
        if isinstance(part, list):
            join = _Node()
            for row in part:
                if row:
                    _lead(nodes, row, join)
            nodes = [join, *nodes] if [] in part else [join]
        elif len(nodes) == 1 and part != "*" and part[0] != "<":
            nodes = [nodes[0].next.setdefault(part, _Node())]
        else:
            join = _Node()
            for node in nodes:
                _step(node, part, join)
            nodes = [join]
    return nodes


def _lead(nodes: list[_Node], row: Sequence[_Part], join: _Node) -> None:
    """Leads from the nodes over the parts of a choice to the node where its rows meet."""
    for end in _grown(nodes, row[:-1]) if len(row) > 1 else nodes:
        last = row[-1]
        if isinstance(last, str):
            _step(end, last, join)
        else:
            for inner in last:
                if inner:
                    _lead([end], inner, join)
                else:
                    end.free.append(join)


def _step(node: _Node, part: str, join: _Node) -> None:
    if part == "*":
        node.any.append(join)
    elif part[0] == "<" and len(part) > 2:
        node.groups.setdefault(part[1:-1], []).append(join)
    else:
        node.sets.setdefault(part, []).append(join)


@cache
def lexicon(language: str = "en") -> Lexicon:
    """The lexicon of a language.

    Raises:
        ConfigError: when there is none.
    """
    names = languages()
    if language not in names:
        raise ConfigError(f"no lexicon of assertion for {language!r}", fix=did_you_mean(language, names))
    file = files("clinspan.assertion").joinpath(f"{language}.toml")
    return Lexicon(tomllib.loads(file.read_text(encoding="utf-8")), where=f"{language}.toml")


def languages() -> tuple[str, ...]:
    """The languages that have a lexicon."""
    found = (file.name for file in files("clinspan.assertion").iterdir())
    return tuple(sorted(name[:-5] for name in found if name.endswith(".toml") and len(name) == 7))
