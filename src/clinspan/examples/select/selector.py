"""Chooses the examples of each text by the settings: ranks, refuses, fits and arranges."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from clinspan.errors import ConfigError
from clinspan.examples.retrieve import Retriever
from clinspan.examples.select import strategies
from clinspan.examples.select.leakage import Leakage
from clinspan.examples.select.mentions import MentionIndex
from clinspan.examples.select.near import Examples, Near
from clinspan.examples.select.order import arranged
from clinspan.examples.select.selection import Chosen, Selection
from clinspan.examples.select.settings import Order, SelectSettings, Strategy

Cost = Callable[[int], int | None]
"""Tokens that an example of the pool takes in the prompt; None when the answer's format cannot write it."""

Copies = Callable[[str, str], Collection[str]]

_SPARE = 8
"""Neighbours fetched beyond those wanted, for some may not be shown."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for one prompt.

    Attributes:
        labels: the label names that the prompt asks for.
        mentions: that the text may hold, in text order; for `entity` alone.
        cost: see `Cost`; None where tokens do not count.
        room: tokens that the model's context has left for examples; None where it is not known.
    """

    labels: Sequence[str] = ()
    mentions: Sequence[str] = ()
    cost: Cost | None = None
    room: int | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    """An example that was chosen, and the tokens it takes."""

    chosen: Chosen
    tokens: int


def fitting_in(taken: Sequence[Priced], limit: int | None) -> list[Priced]:
    """Without those that alone are over the limit, then without the last until the rest is within it."""
    if limit is None:
        return list(taken)
    small = [priced for priced in taken if priced.tokens <= limit]
    totals = accumulate(priced.tokens for priced in small)
    return [priced for priced, total in zip(small, totals, strict=True) if total <= limit]


class Selector:
    """Chooses from one pool. Gives the same for the same text, whatever was asked before.

    Args:
        examples: the pool.
        retriever: one of the pool's.
        settings: a strategy that draws on the pool.
        mentions: the pool's, for `entity`.
        same_document: tells by a document's id and text which of the pool's documents are that one, or nearly.

    Raises:
        ConfigError: when the strategy needs no pool, or needs mentions and has none.
    """

    def __init__(
        self,
        examples: Examples,
        retriever: Retriever,
        settings: SelectSettings,
        mentions: MentionIndex | None = None,
        *,
        same_document: Copies | None = None,
    ):
        if not settings.strategy.draws_on_pool:
            raise ConfigError(f"the strategy {settings.strategy.value!r} chooses nothing from a pool")
        if settings.strategy is Strategy.ENTITY and mentions is None:
            raise ConfigError("the strategy 'entity' needs the pool's mentions")
        self.examples = examples
        self.settings = settings
        self._retriever = retriever
        self._mentions = mentions
        self._same_document = same_document
        self._kinds = strategies.Kinds(examples)

    def near(self, document: str, text: str, windows: Sequence[str]) -> list[Near]:
        """Looks up the windows of one document together, since encoders are quickest so.

        Args:
            document: its id.
            text: all of its text.
            windows: the parts of it that examples are wanted for.
        """
        copies = self._same_document(document, text) if self._same_document is not None else ()
        leakage = Leakage(document, text, copies)
        ahead = self._ahead
        hits = self._retriever.nearest(windows, ahead) if ahead and windows else [[] for _ in windows]
        return [
            Near(window, self.examples, self._retriever, leakage, found)
            for window, found in zip(windows, hits, strict=True)
        ]

    @property
    def _ahead(self) -> int:
        match self.settings.strategy:
            case Strategy.RANDOM | Strategy.RANDOM_ONCE:
                return 0
            case Strategy.DIVERSE:
                return strategies.CANDIDATES * self.settings.k + _SPARE
            case _:
                return self.settings.k + _SPARE

    def choose(self, near: Near, wish: Wish = Wish()) -> Selection:
        """The examples for one window, in the order in which they are to be shown."""
        settings = self.settings
        taken, unshowable = self._taken(self._ranked(near, wish), wish.cost)
        within = fitting_in(taken, settings.tokens)
        fitting = fitting_in(within, wish.room)
        # Any other order of examples that are the same for all texts would differ from text to text.
        order = Order.POOL if settings.strategy is Strategy.RANDOM_ONCE else settings.order
        return Selection(
            arranged([priced.chosen for priced in fitting], order, seed=settings.seed, text=near.text),
            over_budget=len(taken) - len(within),
            no_room=len(within) - len(fitting),
            unshowable=unshowable,
            refused=Counter(leak.value for leak in near.leaks),
        )

    def _ranked(self, near: Near, wish: Wish) -> Iterator[Chosen]:
        settings = self.settings
        match settings.strategy:
            case Strategy.RANDOM:
                return strategies.random(near, settings.seed)
            case Strategy.RANDOM_ONCE:
                return strategies.random_once(near, settings.seed)
            case Strategy.ENTITY if self._mentions is not None:
                return strategies.entity(near, tuple(dict.fromkeys(wish.mentions)), self._mentions)
            case Strategy.DIVERSE:
                return strategies.diverse(near, settings.k, settings.relevance)
            case Strategy.BALANCED:
                return strategies.balanced(near, settings.k, wish.labels, self._kinds)
            case _:
                return strategies.knn(near)

    def _taken(self, ranked: Iterator[Chosen], cost: Cost | None) -> tuple[list[Priced], int]:
        """The first `k` that can be shown, no text twice, and how many the format cannot write."""
        taken: list[Priced] = []
        texts: set[str] = set()
        unshowable = 0
        if not self.settings.k:
            return [], 0
        for chosen in ranked:
            text = " ".join(self.examples[chosen.index].text.split())
            tokens = cost(chosen.index) if cost is not None else 0
            if tokens is None:
                unshowable += 1
            elif text not in texts:
                texts.add(text)
                taken.append(Priced(chosen, tokens))
                if len(taken) == self.settings.k:
                    break
        return taken, unshowable
