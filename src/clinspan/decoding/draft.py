"""Draft-by-copy: decodes a TANL answer in about one forward pass and two more for each mention.

A constrained answer is the text with brackets put in, so nearly all of it is known beforehand. The decoder drafts a
stretch of plain copy, has the model score every word boundary of it in one pass, and stops at the first where opening a
bracket is likelier than copying on. There it drafts the words of a mention and takes the end, among all that are
allowed, whose joint probability with its label is highest. Where the label has attributes that are asked for, it then
chooses among the values of each, one after the other; then it goes on after the bracket. What was drafted past a
bracket is cut out of the context again.

All probabilities are those of the constrained choice: at a boundary only two tokens can follow, so the difference of
their logits is the log-odds. They are the probabilities of decoding token by token under a grammar, read off in
batches. The idea of verifying a draft in one pass: Leviathan et al. 2023 (speculative decoding); here the text itself
is the draft.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from clinspan.decoding import Ids, Plan, compile_plan, fork
from clinspan.document import Entity
from clinspan.errors import ConfigError
from clinspan.formats.tanl_marks import marks
from clinspan.messages import CopyConstraint, FoundSpan


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about what follows a token of a sequence.

    Attributes:
        after: index into the sequence of the token whose continuation is asked about.
        tokens: the ids whose logits are wanted there.
    """

    after: int
    tokens: tuple[int, ...]


class CausalModel(Protocol):
    """A model that scores continuations of a sequence."""

    def tokenize(self, piece: str) -> tuple[int, ...]:
        """The ids of `piece` by itself: no special tokens, no space added."""
        ...

    def evaluate(self, tokens: Sequence[int], asks: Sequence[Ask]) -> tuple[tuple[float, ...], ...]:
        """Reads a sequence, whole; what it shares with the one before, up to the first ask, need not be read again.

        Args:
            tokens: ids from the sequence's start.
            asks: in the order of `after`.

        Returns:
            for each ask the logits of its ids, in their order.

        Raises:
            LLMError: when the sequence is longer than the context.
        """
        ...


@dataclass(frozen=True, slots=True)
class DraftSettings:
    """How drafts are cut and ends chosen; only `ends` changes what is decided.

    Attributes:
        draft_tokens: length of the first draft after a bracket; each draft without a bracket doubles it, up to
            `max_draft_tokens`. What lies past the next bracket is thrown away, so short drafts waste less.
        max_draft_tokens: longest draft.
        mention_words: words of a mention drafted at once.
        ends: `joint` takes the likeliest of all ends; `greedy` the first that is likelier than going on, as decoding
            token by token would.
    """

    draft_tokens: int = 24
    max_draft_tokens: int = 64
    mention_words: int = 4
    ends: Literal["joint", "greedy"] = "joint"

    def __post_init__(self) -> None:
        if not 0 < self.draft_tokens <= self.max_draft_tokens or self.mention_words < 1:
            raise ConfigError(
                f"drafts of {self.draft_tokens} to {self.max_draft_tokens} tokens, "
                f"mentions by {self.mention_words} words",
                expected="positive lengths, the first draft not longer than the longest",
            )


def decode(
    model: CausalModel, prompt: Sequence[int], plan: Plan, *, settings: DraftSettings = DraftSettings()
) -> tuple[FoundSpan, ...]:
    """The mentions of the plan's window, in text order.

    A mention's score is the probability of opening it, of its end and of its label, multiplied. The score of an
    attribute is that of its value among those declared, given all before it; each attribute that is asked for has one.

    Args:
        model: reads the prompt and every draft.
        prompt: ids up to where the answer begins, at least one.
        plan: what may be decoded.
        settings: see there.

    Raises:
        LLMError: when prompt and answer are longer than the model's context.
    """
    run = _Run(model, plan, settings, list(prompt))
    mentions: list[FoundSpan] = []
    word = 0
    while word <= plan.last_open:
        opened = run.copy_until_open(word)
        if opened is None:
            break
        mention, word = run.mention(*opened)
        mentions.append(mention)
    return tuple(mentions)


@dataclass(frozen=True, slots=True)
class _End:
    """An end of a mention: before word `word`, after the first `place` ids of the mention's draft."""

    word: int
    place: int
    log_p: float


