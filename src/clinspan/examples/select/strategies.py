"""The strategies: each ranks the examples that may be shown with a text, best first.

Sources: nearest neighbours as examples, Liu et al., "What makes good in-context examples for GPT-3?" (2022); by entity,
Wang et al., "GPT-NER" (2023).
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from clinspan.examples.example import PoolExample
from clinspan.examples.retrieve import Hit
from clinspan.examples.select import draw
from clinspan.examples.select.diversity import marginal
from clinspan.examples.select.mentions import MentionIndex
from clinspan.examples.select.near import Examples, Near
from clinspan.examples.select.selection import Chosen

CANDIDATES = 4
"""Of how many candidates for each place `diverse` chooses."""
_DEEP = 512
"""How many neighbours `balanced` looks through for a label before it looks through the whole pool."""
_NOTHING: frozenset[str | None] = frozenset({None})


def knn(near: Near) -> Iterator[Chosen]:
    """The most similar first."""
    return (Chosen(hit.index, hit.similarity, "similar text") for hit in near)


def random(near: Near, seed: int) -> Iterator[Chosen]:
    """In an order drawn by seed and text."""
    return _drawn(near, seed, near.text)


def random_once(near: Near, seed: int) -> Iterator[Chosen]:
    """In an order drawn by the seed alone."""
    return _drawn(near, seed, "")


def _drawn(near: Near, seed: int, text: str) -> Iterator[Chosen]:
    allowed = (index for index in draw.places(len(near), seed, text) if near.allows(index))
    while batch := list(islice(allowed, 32)):
        similarity = {hit.index: hit.similarity for hit in near.among(batch)}
        yield from (Chosen(index, similarity.get(index, 0.0), "drawn at random") for index in batch)


def entity(near: Near, mentions: Sequence[str], index: MentionIndex) -> Iterator[Chosen]:
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
    yield from (chosen for chosen in knn(near) if chosen.index not in given)


def _alike(near: Near, mention: str, index: MentionIndex) -> list[Chosen]:
    """The examples with mentions like `mention`, the best last."""
    found = {hit.index: hit for hit in reversed(index.alike(mention))}
    similarity = {hit.index: hit.similarity for hit in near.among(found)}
    ranked = sorted(similarity, key=lambda i: (found[i].likeness, similarity[i], -i))
    return [Chosen(i, similarity[i], f"{mention!r} is like its {found[i].mention!r}") for i in ranked]


def diverse(near: Near, k: int, relevance: float) -> Iterator[Chosen]:
    """The nearest `4k`, ranked by maximal marginal relevance; then the rest by similarity."""
    stream = iter(near)
    hits = list(islice(stream, CANDIDATES * k))
    similarity = np.array([hit.similarity for hit in hits], np.float32)
    places = marginal(similarity, near.between([hit.index for hit in hits]), relevance) if hits else iter(())
    first = (hits[place] for place in places)
    why = "similar text, unlike those chosen before"
    return (Chosen(hit.index, hit.similarity, why) for hit in chain(first, stream))


def balanced(near: Near, k: int, labels: Sequence[str], kinds: "Kinds") -> Iterator[Chosen]:
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
            yield Chosen(hit.index, hit.similarity, why)


class Kinds:
    """Which labels the examples of a pool show; None stands for no entity. Read as far as it is asked for."""

    def __init__(self, examples: Examples):
        self._examples = examples
        self._having: dict[str | None, bytearray] | None = None

    def of(self, index: int) -> frozenset[str | None]:
        """The labels of one example; None alone when it has no entity."""
        return _kinds(self._examples[index])

    def having(self, kind: str | None) -> Callable[[int], bool]:
        """Says of an example whether it is of a kind; the first call reads the whole pool."""
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
