"""The examples that the prompts of a run show: from the label set, or chosen from a pool for each window."""

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property, lru_cache
from threading import Lock

from clinspan.document import Document
from clinspan.errors import ConfigError, did_you_mean
from clinspan.examples.near import Near
from clinspan.examples.pool import MentionIndex, Pool
from clinspan.examples.selection import (
    ChosenExample,
    MentionSource,
    Selection,
    SelectSettings,
    Strategy,
    Tally,
    usual_similarity,
)
from clinspan.examples.selector import Priced, Selector, Wish, fitting_in
from clinspan.examples.store import whole
from clinspan.formats.base import Format
from clinspan.labels import Example, LabelSet
from clinspan.prompt import PromptSettings, demonstration
from clinspan.tagging.read import Remark
from clinspan.text.windows import CountTokens, Window

_MARKUP = 8
"""Tokens that a chat template puts around a message; those of known models take fewer."""
_TOGETHER = 16
"""Windows that are looked up at once: encoders are quickest so, and a long note's first request need not wait."""


class Nearby:
    """The neighbours of each window of one document, looked up some windows at a time, in order."""

    def __init__(self, selector: Selector, document: Document, windows: Sequence[Window]):
        self._selector = selector
        self._document = document
        self._windows = windows
        self._held: dict[int, Near] = {}

    def of(self, window: Window) -> Near:
        """Those of one window; a window before the last one asked for is looked up anew."""
        if window.index not in self._held:
            text = self._document.text
            part = self._windows[window.index : window.index + _TOGETHER]
            near = self._selector.near(whole(self._document), text, [w.span.of(text) for w in part])
            self._held = {w.index: found for w, found in zip(part, near, strict=True)}
        return self._held[window.index]