class _Run:
    """One decoding; `ids` are the prompt and the answer as far as it is settled."""

    def __init__(self, model: CausalModel, plan: Plan, settings: DraftSettings, ids: list[int]) -> None:
        self._model = model
        self._plan = plan
        self._settings = settings
        self._ids = ids

    def copy_until_open(self, start: int) -> tuple[int, float] | None:
        """Copies from word `start` to the first where a bracket opens; gives it and the log-odds, or None."""
        plan, size = self._plan, self._settings.draft_tokens
        settled = False
        while True:
            draft = self._draft(start, size, settled=settled)
            rows = self._model.evaluate(draft.ids, draft.asks)
            for (word, place), (opening, copying) in zip(draft.boundaries, rows, strict=True):
                odds = opening - copying + (plan.slots[word].bias or 0.0)
                if odds > 0:
                    self._ids = draft.ids[:place]
                    return word, odds
            if draft.stop == plan.last_open:
                return None
            self._ids = draft.ids[: draft.place]
            start, settled = draft.stop, True
            size = min(2 * size, self._settings.max_draft_tokens)

    def _draft(self, start: int, size: int, *, settled: bool) -> "_Draft":
        """Copies words from `start` for about `size` tokens, up to a boundary that is asked about but not passed.

        Args:
            start: the first word.
            size: tokens.
            settled: whether it is decided already that no bracket opens before the first word.
        """
        ids = list(self._ids)
        full = len(ids) + size
        boundaries: list[tuple[int, int]] = []
        asks: list[Ask] = []
        word = start
        while True:
            slot = self._plan.slots[word]
            if word > start or not settled:
                ids += slot.before
                place, shared = len(ids), 0
                if slot.bias is not None:
                    shared = fork(slot.open, slot.copy)
                    boundaries.append((word, place))
                    asks.append(Ask(place + shared - 1, (slot.open[shared], slot.copy[shared])))
                if word == self._plan.last_open or place >= full:
                    return _Draft([*ids, *slot.copy[:shared]], boundaries, asks, word, place)
            ids += slot.copy
            word += 1

    def mention(self, first: int, odds: float) -> tuple[FoundSpan, int]:
        """Puts a mention that opens at word `first`; gives it and the word after it."""
        plan, slot = self._plan, self._plan.slots[first]
        ids, ends = self._ends(first)
        allowed = dict(zip(slot.ends, slot.labels, strict=True))
        best = (-math.inf, ends[0], "")
        for end in ends:
            # No label can make an end likelier than it is by itself.
            if end.log_p <= best[0]:
                break
            log_ps = label_log_probabilities(self._model, ids[: end.place], plan, allowed[end.word])
            label = max(log_ps, key=lambda name: log_ps[name])
            best = max(best, (end.log_p + log_ps[label], end, label), key=lambda found: found[0])
        log_p, end, label = best
        said, scores = chosen_values(self._model, ids[: end.place], plan, label)
        self._ids = [*ids[: end.place], *plan.closed(label, said)]
        score = math.exp(log_p + log_sigmoids(odds)[0])
        return FoundSpan(plan.span(first, end.word), label, min(score, 1.0), said, scores), end.word

    def _ends(self, first: int) -> tuple[list[int], list[_End]]:
        """The ids of a mention that opens at word `first`, as far as needed, and its ends, likeliest first."""
        plan, slot = self._plan, self._plan.slots[first]
        ids = [*self._ids, *slot.open, *slot.first]
        ends: list[_End] = []
        log_stay, word = 0.0, first + 1
        while True:
            here = slot.ends[len(ends) : len(ends) + self._settings.mention_words]
            places: list[int] = []
            asks: list[Ask] = []
            ahead: Ids = ()
            for end in here:
                while word < end:
                    ids += plan.path_after(word)
                    word += 1
                places.append(len(ids))
                if end != slot.ends[-1]:
                    path = plan.path_after(end)
                    shared = fork(plan.bar, path)
                    ahead = path[:shared]
                    asks.append(Ask(len(ids) + shared - 1, (plan.bar[shared], path[shared])))
            rows = self._model.evaluate([*ids, *ahead], asks) if asks else ()
            for i, (end, place) in enumerate(zip(here, places, strict=True)):
                # At the last end that is allowed the bracket must close.
                log_close, log_on = log_sigmoids(rows[i][0] - rows[i][1]) if i < len(rows) else (0.0, -math.inf)
                ends.append(_End(end, place, log_stay + log_close))
                log_stay += log_on
                if self._settings.ends == "greedy" and log_close > log_on:
                    return ids, ends[-1:]
            # No later end is likelier than all of them together, and no end's best label less likely than chance.
            floor = max(end.log_p - math.log(len(labels)) for end, labels in zip(ends, slot.labels, strict=False))
            if (self._settings.ends == "joint" and log_stay <= floor) or len(ends) == len(slot.ends):
                return ids, sorted(ends, key=lambda end: -end.log_p)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A stretch of copy with the boundaries in it, (word, how many ids come before it), one for each ask.

    It stops before word `stop`, after `place` ids; ids past that only tell two ways of going on apart.
    """

    ids: list[int]
    boundaries: list[tuple[int, int]]
    asks: list[Ask]
    stop: int
    place: int


def label_log_probabilities(
    model: CausalModel, ids: Sequence[int], plan: Plan, labels: Sequence[str]
) -> dict[str, float]:
    """The log-probability of each of `labels` for a mention whose words end the sequence `ids`, biases applied.

    Labels are told apart at the first id in which they differ, each such choice being among those still possible.
    """
    if len(labels) == 1:
        return {labels[0]: 0.0}
    paths = {label: plan.label_path(label) for label in labels}
    biases = plan.constraint.label_bias
    found = {
        label: log_p + biases.get(label, 0.0)
        for label, log_p in _branches(model, [*ids, *plan.bar], paths, depth=0).items()
    }
    total = _log_sum(found.values())
    return {label: log_p - total for label, log_p in found.items()}


def chosen_values(
    model: CausalModel, ids: Sequence[int], plan: Plan, label: str
) -> tuple[dict[str, str], tuple[tuple[str, float], ...]]:
    """The likeliest value of each attribute of a mention whose words end `ids`, one after the other, with its
    probability among the values declared.
    """
    said: dict[str, str] = {}
    scores: list[tuple[str, float]] = []
    ids = [*ids, *plan.bar, *plan.label_ids[label]]
    for number, (name, values) in enumerate(plan.values.get(label, ())):
        ids += plan.bar
        log_ps = _branches(model, ids, plan.value_paths(label, number), depth=0)
        said[name] = max(log_ps, key=lambda value: log_ps[value])
        scores.append((name, min(1.0, math.exp(log_ps[said[name]]))))
        ids += values[said[name]]
    return said, tuple(scores)


def _branches(model: CausalModel, ids: list[int], paths: Mapping[str, Ids], *, depth: int) -> dict[str, float]:
    if len(paths) == 1:
        return dict.fromkeys(paths, 0.0)
    groups: dict[int, dict[str, Ids]] = {}
    for label, path in paths.items():
        groups.setdefault(path[depth], {})[label] = path
    log_ps = [0.0]
    if len(groups) > 1:
        (row,) = model.evaluate(ids, [Ask(len(ids) - 1, tuple(groups))])
        total = _log_sum(row)
        log_ps = [logit - total for logit in row]
    return {
        label: log_p + deeper
        for (token, group), log_p in zip(groups.items(), log_ps, strict=True)
        for label, deeper in _branches(model, [*ids, token], group, depth=depth + 1).items()
    }


def _log_sum(values: Iterable[float]) -> float:
    values = list(values)
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def log_sigmoids(odds: float) -> tuple[float, float]:
    """Log-probabilities of a choice with these log-odds, and of its opposite."""
    low = -math.log1p(math.exp(-abs(odds)))
    high = low - abs(odds)
    return (low, high) if odds > 0 else (high, low)


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place where a mention may open.

    Attributes:
        at: code point of the window at which the word begins.
        log_odds: of opening there against copying on, without any bias; natural logarithm.
    """

    at: int
    log_odds: float


