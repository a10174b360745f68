"""Chooses the examples of each text: ranks them by a strategy, fits them into the budget and puts them in order.

Sources: nearest neighbours as examples, Liu et al., "What makes good in-context examples for GPT-3?" (2022); by entity,
Wang et al., "GPT-NER" (2023); maximal marginal relevance, Carbonell and Goldstein (1998).
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice

import numpy as np

from clinspan.errors import ConfigError
from clinspan.examples.near import Examples, Leakage, Near, generator, places
from clinspan.examples.pool import MentionIndex
from clinspan.examples.retrieve import Floats, Hit, Retriever
from clinspan.examples.selection import ChosenExample, Order, Selection, SelectSettings, Strategy
from clinspan.examples.store import PoolExample

Cost = Callable[[int], int | None]
"""Tokens that an example of the pool takes in the prompt; None when the answer's format cannot write it."""

Copies = Callable[[str, str], Collection[str]]

_SPARE = 8
"""Neighbours fetched beyond those wanted, since some may not be shown."""
_CANDIDATES = 4
"""Candidates for each place among which `diverse` chooses."""
_DEEP = 512
"""How many neighbours `balanced` looks through for a label before it looks through the whole pool."""
_NOTHING: frozenset[str | None] = frozenset({None})


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for one prompt.

    Attributes:
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

    chosen: ChosenExample
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
        self._kinds = _Kinds(examples)

    def near(self, document: str, text: str, windows: Sequence[str]) -> list[Near]:
        """Looks up the windows of one document together, since encoders are quickest so."""
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
                return _CANDIDATES * self.settings.k + _SPARE
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
            _arranged([priced.chosen for priced in fitting], order, seed=settings.seed, text=near.text),
            over_budget=len(taken) - len(within),
            no_room=len(within) - len(fitting),
            unshowable=unshowable,
            refused=Counter(leak.value for leak in near.leaks),
        )

    def _ranked(self, near: Near, wish: Wish) -> Iterator[ChosenExample]:
        settings = self.settings
        match settings.strategy:
            case Strategy.RANDOM:
                return _drawn(near, settings.seed, near.text)
            case Strategy.RANDOM_ONCE:
                return _drawn(near, settings.seed, "")
            case Strategy.ENTITY if self._mentions is not None:
                return _by_entity(near, tuple(dict.fromkeys(wish.mentions)), self._mentions)
            case Strategy.DIVERSE:
                return _diverse(near, settings.k, settings.relevance)
            case Strategy.BALANCED:
                return _balanced(near, settings.k, wish.labels, self._kinds)
            case _:
                return _knn(near)

    def _taken(self, ranked: Iterator[ChosenExample], cost: Cost | None) -> tuple[list[Priced], int]:
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


def _arranged(chosen: Sequence[ChosenExample], order: Order, *, seed: int, text: str) -> tuple[ChosenExample, ...]:
    """The examples in the order that the setting asks for; equally similar ones stand as in the pool."""
    in_pool = sorted(chosen, key=lambda c: c.index)
    match order:
        case Order.POOL:
            pass
        case Order.SIMILAR_LAST:
            in_pool.sort(key=lambda c: c.similarity)
        case Order.SIMILAR_FIRST:
            in_pool.sort(key=lambda c: -c.similarity)
        case Order.SHUFFLED:
            generator(seed, text).shuffle(in_pool)
    return tuple(in_pool)


def _knn(near: Near) -> Iterator[ChosenExample]:
    """The most similar first."""
    return (ChosenExample(hit.index, hit.similarity, "similar text") for hit in near)


def _drawn(near: Near, seed: int, text: str) -> Iterator[ChosenExample]:
    """In an order that seed and text decide."""
    allowed = (index for index in places(len(near), seed, text) if near.allows(index))
    while batch := list(islice(allowed, 32)):
        similarity = {hit.index: hit.similarity for hit in near.among(batch)}
        yield from (ChosenExample(index, similarity.get(index, 0.0), "drawn at random") for index in batch)


def _by_entity(near: Near, mentions: Sequence[str], index: MentionIndex) -> Iterator[ChosenExample]:
    """For each mention in turn the best example with a mention like it; then the most similar texts.

    Of examples whose mentions are equally alike the one with the more similar text goes first.
    """
    queues = [queue for mention in mentions if (queue := _alike(near, mention, index))]
    given: set[int] = set()
    while queues:
        for queue in queues:
            while queue and queue[-1].index in given:
                queue.pop()
            if queue:
                given.add(queue[-1].index)
                yield queue.pop()
        queues = [queue for queue in queues if queue]
    yield from (chosen for chosen in _knn(near) if chosen.index not in given)


