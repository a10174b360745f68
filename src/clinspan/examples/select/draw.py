"""Draws that depend on a seed and a text alone, whatever was drawn before."""

from collections.abc import Iterator
from random import Random


def generator(seed: int, text: str) -> Random:
    """A generator for one seed and text; the same in every process."""
    return Random(f"{seed}\n{text}".encode("utf-8", errors="surrogatepass"))


def places(size: int, seed: int, text: str) -> Iterator[int]:
    """The numbers below `size` in a random order, each once, drawn as far as they are asked for.

    Source: the Fisher-Yates shuffle, with only the moved places held, so that 16 of a million cost 16 steps.
    """
    random = generator(seed, text)
    moved: dict[int, int] = {}
    for first in range(size):
        other = random.randrange(first, size)
        here = moved.pop(first, first)
        if other == first:
            yield here
        else:
            yield moved.get(other, other)
            moved[other] = here
