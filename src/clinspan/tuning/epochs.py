"""What the model sees in one pass over the gold documents: windows as the tagger cuts them, in changing sizes.

And what an adapter is worth on held-out documents: strict scores by the real decoder.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError, LLMError
from clinspan.evaluation.score import Score, intervals, score
from clinspan.formats.base import Format
from clinspan.formats.named import asked_of
from clinspan.formats.tanl import Tanl
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.llms.embedded import EmbeddedLLM, EmbeddedSettings
from clinspan.messages import CopyConstraint, Request
from clinspan.prompt import PromptSettings, build
from clinspan.tagging.knowledge import Knowledge, Lookup
from clinspan.tagging.settings import TOLD
from clinspan.text.sentences import sentences
from clinspan.text.windows import CountTokens, WindowSettings, windows
from clinspan.tuning.gold import Gold, PairTokens, Tokenizer, TrainingPair, choice_pair, sequence

FactsOf = Callable[[Document, Span, LabelSet], Sequence[str]]
"""What the dictionary knows of a document's window when these labels are asked for, one line each."""
PROMPT = PromptSettings(style="brief")
"""How a tuned model is asked, in training and afterwards."""


def prompt(*, attributes: bool) -> PromptSettings:
    """The same, asking for attributes or not."""
    return replace(PROMPT, attributes="model" if attributes else "rules")


