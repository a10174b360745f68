"""Notes with inline marks (`notes/GUIDE.md`): from marked text to spans with kinds and details, and to label sets."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

KINDS: Mapping[str, tuple[str, ...]] = {
    "problem": ("disease", "symptom", "finding", "injury", "organism"),
    "treatment": ("drug", "procedure", "device", "therapy"),
    "test": ("lab", "vital", "imaging", "exam", "study"),
    "detail": ("dose", "route", "frequency", "duration", "form", "value"),
}
LABEL_OF: Mapping[str, str] = {kind: label for label, kinds in KINDS.items() for kind in kinds}
ASSERTIONS = ("present", "absent", "possible", "conditional", "hypothetical", "other")
PAST = "past"

_HEAD = re.compile(r"# note: *([A-Za-z0-9-]+) *\| *([^|]+?) *\| *([^|]+?) *\| *([^|]+?) *")
_BRACKETS = re.compile(r"\[\[|\]\]")
_CUE = re.compile(r"(?i)(no|denies|denied|without|possible|history of|rule out)\b")
_DETERMINER = re.compile(
    r"(?i)(?:(?:an?|the|his|her|its|their|my|your|our|this|that|these|those|any|some|another)\s+)+(?=\S)"
)
_REACH = 250
"""A detail without a name belongs to a mark at most so many characters before it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mention as it was marked; offsets are of the bare text.

    Attributes:
        assertion: of a problem; empty for others.
        past: whether a problem is over, or history before this episode.
        of: index, among the note's marks, of the drug or test that a detail belongs to.
    """

    start: int
    end: int
    kind: str
    assertion: str = ""
    past: bool = False
    of: int | None = None

    @property
    def label(self) -> str:
        """`problem`, `treatment`, `test` or `detail`."""
        return LABEL_OF[self.kind]


@dataclass(frozen=True, slots=True)
class Note:
    """A note without its marks, and the marks in text order, an outer one before those inside it."""

    id: str
    kind: str
    specialty: str
    style: str
    text: str
    marks: tuple[Mark, ...]
    place: str


class NoteError(ValueError):
    """What is wrong in a file of notes, each as `file:line: what`."""

    def __init__(self, faults: Sequence[str]):
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class _Raw:
    start: int
    end: int
    kind: str
    details: str
    at: int


def read(path: Path) -> list[Note]:
    """The notes of a file.

    Raises:
        NoteError: with every fault of the file.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    heads = [number for number, line in enumerate(lines) if line.startswith("# note:")]
    faults: list[str] = []
    notes: list[Note] = []
    if not heads or any(line.strip() for line in lines[: heads[0]]):
        faults.append(f"{path}:1: a file of notes begins with a line '# note: ID | KIND | SPECIALTY | STYLE'")
    for first, end in pairwise([*heads, len(lines)]):
        place = f"{path}:{first + 1}"
        head = _HEAD.fullmatch(lines[first])
        if head is None:
            faults.append(f"{place}: {lines[first]!r} is no head; expected '# note: ID | KIND | SPECIALTY | STYLE'")
            continue
        body = first + 1
        while body < end and not lines[body].strip():
            body += 1
        try:
            text, marks = _marks("\n".join(lines[body:end]).rstrip(), path, body + 1)
        except NoteError as error:
            faults += error.faults
            continue
        notes.append(Note(head[1], head[2], head[3], head[4], text, marks, place))
    if faults:
        raise NoteError(faults)
    return notes


def _marks(raw: str, path: Path, first: int) -> tuple[str, tuple[Mark, ...]]:
    """The bare text and its marks; `first` is the line of the file on which `raw` begins."""

    def where(at: int) -> str:
        return f"{path}:{first + raw.count(chr(10), 0, at)}"

    text, found = _strip(raw, where)
    order = sorted(found, key=lambda mark: (mark.start, -mark.end))
    faults = [f"{where(mark.at)}: {fault}" for mark in order for fault in _faults(mark, text)]
    faults += [
        f"{where(inner.at)}: {text[inner.start : inner.end]!r} lies in or across {text[outer.start : outer.end]!r}"
        for outer, inner in _overlapping(order)
        if not (LABEL_OF.get(inner.kind) == "detail" and inner.end <= outer.end)
    ]
    if faults:
        raise NoteError(faults)
    made: list[Mark] = []
    for mark in order:
        words = mark.details.split()
        if LABEL_OF[mark.kind] == "problem":
            made.append(Mark(mark.start, mark.end, mark.kind, words[0], PAST in words))
        elif LABEL_OF[mark.kind] == "detail":
            owner = _owner(mark, order, text)
            if owner is None:
                wanted = "test" if mark.kind == "value" else "treatment"
                faults.append(f"{where(mark.at)}: {text[mark.start : mark.end]!r} belongs to no {wanted} near it")
            made.append(Mark(mark.start, mark.end, mark.kind, of=owner))
        else:
            made.append(Mark(mark.start, mark.end, mark.kind))
    if faults:
        raise NoteError(faults)
    return text, tuple(made)


