"""Counts over a run: documents, windows by state, entities by label, and what the dictionary knew."""

from collections import Counter
from dataclasses import dataclass, field

from clinspan.document import READ_STATES, Document, WindowState
from clinspan.pipeline.propose import UNREAD


@dataclass(slots=True)
class Summary:
    """Counts that grow with every document added; memory does not depend on how many."""

    documents: int = 0
    characters: int = 0
    words: int = 0
    problems: int = 0
    """Inputs that could not be read."""
    asked: int = 0
    """Windows about which the LLM was asked."""
    ungrounded: int = 0
    """Mentions and parts of answers that were not reported, since the text does not bear them or they were unread."""
    unread_lists: int = 0
    """Windows whose list of candidates could not be had or read, so that they were asked without its facts."""
    linked: int = 0
    """Entities that the dictionary has a concept for."""
    states: Counter[WindowState] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, document: Document) -> None:
        """Counts one tagged document."""
        self.documents += 1
        self.characters += len(document.text)
        self.words += len(document.text.split())
        for window in document.windows:
            self.states[window.state] += 1
            self.asked += window.asked
            self.ungrounded += len(window.unread)
            self.unread_lists += any(repair.startswith(UNREAD) for repair in window.repairs)
        for entity in document.entities:
            self.labels[entity.label] += 1
            self.linked += bool(entity.concepts)

    @property
    def unread_windows(self) -> int:
        """Windows that did not end in `ok` or `empty`."""
        return sum(count for state, count in self.states.items() if state not in READ_STATES)

    @property
    def entities(self) -> int:
        """Entities of all labels."""
        return self.labels.total()

    @property
    def exit_status(self) -> int:
        """0 when everything was read, 3 when an input or a window was not."""
        return 3 if self.unread_windows or self.problems else 0
