"""Which cues reach which mentions, and what they say together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import regex

from clinspan.assertion.lexicon import Cue, Hit, Lexicon, Token, sentences, tokens
from clinspan.assertion.prose import scopes
from clinspan.document import Span
from clinspan.text.sentences import BlockKind, blocks, section_at, sections

_JOINING = frozenset({",", "and", "or", "/", "&", "nor", "with", "a", "an", "the", "any", "his", "her", "also", "then"})
_JOINING |= {"even", "versus", "vs", "as", "well", "some", "other", "new", "either", "both", "from", "your", "my", "-"}
_JOINING |= {"(", ")", "w", "possibly", "possible", "including", "no", "more"}
_CHOICE = frozenset({"or", "vs", "versus", "/", "nor", "?", "."})
_OPENING_WORDS = frozenset(
    {"a", "an", "the", "any", "his", "her", "some", "this", "that", "such", "these", "your", "their"}
)
_BOX = regex.compile(r"\[\s?([xXyYnN✓✔+?-]?)\s?\]|([☐☑☒])|\(([-+xX ])\)")
_AFTER_SIGN = regex.compile(r"[ \t]{0,2}(?:\(\s?([-–−+])\s?\)|:?[ \t]?([-–−+])(?=[ \t]*(?:[,;.\n]|$)))")
_SIGNED = regex.compile(r"(?:^|[,;(/]|[ \t])([-–−+])[ \t]?$")
_SIGNS = regex.compile(r"(?:^|[,;][ \t]*)[-–−+][ \t]?[^\W\d]")
_DASHES = frozenset("-–−+")
_MEASURE = regex.compile(r"x?[1-9]\d*")
_SECTION_SAYS = {
    "family-history": "associated-with-someone-else",
    "allergies": "conditional",
    "return-precautions": "hypothetical",
    "consent": "hypothetical",
}
_SECTION = 30
_ITEM = 4
_DENIED = 4
_NEARER = 5
_FIRST = ("associated-with-someone-else", "hypothetical", "conditional")
_CARRIED = frozenset({"absent", "hypothetical"})
_POLAR = frozenset({"absent", "possible", "present"})


@dataclass(frozen=True, slots=True)
class Said:
    """That a cue, a sign or a section says something of a mention.

    Attributes:
        kind: one of `lexicon.CLASSES`.
        distance: tokens between cue and mention.
        sign: whether it is a sign at the mention itself, as a check box.
    """

    kind: str
    distance: int
    sign: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """A mention by its tokens."""

    number: int
    first: int
    end: int


def said_of(text: str, mentions: Sequence[Span], lexicon: Lexicon, *, research: bool = False) -> list[list[Said]]:
    """For each mention all that is said of it.

    Args:
        research: whether the text is research prose (`prose.is_prose`), in which a negation holds its clause.
    """
    found: list[list[Said]] = [[] for _ in mentions]
    if not mentions:
        return found
    order = sorted(range(len(mentions)), key=lambda number: mentions[number])
    parts = sections(text)
    carried: tuple[Cue, ...] = ()
    headed = False
    at = 0
    for block in blocks(text):
        inside = []
        while at < len(order) and mentions[order[at]].start < block.span.end:
            inside.append(order[at])
            at += 1
        if carried and block.kind is not BlockKind.ITEM and (block.paragraph or not headed):
            carried = ()
        closed = text[block.span.end - 1] in ".;"
        if not inside and closed:
            carried = ()
            continue
        for cue in carried:
            for number in inside:
                found[number].append(Said(cue.kind, 20))
        row = tokens(text, block.span.start, block.span.end)
        left: tuple[Cue, ...] = ()
        for sentence in sentences(row, text):
            places = list(_places(sentence, inside, mentions))
            left = _read(sentence, places, lexicon, found)
            if research and places:
                _read_prose(sentence, places, found)
        left = tuple(cue for cue in left if cue.kind in _CARRIED)
        if left and (text[block.span.end - 1] == ":" or (not closed and block.kind is not BlockKind.ITEM)):
            carried, headed = left, text[block.span.end - 1] == ":"
        elif block.kind not in (BlockKind.ITEM, BlockKind.ROW):
            carried = ()
    for number in order:
        if lexicon.depends(mentions[number].of(text)):
            found[number].append(Said("conditional", 3))
        _signs(text, mentions, number, found[number])
        name = section_at(parts, mentions[number].start)
        weak = name != "family-history" and any(one.kind in _POLAR or one.kind in _FIRST for one in found[number])
        if name in _SECTION_SAYS and not weak:
            found[number].append(Said(_SECTION_SAYS[name], _SECTION))
    _boxes(text, mentions, order, found)
    return found


def _places(sentence: Sequence[Token], inside: Sequence[int], mentions: Sequence[Span]) -> Iterator[_Place]:
    if not sentence:
        return
    at = 0
    for number in inside:
        span = mentions[number]
        if span.end <= sentence[0].start or span.start >= sentence[-1].end:
            continue
        while at < len(sentence) and sentence[at].end <= span.start:
            at += 1
        end = at
        while end < len(sentence) and sentence[end].start < span.end:
            end += 1
        yield _Place(number, at, max(end, at + 1))


def _read(
    sentence: Sequence[Token], places: Sequence[_Place], lexicon: Lexicon, found: list[list[Said]]
) -> tuple[Cue, ...]:
    """Adds what the cues of a sentence say; gives those whose scope is open at its end."""
    hidden = {at for place in places for at in range(place.first, place.end)}
    for place in places:
        # The word that opens a mention may belong to a cue before it.
        if place.end - place.first > 1 and sentence[place.first].word in _OPENING_WORDS:
            hidden.discard(place.first)
    hits = [hit for hit in lexicon.find(sentence) if not all(at in hidden for at in range(hit.first, hit.end))]
    clause = _Clause(sentence, places, hits, lexicon)
    left = []
    for number, hit in enumerate(hits):
        for cue in hit.cues:
            if cue.kind == "none" or cue.kind.startswith("stop") or not clause.applies(hit, cue):
                continue
            if cue.stands in ("after", "both") and _forward(clause, number, cue, found):
                left.append(cue)
            if cue.stands in ("before", "both"):
                _backward(clause, number, cue, found)
    return tuple(left)


def _read_prose(sentence: Sequence[Token], places: Sequence[_Place], found: list[list[Said]]) -> None:
    """Puts what research prose denies in the place of what the cues of notes deny or affirm."""
    held = list(scopes([token.word for token in sentence]))
    for place in places:
        said = found[place.number]
        over = [scope for scope in held if scope.first <= place.first and place.end <= scope.end]
        said[:] = [] if over else [one for one in said if one.kind not in ("absent", "present")]
        said += [Said("absent", abs(place.first - scope.cue)) for scope in over]


@dataclass(frozen=True, slots=True)
class _Clause:
    """A sentence with its mentions and cues."""

    sentence: Sequence[Token]
    places: Sequence[_Place]
    hits: Sequence[Hit]
    lexicon: Lexicon

    def applies(self, hit: Hit, cue: Cue) -> bool:
        """Whether a cue counts: a question mark belongs to the word that it touches."""
        token = self.sentence[hit.first]
        if token.word != "?":
            return True
        touches = hit.first > 0 and self.sentence[hit.first - 1].end == token.start
        return touches == (cue.stands == "before")

    def between(self, start: int, end: int) -> list[str]:
        """The words of a part of the sentence."""
        return [token.word for token in self.sentence[start:end]]

    def measured(self, place: _Place) -> bool:
        """Whether a mention has a measure: what is 4 cm long, or came twice, is there."""
        near = (self.sentence[place.first], *self.sentence[place.end : place.end + 1])
        return any(_MEASURE.fullmatch(token.word) for token in near)

    def acts(self, place: _Place) -> bool:
        """Whether a mention is the subject of a verb, other than a passive."""
        if place.end >= len(self.sentence):
            return False
        word = self.sentence[place.end].word
        return self.lexicon.is_in(word, "verb") and not self.lexicon.is_in(word, "be")

    def goes_on(self, between: Sequence[str], cue: Cue) -> bool:
        """Whether the scope of a cue goes on from one mention to the next over the words between."""
        if cue.first:
            return bool(_CHOICE & set(between)) and len(between) <= 2
        return not cue.list or all(word in _JOINING for word in between)

    def goes_back(self, between: Sequence[str], cue: Cue) -> bool:
        """Whether the scope of a cue goes back from one mention to the one before it."""
        if cue.list or cue.first:
            return self.goes_on(between, cue)
        return list(between) in (["and"], ["or"], ["/"])

    def denied(self, number: int) -> bool:
        """Whether a cue stands in the scope of a denial right before it: "no lesion suspicious for cancer"."""
        hit = self.hits[number]
        before = [other for other in self.hits[:number] if other.end <= hit.first]
        if not before or not any(one.kind == "absent" and one.stands == "after" for one in before[-1].cues):
            return False
        between = self.between(before[-1].end, hit.first)
        return len(between) <= _DENIED and not {",", "and", "or"} & set(between)


def _forward(clause: _Clause, number: int, cue: Cue, found: list[list[Said]]) -> bool:
    """The scope that begins after a cue; says whether it runs to the sentence's end."""
    hits = clause.hits
    start = at = hits[number].end
    end = len(clause.sentence)
    for other in hits[number + 1 :]:
        if other.first >= start and any(_stops(cue, one) for one in other.cues):
            end = other.first
            break
    some = False
    kind = "absent" if cue.kind == "possible" and not cue.first and clause.denied(number) else cue.kind
    for place in clause.places:
        if place.end <= start:
            continue
        gap = place.first - at
        if place.first > end or (place.first == end and gap > 0):
            break
        between = clause.between(at, place.first)
        if gap > cue.reach or (some and not clause.goes_on(between, cue)):
            return False
        if cue.kind == "absent" and between[-1:] == [","] and (clause.acts(place) or clause.measured(place)):
            return False
        found[place.number].append(Said(kind, max(0, place.first - start)))
        at, some = place.end, True
    return end == len(clause.sentence)


