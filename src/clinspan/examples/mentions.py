"""The mentions of a pool: which stand in a text, and which examples hold one like another."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import marisa_trie

from clinspan.dictionary.candidates import walk
from clinspan.dictionary.normalise import normal_form, tokenise
from clinspan.examples.pool import PoolMention

_LEAST = 0.1
"""Likeness below which a mention is of no help."""
_MOST = 256
"""Examples that are looked at for one mention."""


@dataclass(frozen=True, slots=True)
class MentionHit:
    """An example with a mention that is like the one asked for.

    Attributes:
        likeness: in (0, 1]; 1 where both have the same normal form.
    """

    index: int
    likeness: float
    mention: str


class MentionIndex:
    """The mentions of a pool by their words. Any thread may ask.

    Two mentions are alike by the words they share, rare ones counting more: twice the weight of the shared words over
    the weights of the words of both (Dice), the weight of a word being its inverse frequency among the pool's mentions.
    """

    def __init__(self, mentions: Iterable[PoolMention]):
        texts: dict[str, str] = {}
        examples: dict[str, list[int]] = {}
        for mention in mentions:
            form = normal_form(mention.text)
            if form:
                texts.setdefault(form, mention.text)
                examples.setdefault(form, []).extend(mention.examples)
        self._texts = texts
        self._examples = examples
        self._with_word: dict[str, list[str]] = {}
        for form in texts:
            for word in set(form.split()):
                self._with_word.setdefault(word, []).append(form)
        self._trie = marisa_trie.Trie(form + " " for form in texts)

    def alike(self, mention: str) -> list[MentionHit]:
        """Examples with mentions like `mention`, the most alike first, each once, with the mention most alike."""
        hits: dict[int, MentionHit] = {}
        for form, likeness in self._forms(normal_form(mention)):
            for index in self._examples[form]:
                hits.setdefault(index, MentionHit(index, likeness, self._texts[form]))
            if len(hits) >= _MOST:
                break
        return list(islice(hits.values(), _MOST))

    def standing_in(self, text: str) -> list[str]:
        """The pool's mentions that stand in `text`, in its own spelling and order; the longest at each place."""
        tokens = tokenise(text)
        found: list[str] = []
        reached = 0
        for first, last in sorted({(at, -end) for at, end, _ in walk(self._trie, tokens.forms)}):
            if first >= reached:
                reached = -last
                found.append(text[tokens.starts[first] : tokens.ends[reached - 1]])
        return found

    def _forms(self, form: str) -> Sequence[tuple[str, float]]:
        """The pool's normal forms that are like `form`, the most alike first; of equals the shorter."""
        words = set(form.split())
        shared: dict[str, float] = {}
        for word in words:
            for other in self._with_word.get(word, ()):
                shared[other] = shared.get(other, 0.0) + self._weight(word)
        own = sum(map(self._weight, words))
        alike = []
        for other, common in shared.items():
            both = own + sum(map(self._weight, set(other.split())))
            # The same words in another order are not quite the same mention.
            likeness = 1.0 if other == form else 0.99 * 2 * common / both
            if likeness >= _LEAST:
                alike.append((other, likeness))
        return sorted(alike, key=lambda found: (-found[1], len(found[0]), found[0]))

    def _weight(self, word: str) -> float:
        return math.log1p(len(self._texts) / (1 + len(self._with_word.get(word, ()))))