class Demonstrations:
    """Gives each prompt its examples, and keeps count.

    Args:
        settings: how they are chosen.
        prompt: how they are laid out, which says what they cost.
        labels: what the run asks for.
        form: how answers are written.
        count: the model's own tokenizer.
        pool: needed by the strategies that draw on one.

    Raises:
        ConfigError: when the strategy needs a pool and there is none, or the pool was not annotated for the labels.
    """

    def __init__(
        self,
        settings: SelectSettings,
        *,
        prompt: PromptSettings,
        labels: LabelSet,
        form: Format,
        count: CountTokens,
        pool: Pool | None = None,
    ):
        self.settings = settings
        self.prompt = prompt
        self._form = form
        self._count = count
        self._pool = pool
        self._selector: Selector | None = None
        usual: float | None = None
        if settings.strategy.draws_on_pool:
            pool = self._checked(labels)
            retriever = pool.retriever(settings.retriever)
            mentions = self._mentions if settings.strategy is Strategy.ENTITY else None
            self._selector = Selector(pool, retriever, settings, mentions, same_document=pool.same_document)
            usual = usual_similarity(pool, retriever) if settings.resembles is None else settings.resembles
        self._start(Tally(labels.names, usual))

    def counting(self, count: CountTokens) -> "Demonstrations":
        """The same with another tokenizer, and a tally of its own."""
        other = copy(self)
        other._count = count
        other._start(Tally(self.tally.labels, self.tally.resembles))
        return other

    def _start(self, tally: Tally) -> None:
        self.tally = tally
        self._lock = Lock()
        self._cost = lru_cache(maxsize=1 << 14)(self._cost_in_pool)
        # A label set is dear to compare, its names are not.
        self._sets: dict[tuple[str, ...], LabelSet] = {}
        self._fixed_costs: dict[tuple[str, ...], Sequence[int]] = {}

    def nearby(self, document: Document, windows: Sequence[Window]) -> Nearby | None:
        """What a document's windows are chosen from; None where nothing is chosen."""
        return Nearby(self._selector, document, windows) if self._selector is not None else None

    def choose(
        self, near: Near | None, labels: LabelSet, *, mentions: Sequence[str] = (), room: int | None = None
    ) -> tuple[Example, ...]:
        """The examples of one prompt, in order.

        Args:
            near: the window's, where examples are chosen.
            labels: what the prompt asks for.
            mentions: what the dictionary proposes in the window.
            room: tokens that the model's context has left for them; None where it is not known.
        """
        if near is None or self._selector is None or self._pool is None:
            own = labels.examples if self.settings.strategy is Strategy.FIXED else ()
            return self._fixed(own, labels, room)
        names = labels.names
        self._sets[names] = labels
        wish = Wish(names, self._wanted(near.text, mentions), lambda index: self._cost(index, names), room)
        selection = self._selector.choose(near, wish)
        examples = tuple(_example(self._pool, chosen.index, labels) for chosen in selection.chosen)
        self._record(selection, examples)
        return examples

    def remarks(self) -> Iterator[Remark]:
        """What a summary says; of the label set's own examples only what was left out."""
        chosen = self._selector is not None
        yield from (Remark(name, said) for name, said in self.tally.figures(chosen=chosen))
        if chosen:
            yield from (Remark(name, said, warns=True) for name, said in self.tally.warnings())

    def _fixed(self, examples: Sequence[Example], labels: LabelSet, room: int | None) -> tuple[Example, ...]:
        """The last is nearest to the question, so the first are left out where there is no room."""
        first = examples[: self.settings.k]
        if labels.names not in self._fixed_costs:
            self._fixed_costs[labels.names] = [self._tokens(example, labels) for example in first]
        priced = [
            Priced(ChosenExample(index, 0.0, "the label set's own"), cost)
            for index, cost in enumerate(self._fixed_costs[labels.names])
        ][::-1]
        within = fitting_in(priced, self.settings.tokens)
        fitting = fitting_in(within, room)
        chosen = tuple(p.chosen for p in reversed(fitting))
        shown = tuple(first[c.index] for c in chosen)
        if first:
            self._record(Selection(chosen, len(priced) - len(within), len(within) - len(fitting)), shown)
        return shown

    def _record(self, selection: Selection, shown: Sequence[Example]) -> None:
        with self._lock:
            self.tally.add(selection, [[entity.label for entity in example.entities] for example in shown])

    def _wanted(self, text: str, proposed: Sequence[str]) -> Sequence[str]:
        if self.settings.strategy is not Strategy.ENTITY:
            return ()
        source = self.settings.mentions
        known = () if source is MentionSource.DICTIONARY else self._mentions.standing_in(text)
        return (*(() if source is MentionSource.POOL else proposed), *known)

    @cached_property
    def _mentions(self) -> MentionIndex:
        return MentionIndex(self._pool.mentions() if self._pool is not None else ())

    def _cost_in_pool(self, index: int, names: tuple[str, ...]) -> int | None:
        if self._pool is None:
            return None
        labels = self._sets[names]
        try:
            return self._tokens(_example(self._pool, index, labels), labels)
        except ConfigError:
            # The format cannot write overlapping or discontinuous entities; the tally says how many were passed over.
            return None

    def _tokens(self, example: Example, labels: LabelSet) -> int:
        said = demonstration(example, labels=labels, form=self._form, settings=self.prompt)
        return sum(self._count(part) + _MARKUP for part in said)

    def _checked(self, labels: LabelSet) -> Pool:
        strategy = self.settings.strategy.value
        if self._pool is None:
            fix = "Give one, made by `clinspan examples build`, or annotated documents."
            raise ConfigError(f"the strategy {strategy!r} chooses from a pool, and there is none", fix=fix)
        lacking = [name for name in labels.names if name not in self._pool.labels]
        if lacking:
            raise ConfigError(
                f"the pool was not annotated for {', '.join(map(repr, lacking))}, so its examples would teach that "
                "there are none",
                where=str(self._pool.info.path),
                expected=f"a label set of {', '.join(self._pool.labels)}",
                fix=did_you_mean(lacking[0], self._pool.labels),
            )
        return self._pool


def markup(messages: int) -> int:
    """An upper bound on the tokens that a chat template adds around messages and before the answer."""
    return _MARKUP * (messages + 1)


def _example(pool: Pool, index: int, labels: LabelSet) -> Example:
    """An example of the pool with the entities that are asked for."""
    found = pool[index]
    return Example(found.text, tuple(e for e in found.entities if e.label in labels), found.document)