def _backward(clause: _Clause, number: int, cue: Cue, found: list[list[Said]]) -> None:
    """The scope that ends before a cue: the mention next to it, and the list that this one closes."""
    hits = clause.hits
    begin = 0
    for other in reversed(hits[:number]):
        if any(
            one.kind in ("stop-hard", "stop-people") or (one.kind in _POLAR and one.stands == "before")
            for one in other.cues
        ):
            begin = other.end
            break
    at, some = hits[number].first, False
    places = [place for place in clause.places if begin <= place.first < hits[number].first]
    for index in reversed(range(len(places))):
        place = places[index]
        between = clause.between(place.end, at)
        if some and not (clause.goes_back(between, cue) and _joins(clause, places, index, between)):
            break
        listed = not some and cue.list and _is_list(clause, place.end, at, number)
        far = len(between) > (cue.reach if not some else 4)
        apart = not some and ({",", ":"} & set(between)) and between != [","] * cue.closing
        if (far or apart) and not listed:
            break
        found[place.number].append(Said(cue.kind, len(between) if not some else len(between) + 2))
        at, some = place.first, True


def _joins(clause: _Clause, places: Sequence[_Place], index: int, between: Sequence[str]) -> bool:
    """Whether a mention is an item of the list that the last of the mentions ends, which stands before a cue.

    "Cough, and fever was denied" and "cough and fever was denied" are two clauses: the verb is of one thing. A comma
    before "and" joins items only where a comma parts the items before them too.
    """
    if not {"and", "or"} & set(between):
        return True
    if "," in between and (index == 0 or list(clause.between(places[index - 1].end, places[index].first)) != [","]):
        return False
    end = places[-1].end
    return end >= len(clause.sentence) or clause.sentence[end].word not in ("is", "was", "has")


