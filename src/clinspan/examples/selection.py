"""What the user can set about examples, what was chosen for a text, and how well the examples of a run fitted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

import numpy as np

from clinspan.errors import ConfigError
from clinspan.examples.near import Examples, Leakage, Near, places
from clinspan.examples.retrieve import Retriever


class Strategy(StrEnum):
    """How the examples of a text are found."""

    NONE = "none"
    """No examples."""
    FIXED = "fixed"
    """The label set's own, the same for every text."""
    RANDOM = "random"
    """Drawn from the pool for each text, by seed and text alone: the control."""
    RANDOM_ONCE = "random-once"
    """Drawn from the pool once, so that every prompt of a run begins alike."""
    KNN = "knn"
    """Those most similar to the text."""
    ENTITY = "entity"
    """Those with mentions like the ones the text may hold, then the most similar."""
    DIVERSE = "diverse"
    """Similar to the text and unlike each other (maximal marginal relevance)."""
    BALANCED = "balanced"
    """The most similar of each label, and of those without an entity, in turn."""

    @property
    def draws_on_pool(self) -> bool:
        """False where no pool is needed."""
        return self not in (Strategy.NONE, Strategy.FIXED)


class Order(StrEnum):
    """In which order the chosen examples stand before the question."""

    SIMILAR_LAST = "similar-last"
    """The most similar next to the question, as in the study."""
    SIMILAR_FIRST = "similar-first"
    SHUFFLED = "shuffled"
    """By seed and text."""
    POOL = "pool"
    """As in the pool, so that prompts with the same first examples begin alike."""


class MentionSource(StrEnum):
    """Where `Strategy.ENTITY` takes the mentions from that a text may hold."""

    DICTIONARY = "dictionary"
    """The dictionary's proposals."""
    POOL = "pool"
    """The pool's own mentions that stand in the text."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectSettings:
    """How examples are chosen.

    Attributes:
        k: at most this many examples; the study takes 16.
        tokens: at most this many tokens for all examples together, by the model's own tokenizer; None for as many as
            fit into its context. Those furthest down the ranking are left out first.
        retriever: what measures similarity: `lexical`, or the name of the pool's encoder; None for the encoder where
            the pool has one.
        seed: random seed for drawing and shuffling examples.
        relevance: for `diverse`, the weight of being similar to the text, in [0, 1]; the rest is the weight of being
            unlike the examples chosen before.
        resembles: an example below this similarity does not resemble its text, and a text with no example above it is
            warned about; None for a figure measured on the pool itself (`tally.usual_similarity`).
    """

    strategy: Strategy = Strategy.FIXED
    k: int = 16
    order: Order = Order.SIMILAR_LAST
    tokens: int | None = None
    retriever: str | None = None
    seed: int = 0
    relevance: float = 0.7
    mentions: MentionSource = MentionSource.BOTH
    resembles: float | None = None

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ConfigError(f"k is {self.k}", where="examples", expected="0 or more")
        if self.tokens is not None and self.tokens < 0:
            raise ConfigError(f"tokens is {self.tokens}", where="examples", expected="0 or more")
        if not 0.0 <= self.relevance <= 1.0:
            raise ConfigError(f"relevance is {self.relevance}", where="examples", expected="a number from 0 to 1")

    def __str__(self) -> str:
        if self.strategy is Strategy.NONE:
            return "none"
        if self.strategy is Strategy.FIXED:
            return "the label set's own"
        budget = f", {self.tokens} tokens" if self.tokens is not None else ""
        return f"{self.k} by {self.strategy.value}, {self.order.value}{budget}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class ChosenExample:
    """One example.

    Attributes:
        why: what brought it in, in words.
    """

    index: int
    similarity: float
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The examples of one prompt.

    Attributes:
        chosen: in the order in which they are shown.
        over_budget: examples left out for the setting `tokens`.
        no_room: examples left out since the model's context has no room for them.
        unshowable: examples passed over since the answer's format cannot write their entities.
        refused: by reason, examples passed over since they come from the text's own document.
    """

    chosen: tuple[ChosenExample, ...] = ()
    over_budget: int = 0
    no_room: int = 0
    unshowable: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


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
