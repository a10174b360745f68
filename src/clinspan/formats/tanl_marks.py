"""How TANL writes mentions into a text: the escaped text with a bracket opened and closed around each."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinspan.document import Entity
from clinspan.errors import ConfigError
from clinspan.formats.named import Asked, written

OPEN = "["
BAR = "|"
CLOSE = "]"
BACKSLASH = "\\"
SPECIAL = frozenset((OPEN, BAR, CLOSE, BACKSLASH))
DEEPEST = 32
"""Brackets that may be open at once: what bounds the time a hostile answer can take to read."""

_ESCAPES = str.maketrans({mark: BACKSLASH + mark for mark in sorted(SPECIAL)})


def escape(text: str) -> str:
    """`text` with a backslash before each of the format's own characters."""
    return text.translate(_ESCAPES)


def unescape(written: str) -> tuple[str, tuple[int, ...]]:
    r"""The plain text of `written`, and for each of its characters where in `written` it stands.

    A backslash before one of the format's characters is an escape; any other backslash is itself, so that every string
    has a reading. `unescape(escape(text))[0] == text` for any text.
    """
    plain: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(written):
        if written[at] == BACKSLASH and at + 1 < len(written) and written[at + 1] in SPECIAL:
            at += 1
        plain.append(written[at])
        places.append(at)
        at += 1
    return "".join(plain), tuple(places)


def opening() -> str:
    """What is put directly before a mention."""
    return f"{OPEN} "


def closing(label: str, said: Sequence[str] = ()) -> str:
    """What is put directly after a mention of `label` of which `said` is written."""
    return "".join(f" {BAR} {escape(part)}" for part in (label, *said)) + f" {CLOSE}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A bracket to be put into the text at code point `at`: it opens when `label` is None, else closes that label.

    Attributes:
        said: the values of attributes, as they are written.
    """

    at: int
    label: str | None
    said: tuple[str, ...] = ()

    @property
    def written(self) -> str:
        """The mark as the answer spells it."""
        return opening() if self.label is None else closing(self.label, self.said)


NOTHING_ASKED: Asked = {}


def marks(entities: Sequence[Entity], asked: Asked = NOTHING_ASKED) -> tuple[Mark, ...]:
    """The brackets that show `entities` and what is asked of them, in the order in which an answer writes them.

    The longer of two mentions that start together is the outer one; of two on the same span, the first given is.

    Raises:
        ConfigError: when two mentions cross, or one is discontinuous: brackets cannot show either; or when more than
            32 are nested; or when an attribute's value is not declared.
    """
    found: list[Mark] = []
    around: list[Entity] = []

    def closes(entity: Entity) -> Mark:
        return Mark(entity.end, entity.label, written(entity.label, entity.attributes, asked))

    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if entity.fragments:
            raise ConfigError(
                f"TANL cannot show the discontinuous mention {_named(entity)}",
                expected="continuous mentions",
                fix="Give its hull instead, or use a format that lists mentions.",
            )
        while around and around[-1].end <= entity.start:
            found.append(closes(around.pop()))
        if around and not around[-1].span.contains(entity.span):
            raise ConfigError(
                f"TANL cannot show mentions that cross, {_named(around[-1])} and {_named(entity)}",
                expected="mentions apart or one inside the other",
                fix="Drop one of them, or use a format that lists mentions.",
            )
        if len(around) == DEEPEST:
            raise ConfigError(f"TANL shows at most {DEEPEST} nested mentions, and {_named(entity)} lies deeper")
        found.append(Mark(entity.start, None))
        around.append(entity)
    return (*found, *map(closes, reversed(around)))


def _named(entity: Entity) -> str:
    return f"{entity.label} {entity.text!r} at {entity.start}-{entity.end}"


def render(text: str, entities: Sequence[Entity], asked: Asked = NOTHING_ASKED) -> str:
    """`text` with its entities in brackets, and what is asked of them.

    Raises:
        ConfigError: see `marks`.
    """
    parts: list[str] = []
    at = 0
    for mark in marks(entities, asked):
        parts += [escape(text[at : mark.at]), mark.written]
        at = mark.at
    parts.append(escape(text[at:]))
    return "".join(parts)