def _is_list(clause: _Clause, start: int, end: int, number: int) -> bool:
    """Whether words are the further items of a list that a cue closes: "fever, chills and rigors are denied"."""
    between = clause.between(start, end)
    if not between or between[0] not in (",", "and", "or", "/"):
        return False
    if not {"and", "or", "nor", "/"} & set(between) and clause.sentence[end].word != ":":
        return False
    if any(hit.first < end and cue.kind.startswith("stop") for hit in clause.hits[:number] for cue in hit.cues):
        return False
    if any(start <= hit.first < end for hit in clause.hits[:number]):
        return False
    items = " ".join("," if word in ("and", "or", "nor", "/", ",") else word for word in between).split(",")
    return all(len(item.split()) <= _ITEM for item in items)


def _stops(cue: Cue, other: Cue) -> bool:
    if other.kind == "stop-hard":
        return cue.kind != "hypothetical"
    if other.kind == "stop-people":
        return cue.kind == "associated-with-someone-else"
    if other.kind == "stop-verb":
        return not cue.verbs
    if other.stands != "after":
        return False
    if other.kind in _POLAR:
        return cue.kind in _POLAR or cue.kind == "past"
    return other.kind == "hypothetical" and cue.kind in _POLAR


def _signs(text: str, mentions: Sequence[Span], number: int, said: list[Said]) -> None:
    """`+N/V -CP`, `HCV (-)`."""
    span = mentions[number]
    begin = text.rfind("\n", 0, span.start) + 1
    line_end = text.find("\n", span.end)
    line = text[begin : line_end if line_end >= 0 else len(text)]
    sign = _before_sign(line, span.start - begin)
    if sign:
        said.append(Said("present" if sign == "+" else "absent", 0, sign=True))
    after = _AFTER_SIGN.match(text, span.end)
    if after is not None:
        said.append(Said("present" if "+" in after.group() else "absent", 0, sign=True))


