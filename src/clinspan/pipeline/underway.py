"""A document on its way through the LLM."""

from dataclasses import dataclass, field

from clinspan.document import Document
from clinspan.pipeline import outcome
from clinspan.pipeline.demonstrations import Nearby
from clinspan.pipeline.knowledge import Knowledge
from clinspan.pipeline.outcome import Outcome
from clinspan.pipeline.times import Times
from clinspan.text.windows import Window


@dataclass(slots=True)
class Underway:
    """A document in windows, what the dictionary knows of it, and what became of its windows so far.

    Requests are not kept: a long note's prompts together are many times its size.

    Attributes:
        nearby: what examples are chosen from for its windows; None where nothing is chosen.
        outcomes: of the windows that were read, from the first on; offsets are the window's own.
        asked: for each window that was planned, whether the LLM is asked about it.
        told: how many of the windows read were told of.
        faults: for each window that was planned, why facts are missing from its questions; None where none are.
        times: what it took so far.
    """

    document: Document
    windows: tuple[Window, ...]
    knowledge: Knowledge
    nearby: Nearby | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    faults: list[str | None] = field(default_factory=list)
    told: int = 0
    times: Times = field(default_factory=Times)
    _open: list[int] = field(default_factory=list)
    _read: list[Outcome] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """True when every window was read."""
        return len(self.outcomes) == len(self.windows)

    def plan(self, questions: int, fault: str | None = None) -> None:
        """The next window is one about which so many questions will be answered."""
        self.asked.append(questions > 0)
        self.faults.append(fault)
        self._open.append(questions)
        self._settle()

    def take(self, read: Outcome) -> None:
        """What one answer says; answers come in the order of the questions."""
        self._read.append(read)
        self._settle()

    def _settle(self) -> None:
        while len(self.outcomes) < len(self._open) and len(self._read) == self._open[len(self.outcomes)]:
            self.outcomes.append(outcome.join(self._read))
            self._read = []
