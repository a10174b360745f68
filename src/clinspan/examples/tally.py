"""How well the examples of a run resembled its texts, and what was never shown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from clinspan.examples.near import Examples, Leakage, Near, places
from clinspan.examples.retrieve import Retriever
from clinspan.examples.selection import Selection

_SAMPLE = 64
_UNUSUAL = 0.05
_NEIGHBOURS = 32


def usual_similarity(examples: Examples, retriever: Retriever, *, sample: int = _SAMPLE) -> float:
    """The similarity that 95 % of the pool's examples reach with their nearest example of another document.

    A text whose best example is below it is unusual for the pool. Similarities of different encoders cannot be
    compared, so it is measured, on examples drawn with a fixed seed.
    """
    drawn = list(islice(places(len(examples), 0, "usual similarity"), sample))
    shown = [examples[index] for index in drawn]
    hits = retriever.nearest([example.text for example in shown], _NEIGHBOURS)
    best: list[float] = []
    for example, found in zip(shown, hits, strict=True):
        near = Near(example.text, examples, retriever, Leakage(example.document, example.text), found)
        best.append(next((hit.similarity for hit in near), 0.0))
    return float(np.quantile(best, _UNUSUAL)) if best else 0.0


@dataclass(slots=True)
class Tally:
    """Counts that grow with every prompt; memory does not depend on how many.

    Attributes:
        resembles: similarity below which an example does not resemble its text; None where it is not measured, the
            examples being the label set's own.
        prompts: prompts for which examples were chosen.
        similarity: sum of their similarities.
        unlike: prompts none of whose examples resembles the text, those without any among them.
        by_label: examples that show a label; None for those without an entity.
    """

    labels: Sequence[str]
    resembles: float | None
    prompts: int = 0
    shown: int = 0
    similarity: float = 0.0
    unlike: int = 0
    over_budget: int = 0
    no_room: int = 0
    unshowable: int = 0
    by_label: Counter[str | None] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, selection: Selection, shown: Iterable[Iterable[str]]) -> None:
        """Counts one prompt.

        Args:
            shown: for each example the labels of its entities.
        """
        self.prompts += 1
        self.shown += len(selection.chosen)
        self.similarity += sum(chosen.similarity for chosen in selection.chosen)
        if self.resembles is not None:
            self.unlike += all(chosen.similarity < self.resembles for chosen in selection.chosen)
        self.over_budget += selection.over_budget
        self.no_room += selection.no_room
        self.unshowable += selection.unshowable
        self.refused.update(selection.refused)
        for labels in shown:
            self.by_label.update(set(labels) or [None])

    @property
    def mean_similarity(self) -> float | None:
        """Of an example to its text; None where none was shown, or it is not measured."""
        return self.similarity / self.shown if self.shown and self.resembles is not None else None

    @property
    def never_shown(self) -> tuple[str, ...]:
        """Labels that no prompt showed."""
        return tuple(label for label in self.labels if not self.by_label[label]) if self.prompts else ()

    def figures(self, *, chosen: bool = True) -> Iterator[tuple[str, str]]:
        """Name and value of what a summary says; of examples that were not chosen only what was left out."""
        if not self.prompts:
            return
        mean = f", mean similarity {self.mean_similarity:.2f}" if self.mean_similarity is not None else ""
        if chosen:
            yield "examples shown", f"{self.shown} in {self.prompts} prompts{mean}"
        left_out = {
            "over the token budget": self.over_budget,
            "no room in the model's context": self.no_room,
            "not writable in the format": self.unshowable,
            **self.refused,
        }
        said = ", ".join(f"{count} {why}" for why, count in left_out.items() if count)
        if said:
            yield "examples left out", said

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Name and value of what the user should look at."""
        if self.unlike:
            yield (
                "no example resembles",
                f"the text in {self.unlike} of {self.prompts} prompts (similarity below {self.resembles:.2f}): "
                "add documents of this kind to the pool",
            )
        if self.never_shown:
            yield "labels never shown", f"{', '.join(self.never_shown)} (--select balanced shows every label)"