def open_log_odds(
    model: CausalModel, prompt: Sequence[int], constraint: CopyConstraint, entities: Sequence[Entity] = ()
) -> tuple[Boundary, ...]:
    """What the model thinks of opening at each word, given an answer with `entities` in brackets before it.

    With the gold entities this is how likely each is to be opened, and each other word to be opened by mistake, had
    everything before it been right: a bias `b` opens where `log_odds + b > 0`. Words inside an entity have no boundary.
    One forward pass over the answer.

    Args:
        model: reads the prompt and the answer.
        prompt: ids up to where the answer begins, at least one.
        constraint: its text, labels and attributes count; its biases and candidates do not.
        entities: the answer's; of nested ones the outermost.

    Raises:
        ConfigError: when entities cross.
        LLMError: when prompt and answer are longer than the model's context.
    """
    marks(entities)
    outer: dict[int, Entity] = {}
    end = 0
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if entity.start >= end:
            outer[entity.start] = entity
            end = entity.end
    edges = frozenset(edge for entity in outer.values() for edge in (entity.start, entity.end))
    free = CopyConstraint(constraint.text, constraint.labels, attributes=constraint.attributes)
    plan = compile_plan(free, model.tokenize, cuts=edges)
    ids = list(prompt)
    asks: list[Ask] = []
    places: list[int] = []
    inside: Entity | None = None
    for slot in plan.slots:
        ids += slot.before
        if inside is not None and slot.word.start < inside.end:
            ids += slot.copy
        else:
            shared = fork(slot.open, slot.copy)
            asks.append(Ask(len(ids) + shared - 1, (slot.open[shared], slot.copy[shared])))
            places.append(slot.word.start)
            inside = outer.get(slot.word.start)
            ids += slot.copy if inside is None else (*slot.open, *slot.first)
        if inside is not None and slot.word.end == inside.end:
            ids += plan.closed(inside.label, inside.attributes)
            inside = None
    rows = model.evaluate(ids, asks) if asks else ()
    return tuple(Boundary(at, opening - copying) for at, (opening, copying) in zip(places, rows, strict=True))