def _before_sign(line: str, at: int) -> str | None:
    """The sign before a mention of a line. A dash that opens a line is a bullet, unless more signs follow."""
    if not _DASHES & set(line[max(0, at - 7) : at]) or line[at].isdigit():
        return None  # "between -420 and -310" denies nothing
    found = _SIGNED.search(line, max(0, at - 3), at)
    if found is None and line[at - 1 : at] == "/":
        # "-N/V": the sign counts for both.
        slash = regex.search(r"(?:^|[ ,;(])([-–−+])[^\W\d_]{1,4}/$", line[:at])
        return slash.group(1) if slash is not None else None
    if found is None:
        return None
    apart = line[at - 1].isspace()
    opens = not line[: found.start(1)].strip()
    if (apart or opens) and found.group(1) != "+":
        return found.group(1) if len(_SIGNS.findall(line)) > 1 and (opens or not apart) else None
    return found.group(1) if not apart or len(_SIGNS.findall(line)) > 1 else None


def _boxes(text: str, mentions: Sequence[Span], order: Sequence[int], found: list[list[Said]]) -> None:
    """Check boxes: before each mention where a line begins with one, else after it."""
    lines: dict[int, list[int]] = {}
    for number in order:
        lines.setdefault(text.rfind("\n", 0, mentions[number].start) + 1, []).append(number)
    for start, numbers in lines.items():
        end = text.find("\n", mentions[numbers[-1]].end)
        boxes = list(_BOX.finditer(text, start, end if end >= 0 else len(text)))
        boxes = [box for box in boxes if not box.group(3)]
        if not boxes:
            continue
        leads = boxes[0].start() < mentions[numbers[0]].start
        for place, number in enumerate(numbers):
            span = mentions[number]
            if leads:
                near = [box for box in boxes if box.end() <= span.start]
                box = near[-1] if near else None
            else:
                until = mentions[numbers[place + 1]].start if place + 1 < len(numbers) else len(text)
                box = next((box for box in boxes if span.end <= box.start() < until), None)
            if box is not None:
                if box.group(1) == "?":
                    found[number].append(Said("possible", 0, sign=True))
                    continue
                ticked = ((box.group(1) or "") in "xXyY✓✔+" and box.group(1)) or box.group(2) in ("☑", "☒")
                found[number].append(Said("present" if ticked else "absent", 0, sign=True))


def decided(said: Sequence[Said], values: Sequence[str]) -> str | None:
    """The class of an assertion that wins among the values that are declared; None where nothing is said.

    Somebody else's, what may come and what depends win over denial and doubt, unless these stand nearer.
    """
    near = {kind: distance for kind, distance in by_kind(said).items() if kind in values}
    polar = min((distance, kind) for kind, distance in near.items() if kind in _POLAR) if near.keys() & _POLAR else None
    first = (
        min((near[kind], number, kind) for number, kind in enumerate(_FIRST) if kind in near)
        if near.keys() & set(_FIRST)
        else None
    )
    if first is None or polar is None:
        return first[2] if first is not None else polar[1] if polar is not None else None
    if polar[1] == "absent" and (first[2] == "conditional" or polar[0] + _NEARER < first[0] < _SECTION):
        return "absent"
    return first[2]


def by_kind(said: Sequence[Said]) -> Mapping[str, int]:
    """The nearest distance of each class."""
    return {one.kind: one.distance for one in sorted(said, key=lambda one: -one.distance)}