@dataclass(frozen=True, slots=True)
class EpochSettings:
    """How documents become pairs.

    Attributes:
        sizes: the shares of documents cut into windows of one sentence, of up to two, and so on.
        keep_empty: the share of windows without a mention that is kept; they are the most and teach the least.
        alone: the share of windows of a corpus with several labels that ask for one of them alone (`lone_labels`).
        notes: the share of windows laid out as a note's lines.
        facts: the share of windows whose prompt has facts, where there is a dictionary.
        max_tokens: a pair with more tokens is left out.
        attributes: whether prompts ask for the attributes that labels declare, and answers say the gold's.
    """

    sizes: tuple[float, ...] = (0.5, 0.3, 0.2)
    keep_empty: float = 0.4
    alone: float = 0.15
    notes: float = 0.15
    facts: float = 0.0
    max_tokens: int = 420
    attributes: bool = False
    seed: int = 1000

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 0 or sum(self.sizes) <= 0:
            raise ConfigError(f"shares of window sizes are {self.sizes}", expected="numbers of 0 or more, not all 0")
        for name in ("keep_empty", "alone", "notes", "facts"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", expected="a share in [0, 1]")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass. `too_long` windows were left out for their length."""

    pairs: tuple[PairTokens, ...]
    too_long: int


def lone_labels(labels: LabelSet, corpora: Sequence[Gold]) -> tuple[str, ...]:
    """The labels of a set of several that may be asked for alone: those that no other corpus of the mix has.

    Where two corpora have a label, each may mean something else by it, and asked alone nothing would tell them apart.
    """
    if len(labels.labels) < 2:
        return ()
    others = {name for gold in corpora if gold.labels.names != labels.names for name in gold.labels.names}
    return tuple(name for name in labels.names if name not in others)


def label_sets(corpora: Sequence[Gold], *, alone: bool = True) -> list[list[str]]:
    """The sets of labels that training asks for together, each in the prompt's order.

    Args:
        alone: whether labels that one corpus alone has were also asked for by themselves.
    """
    asked = [list(gold.labels.names) for gold in corpora]
    if alone:
        asked += [[name] for gold in corpora for name in lone_labels(gold.labels, corpora)]
    return [names for i, names in enumerate(asked) if names not in asked[:i]]


class Epochs:
    """Makes the pairs of any pass anew from its number, so that a resumed run sees what it would have seen.

    Args:
        form: the format answers are written in; TANL is asked for by its choices, any other by its whole answers.
        facts: gives the facts of a window; None for none.
    """

    def __init__(
        self,
        corpora: Sequence[Gold],
        *,
        form: Format,
        tokenizer: Tokenizer,
        settings: EpochSettings = EpochSettings(),
        facts: FactsOf | None = None,
    ):
        self._corpora = corpora
        self._form = form
        self._tokenizer = tokenizer
        self._settings = settings
        self._facts = facts

    def __call__(self, number: int) -> Epoch:
        """The pairs of pass `number`, from 0.

        Raises:
            InputError: when nothing is left to train on.
        """
        random = Random(self._settings.seed + number)
        kept: list[PairTokens] = []
        too_long = 0
        for gold in self._corpora:
            for doc in gold.documents:
                for pair in self._pairs(doc, gold.labels, random):
                    made = sequence(pair, self._tokenizer)
                    if len(made.ids) > self._settings.max_tokens:
                        too_long += 1
                    else:
                        kept.append(made)
        if not kept:
            raise InputError(
                "no window is left to train on",
                expected=f"windows of at most {self._settings.max_tokens} tokens with their answer",
                fix="Give annotated documents, or a larger limit.",
            )
        return Epoch(tuple(kept), too_long)

    def _pairs(self, doc: Document, labels: LabelSet, random: Random) -> Iterator[TrainingPair]:
        settings = self._settings
        size = random.choices(range(1, len(settings.sizes) + 1), settings.sizes)[0]
        # The tokenizer's own count bounds a pair; here words do, and half of a pair is its answer.
        cut = WindowSettings(max_tokens=max(8, settings.max_tokens // 4), max_sentences=size, overlap_sentences=0)
        for window in windows(doc.text, cut):
            inside = tuple(e.shift(-window.span.start) for e in doc.entities if window.span.contains(e.span))
            if not inside and random.random() >= settings.keep_empty:
                continue
            text = window.span.of(doc.text)
            asked, own = labels, lone_labels(labels, self._corpora)
            if own and random.random() < settings.alone:
                asked = labels.only(random.choice(own))
                inside = tuple(e for e in inside if e.label in asked)
            if random.random() < settings.notes:
                text, inside = as_note(text, inside, random)
            known: Sequence[str] = ()
            if self._facts is not None and random.random() < settings.facts:
                known = self._facts(doc, window.span, asked)
            yield self.pair(text, inside, asked, facts=known)

    def pair(
        self, text: str, entities: Sequence[Entity], labels: LabelSet, *, facts: Sequence[str] = ()
    ) -> TrainingPair:
        """The pair for one window, its prompt as the tagger builds it.

        Raises:
            ConfigError: when the format cannot show the entities.
        """
        settings = prompt(attributes=self._settings.attributes)
        labels = settings.asked(replace(labels, examples=()))
        messages = build(text, labels=labels, form=self._form, facts=facts, settings=settings)
        if self._form.name == "tanl":
            return choice_pair(text, entities, labels=labels, messages=messages)
        return TrainingPair(messages, (self._form.render(text, entities, labels),))


_HEADINGS = (
    "Findings:",
    "HISTORY:",
    "Assessment and Plan:",
    "PAST MEDICAL HISTORY",
    "Results:",
    "Impression:",
    "Medications",
    "HOSPITAL COURSE:",
)
_JOINTS = ("\n", "\n- ", "\n\n", "\n* ", "\n  ")


def as_note(text: str, entities: Sequence[Entity], random: Random) -> tuple[str, tuple[Entity, ...]]:
    """The same sentences on lines of their own, sometimes as a list or under a heading, with the entities moved along.

    Entities that reach over two sentences are left out.
    """
    joint = random.choice(_JOINTS)
    shown = f"{random.choice(_HEADINGS)}\n" if random.random() < 0.4 else ""
    shown += joint.lstrip("\n ")
    moved: list[Entity] = []
    for number, sentence in enumerate(sentences(text)):
        shown += joint if number else ""
        by = len(shown) - sentence.span.start
        shown += sentence.span.of(text)
        moved += [
            replace(e, span=Span(e.start + by, e.end + by), fragments=tuple(f.shift(by) for f in e.fragments))
            for e in entities
            if sentence.span.contains(e.span)
        ]
    return shown, tuple(moved)


class Facts:
    """The facts of windows, looked up in whole documents as the tagger does.

    Args:
        count: the tokens of a line for the model that is tuned.
    """

    def __init__(self, dictionary: Dictionary, count: CountTokens):
        self._dictionary = dictionary
        self._count = count
        self._lookups: dict[tuple[str, ...], Lookup] = {}
        self._last: tuple[tuple[str, ...], str, Knowledge] | None = None

    def __call__(self, document: Document, window: Span, labels: LabelSet) -> Sequence[str]:
        """The lines for one window when `labels` are asked for; `window` in the document's offsets."""
        names, text = labels.names, document.text
        lookup = self._lookups.setdefault(names, Lookup(self._dictionary, labels))
        if self._last is None or self._last[:2] != (names, text):
            self._last = (names, text, lookup.knowledge(text, matches=False))
        return lookup.facts((), self._last[2].proposals_within(window), TOLD.facts, self._count)


SENTENCES = WindowSettings(max_tokens=128, max_sentences=1, overlap_sentences=0)
"""One sentence a window, each asked about once."""


@dataclass(frozen=True, slots=True)
class Held:
    """Held-out documents to be scored on, how they are cut, and the facts that the model is told; None for none.

    Attributes:
        attributes: whether the model is asked for them; they are not scored.
    """

    gold: Gold
    windows: WindowSettings = SENTENCES
    facts: FactsOf | None = None
    attributes: bool = False


def tag(llm: LLM, held: Held) -> list[Document]:
    """The documents with what the LLM finds in them by constrained decoding, without calibration.

    Raises:
        LLMError: when a request fails.
    """
    form = Tanl()
    settings = prompt(attributes=held.attributes)
    asked = settings.asked(replace(held.gold.labels, examples=()))
    found: list[Document] = []
    for doc in held.gold.documents:
        places = windows(doc.text, held.windows, count=llm.count_tokens)
        texts = [window.span.of(doc.text) for window in places]
        requests = [
            Request(
                build(t, labels=asked, form=form, facts=_told(held, doc, window.span), settings=settings),
                constraint=CopyConstraint(t, asked.names, attributes=asked_of(asked)),
            )
            for window, t in zip(places, texts, strict=True)
        ]
        entities: dict[Entity, None] = {}
        for window, text, answer in zip(places, texts, llm.complete(requests), strict=True):
            if isinstance(answer, LLMError):
                raise answer
            for mention in form.parse(answer.text, asked).mentions:
                at = mention.position
                if at is not None and window.core.start <= at.start + window.span.start < window.core.end:
                    entities[Entity(at.shift(window.span.start), mention.label, at.of(text))] = None
        found.append(replace(doc, entities=tuple(entities)))
    return found


def _told(held: Held, document: Document, window: Span) -> Sequence[str]:
    return held.facts(document, window, held.gold.labels) if held.facts is not None else ()


def strict_score(base: Path, adapter: Path, held: Held, *, threads: int | None = None) -> Score:
    """The strict score of an adapter on held-out documents.

    Args:
        base: the GGUF file the adapter was trained on.
        held: the documents, their labels and how they are cut.
    """
    with EmbeddedLLM(base, EmbeddedSettings(adapter=adapter, threads=threads)) as llm:
        mine = tag(llm, held)
    return score(held.gold.documents, mine, labels=held.gold.labels.names)


def report(found: Score) -> dict[str, Any]:
    """A score as the card shows it: micro and by label, each with its 95 % interval, and its signature."""
    micro, by_label = intervals(found)
    rows = {"all": (found.micro, micro), **{name: (found.by_label[name], by_label[name]) for name in found.labels}}
    return {
        "signature": found.signature,
        "strict": {
            name: {
                **{key: round(value, 4) for key, value in asdict(figures).items()},
                "f1_interval": [round(between.f1.low, 4), round(between.f1.high, 4)],
            }
            for name, (figures, between) in rows.items()
        },
    }
