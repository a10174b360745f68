"""Constrained greedy decoding, one token at a time: what draft-by-copy must agree with, kept as its reference."""

import math
from collections.abc import Sequence

from clinspan.decoding import Ids, Plan, fork
from clinspan.decoding.draft import Ask, CausalModel, chosen_values, label_log_probabilities, log_sigmoids
from clinspan.messages import FoundSpan


def decode_greedily(model: CausalModel, prompt: Sequence[int], plan: Plan) -> tuple[FoundSpan, ...]:
    """The mentions found by taking the likelier of the allowed tokens at every step.

    One forward pass for each token of the answer. Its decisions are those of `draft.decode` with `ends="greedy"`.

    Raises:
        LLMError: when prompt and answer are longer than the model's context.
    """
    walk = _Walk(model, list(prompt))
    mentions: list[FoundSpan] = []
    word = 0
    while word <= plan.last_open:
        slot = plan.slots[word]
        walk.write(slot.before)
        odds = -math.inf if slot.bias is None else walk.odds(slot.open, slot.copy) + slot.bias
        if odds <= 0:
            walk.write(slot.copy)
            word += 1
            continue
        walk.write((*slot.open, *slot.first))
        log_p, first = log_sigmoids(odds)[0], word
        word += 1
        while True:
            if word in slot.ends:
                last = word == slot.ends[-1]
                close, on = (0.0, -math.inf) if last else log_sigmoids(walk.odds(plan.bar, plan.path_after(word)))
                if close > on:
                    log_p += close
                    break
                log_p += on
            walk.write(plan.path_after(word))
            word += 1
        labels = slot.labels[slot.ends.index(word)]
        log_ps = label_log_probabilities(model, walk.ids, plan, labels)
        label = max(log_ps, key=lambda name: log_ps[name])
        said, scores = chosen_values(model, walk.ids, plan, label)
        walk.write(plan.closed(label, said))
        score = min(1.0, math.exp(log_p + log_ps[label]))
        mentions.append(FoundSpan(plan.span(first, word), label, score, said, scores))
    return tuple(mentions)


class _Walk:
    """A sequence that is written one token at a time."""

    def __init__(self, model: CausalModel, ids: list[int]) -> None:
        self._model = model
        self._read = 0
        self.ids = ids

    def write(self, ids: Ids) -> None:
        """Puts `ids` down, one forward pass each, as generation would."""
        for token in ids:
            if self._read < len(self.ids):
                self._model.evaluate(self.ids, [])
                self._read = len(self.ids)
            self.ids.append(token)

    def odds(self, one: Ids, other: Ids) -> float:
        """The log-odds of going on with `one` rather than with `other`."""
        shared = fork(one, other)
        ids = [*self.ids, *one[:shared]]
        ((wanted, rival),) = self._model.evaluate(ids, [Ask(len(ids) - 1, (one[shared], other[shared]))])
        self._read = len(self.ids)
        return wanted - rival
