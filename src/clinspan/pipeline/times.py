"""Where the time of a document goes, by stage."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(slots=True)
class Times:
    """Seconds by the clock that one document took; grows as the document goes its way.

    All but `llm` are of the thread that asks for documents, and add up. `llm` is the sum of what each request took: an
    LLM that has several under way gives more seconds than passed, and an answer that was known gives those that it took
    when it was asked for.

    Attributes:
        windows: cutting the text.
        dictionary: finding its terms in the text, ranking facts, linking what was found.
        retrieval: looking up and choosing examples.
        prompt: building the chat.
        llm: answers, lists of candidates included.
        reading: parsing answers, grounding and merging what they name.
    """

    windows: float = 0.0
    dictionary: float = 0.0
    retrieval: float = 0.0
    prompt: float = 0.0
    llm: float = 0.0
    reading: float = 0.0


Timed = Callable[[str, Times], None]
"""Is told a document's id and its times, when it is done."""


class Stopwatch:
    """Each call gives the seconds since the one before, or since it was made."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = perf_counter()

    def __call__(self) -> float:
        """Seconds of this lap."""
        last, self._last = self._last, perf_counter()
        return self._last - last