def _strip(raw: str, where: Callable[[int], str]) -> tuple[str, list[_Raw]]:
    out: list[str] = []
    length = position = 0
    opened: list[tuple[int, int]] = []
    found: list[_Raw] = []
    for bracket in _BRACKETS.finditer(raw):
        piece = raw[position : bracket.start()]
        position = bracket.end()
        if bracket.group() == "[[":
            out.append(piece)
            length += len(piece)
            opened.append((length, bracket.start()))
            continue
        if not opened:
            raise NoteError([f"{where(bracket.start())}: ']]' closes no mark"])
        start, at = opened.pop()
        said, bar, rest = piece.partition("|")
        if not bar:
            raise NoteError([f"{where(at)}: the mark {raw[at:position][:60]!r} names no kind"])
        out.append(said)
        length += len(said)
        kind, _, details = rest.partition("|")
        found.append(_Raw(start, length, kind.strip(), details.strip(), at))
    if opened:
        at = opened[-1][1]
        raise NoteError([f"{where(at)}: the mark {raw[at : at + 40]!r} does not close"])
    out.append(raw[position:])
    return "".join(out), found


def _faults(mark: _Raw, text: str) -> Iterator[str]:
    said = text[mark.start : mark.end]
    label = LABEL_OF.get(mark.kind)
    if not said or said != said.strip():
        yield f"{said!r} is empty or begins or ends with white space"
    if label is None:
        near = difflib.get_close_matches(mark.kind, LABEL_OF, 1)
        yield f"unknown kind {mark.kind!r} of {said!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    elif label == "problem":
        words = mark.details.split()
        if not words or words[0] not in ASSERTIONS or words[1:] not in ([], [PAST]):
            near = difflib.get_close_matches(words[0] if words else "", ASSERTIONS, 1)
            asked = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{said!r} needs one of {', '.join(ASSERTIONS)}, and perhaps past, not {mark.details!r}{asked}"
        if _CUE.match(said):
            yield f"{said!r}: the word that denies, doubts or dates stays outside the mark"
    elif label == "detail":
        if mark.details and mark.details != ">" and not mark.details.startswith("of "):
            yield f"{said!r}: a detail has '>' or 'of NAME' or nothing, not {mark.details!r}"
    elif mark.details:
        yield f"{said!r}: {mark.kind} has no details, not {mark.details!r}"


def _overlapping(order: Sequence[_Raw]) -> Iterator[tuple[_Raw, _Raw]]:
    for number, outer in enumerate(order):
        for inner in order[number + 1 :]:
            if inner.start >= outer.end:
                break
            yield outer, inner


def _owner(detail: _Raw, order: Sequence[_Raw], text: str) -> int | None:
    wanted = "test" if detail.kind == "value" else "treatment"
    owners = [(i, m) for i, m in enumerate(order) if LABEL_OF.get(m.kind) == wanted]
    around = [i for i, m in owners if m.start <= detail.start and detail.end <= m.end]
    if around and not detail.details:
        return around[-1]
    before = [i for i, m in owners if m.end <= detail.start]
    after = [i for i, m in owners if m.start >= detail.end]
    if detail.details == ">":
        return after[0] if after else None
    if detail.details.startswith("of "):
        name = detail.details[3:].casefold()
        named = [i for i, m in owners if name in text[m.start : m.end].casefold()]
        return min(named, key=lambda i: abs(order[i].start - detail.start), default=None)
    if before and detail.start - order[before[-1]].end <= _REACH:
        return before[-1]
    return None


def bare(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without its leading articles, possessives and quantifiers, where anything is left."""
    leading = _DETERMINER.match(text[start:end])
    return (start + leading.end(), end) if leading is not None else (start, end)


def drug_name(note: Note, mark: Mark) -> tuple[int, int]:
    """A drug without determiners and without details that stand at its edges ("IV antibiotics", "81 mg aspirin")."""
    start, end = bare(note.text, mark.start, mark.end)
    inner = [m for m in note.marks if m.label == "detail" and mark.start <= m.start and m.end <= mark.end]
    moved = True
    while moved:
        moved = False
        for detail in inner:
            if detail.start <= start < detail.end < end:
                start, moved = detail.end, True
            elif start < detail.start < end <= detail.end:
                end, moved = detail.start, True
        while start < end and not note.text[start].isalnum():
            start += 1
        while end > start and (note.text[end - 1].isspace() or note.text[end - 1] in ",;:("):
            end -= 1
        if note.text[start:end].startswith("of "):
            start, moved = start + 3, True
    return start, end
