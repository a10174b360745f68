"""Pairs as token ids: what the model reads in training, with its choices as ids too."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from clinspan.messages import Message
from clinspan.tuning.pairs import Pair


class Tokenizer(Protocol):
    """Turns strings into token ids, as the runtime does that will decode with the adapter.

    Attributes:
        end: the token that ends an answer.
    """

    end: int

    def chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids of the chat through the model's template, up to where the answer begins."""
        ...

    def piece(self, text: str) -> tuple[int, ...]:
        """The ids of one piece of an answer, tokenised alone, without special tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice among tokens.

    Attributes:
        at: index of the token after which the choice is made.
        right: the id that is right.
        others: the ids that could have been chosen instead; none equals `right`.
    """

    at: int
    right: int
    others: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair in tokens. `prompt` of its `ids` are the question, the rest is the answer."""

    ids: tuple[int, ...]
    prompt: int
    decisions: tuple[Decision, ...]


def sequence(pair: Pair, tokenizer: Tokenizer) -> Tokens:
    """The pair in tokens: the chat's ids, then each piece's own; the end is a token where whole answers are learned."""
    prompt = tokenizer.chat(pair.messages)
    ids = list(prompt)
    starts: list[int] = []
    for piece in pair.pieces:
        starts.append(len(ids))
        ids += tokenizer.piece(piece)
    if not pair.choices:
        ids.append(tokenizer.end)
    decisions: list[Decision] = []
    for choice in pair.choices:
        right = tokenizer.piece(pair.pieces[choice.piece])
        others = tuple(tokenizer.piece(other) for other in choice.others)
        decisions += _decisions(starts[choice.piece], right, others)
    return Tokens(tuple(ids), len(prompt), tuple(decisions))


def _decisions(start: int, right: tuple[int, ...], others: Sequence[tuple[int, ...]]) -> Iterator[Decision]:
    """A decision for each token of `right` where an alternative with the same tokens before it goes another way."""
    rivals = list(others)
    for depth, token in enumerate(right):
        ahead = [rival[depth] for rival in rivals if depth < len(rival)]
        different = tuple(sorted({other for other in ahead if other != token}))
        if different:
            yield Decision(start + depth - 1, token, different)
        rivals = [rival for rival in rivals if depth < len(rival) and rival[depth] == token]
        if not rivals:
            return


def batches(lengths: Sequence[int], size: int, *, seed: int) -> list[list[int]]:
    """Indices in batches of up to `size` whose members are of nearly one length, the batches in random order.

    Items are shuffled before a stable sort by rounded length, so that the same neighbours do not meet every epoch.
    """
    random = Random(seed)
    order = list(range(len(lengths)))
    random.shuffle(order)
    order.sort(key=lambda i: lengths[i] // 4)
    made = [order[at : at + size] for at in range(0, len(order), size)]
    random.shuffle(made)
    return made


def longest(sequences: Iterable[Tokens]) -> int:
    """Tokens of the longest; 0 when there is none."""
    return max((len(s.ids) for s in sequences), default=0)
