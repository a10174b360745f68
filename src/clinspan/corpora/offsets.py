"""Offsets that count something else than code points: UTF-16 units, UTF-8 bytes, characters without white space."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from enum import StrEnum
from itertools import accumulate


class Unit(StrEnum):
    """What a format's offsets count."""

    CODE_POINT = "code point"
    """As Python counts."""
    UTF16 = "UTF-16 unit"
    """As JavaScript and Java count: two for a character outside the basic plane, such as an emoji."""
    BYTE = "byte"
    """Of UTF-8."""
    NO_SPACE = "character but white space"
    """As BC2GM counts."""


_WIDTHS: dict[Unit, Callable[[str], int]] = {
    Unit.CODE_POINT: lambda _: 1,
    Unit.UTF16: lambda character: 2 if character > "\uffff" else 1,
    Unit.BYTE: lambda character: len(character.encode("utf-8", "surrogatepass")),
    Unit.NO_SPACE: lambda character: 0 if character.isspace() else 1,
}


class Ruler:
    """Code points of one text to another unit and back."""

    def __init__(self, text: str, unit: Unit):
        self._same = unit is Unit.CODE_POINT or (unit is not Unit.NO_SPACE and text.isascii())
        self._length = len(text)
        self._before = [] if self._same else list(accumulate(map(_WIDTHS[unit], text), initial=0))

    @property
    def length(self) -> int:
        """The text's length in the unit."""
        return self._length if self._same else self._before[-1]

    def units(self, point: int) -> int:
        """How many units come before a code point."""
        return point if self._same else self._before[point]

    def start(self, units: int) -> int:
        """The code point that begins after so many units; where some have no width, the last that does.

        Raises:
            ValueError: when that is past the end or within a character.
        """
        return self._point(units, bisect_right(self._before, units) - 1)

    def end(self, units: int) -> int:
        """The first code point before which so many units come.

        Raises:
            ValueError: when that is past the end or within a character.
        """
        return self._point(units, bisect_left(self._before, units))

    def _point(self, units: int, found: int) -> int:
        if not 0 <= units <= self.length:
            raise ValueError(f"{units} is not within the text of {self.length}")
        if self._same:
            return units
        if self._before[found] != units:
            raise ValueError(f"{units} lies within a character")
        return found