def _alike(near: Near, mention: str, index: MentionIndex) -> list[ChosenExample]:
    """The examples with mentions like `mention`, the best last."""
    found = {hit.index: hit for hit in reversed(index.alike(mention))}
    similarity = {hit.index: hit.similarity for hit in near.among(found)}
    ranked = sorted(similarity, key=lambda i: (found[i].likeness, similarity[i], -i))
    return [ChosenExample(i, similarity[i], f"{mention!r} is like its {found[i].mention!r}") for i in ranked]


def _diverse(near: Near, k: int, relevance: float) -> Iterator[ChosenExample]:
    """The nearest `4k`, ranked by maximal _marginal relevance; then the rest by similarity."""
    stream = iter(near)
    hits = list(islice(stream, _CANDIDATES * k))
    similarity = np.array([hit.similarity for hit in hits], np.float32)
    places = _marginal(similarity, near.between([hit.index for hit in hits]), relevance) if hits else iter(())
    first = (hits[place] for place in places)
    why = "similar text, unlike those chosen before"
    return (ChosenExample(hit.index, hit.similarity, why) for hit in chain(first, stream))


def _balanced(near: Near, k: int, labels: Sequence[str], kinds: "_Kinds") -> Iterator[ChosenExample]:
    """In turn the most similar example of what was shown least: each label, and no entity.

    An example counts for every label that it has. Where the pool has no more of a kind, the others go on.
    """
    wanted: list[str | None] = [*labels, None]
    queues: dict[str | None, deque[Hit]] = {kind: deque() for kind in wanted}
    stream = islice(near, _DEEP)
    sought: set[str | None] = set()
    shown: Counter[str | None] = Counter()
    given: set[int] = set()
    while wanted:
        kind = min(wanted, key=lambda kind: shown[kind])
        for hit in stream if not queues[kind] else ():
            for found in kinds.of(hit.index) & queues.keys():
                queues[found].append(hit)
            if queues[kind]:
                break
        if not queues[kind] and kind not in sought and len(near) > _DEEP:
            sought.add(kind)
            queues[kind].extend(near.nearest_of(k, kinds.having(kind)))
        if not queues[kind]:
            wanted.remove(kind)
            continue
        hit = queues[kind].popleft()
        if hit.index not in given:
            given.add(hit.index)
            shown.update(kinds.of(hit.index))
            why = f"similar text with a {kind}" if kind is not None else "similar text without entities"
            yield ChosenExample(hit.index, hit.similarity, why)


class _Kinds:
    """Which labels the examples of a pool show; None stands for no entity. Read as far as it is asked for."""

    def __init__(self, examples: Examples):
        self._examples = examples
        self._having: dict[str | None, bytearray] | None = None

    def of(self, index: int) -> frozenset[str | None]:
        """The labels of one example; None alone when it has no entity."""
        return _kinds(self._examples[index])

    def having(self, kind: str | None) -> Callable[[int], bool]:
        """A function that says whether an example is of a kind; the first call reads the whole pool."""
        size = len(self._examples)
        if self._having is None:
            self._having = {}
            for index, example in enumerate(self._examples):
                for found in _kinds(example):
                    self._having.setdefault(found, bytearray(size))[index] = 1
        marks = self._having.get(kind, bytearray(size))
        return lambda index: bool(marks[index])


def _kinds(example: PoolExample) -> frozenset[str | None]:
    return frozenset(entity.label for entity in example.entities) or _NOTHING


def _marginal(similarity: Floats, alike: Floats, relevance: float) -> Iterator[int]:
    """The candidates in the order in which maximal _marginal relevance chooses them; the first of equals comes first.

    Args:
        similarity: (n,) of each candidate to the text.
        alike: (n, n) of the candidates to each other.
        relevance: weight of the first against the largest of the second, in [0, 1].
    """
    left = np.ones(len(similarity), dtype=bool)
    # Nothing is chosen yet, so the first choice is by similarity alone.
    closest = np.full(len(similarity), -np.inf)
    for number in range(len(similarity)):
        redundancy = closest if number else np.zeros(len(similarity))
        worth = np.where(left, relevance * similarity - (1.0 - relevance) * redundancy, -np.inf)
        best = int(np.argmax(worth))
        yield best
        left[best] = False
        closest = np.maximum(closest, alike[best])
