"""A pool of a few examples in memory, with a similarity that is computed anew each time: cosine of word counts."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from clinspan.document import Entity, Span
from clinspan.examples.pool import PoolMention
from clinspan.examples.retrieve import Allowed, Hit
from clinspan.examples.store import PoolExample


def cosine(first: str, second: str) -> float:
    a, b = Counter(first.lower().split()), Counter(second.lower().split())
    norm = math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))
    return sum(a[word] * b[word] for word in a) / norm if norm else 0.0


class Cosine:
    name = "cosine"

    def __init__(self, examples: Sequence[PoolExample]):
        self.examples = examples
        self.asked = 0

    def nearest(self, texts: Sequence[str], k: int, *, allowed: Allowed | None = None) -> list[list[Hit]]:
        self.asked += 1
        result = []
        for text in texts:
            hits = [Hit(i, cosine(text, e.text)) for i, e in enumerate(self.examples) if allowed is None or allowed(i)]
            result.append(sorted(hits, key=lambda hit: (-hit.similarity, hit.index))[:k])
        return result

    def similarities(self, text: str, indices: Sequence[int]) -> np.ndarray:
        return np.array([cosine(text, self.examples[i].text) for i in indices])

    def between(self, indices: Sequence[int]) -> np.ndarray:
        texts = [self.examples[i].text for i in indices]
        return np.array([[cosine(a, b) for b in texts] for a in texts], np.float32).reshape(len(texts), len(texts))


def example(document: str, marked: str) -> PoolExample:
    """An example from its text with mentions as `<label:mention>`."""
    text, entities = "", []
    for part in marked.split("<"):
        inside, _, after = part.rpartition(">")
        if inside:
            label, _, mention = inside.partition(":")
            entities.append(Entity(Span(len(text), len(text) + len(mention)), label, mention))
            text += mention
        text += after
    return PoolExample(document, 0, text, tuple(entities))


def mentions(examples: Sequence[PoolExample]) -> list[PoolMention]:
    found: dict[tuple[str, str], list[int]] = {}
    for index, e in enumerate(examples):
        for entity in e.entities:
            found.setdefault((entity.text, entity.label), []).append(index)
    return [PoolMention(text, label, tuple(dict.fromkeys(at))) for (text, label), at in found.items()]
