"""Fits a fused model of a tagger's sources on gold documents, and says what to expect of it beside each alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clinspan.document import Document, Entity
from clinspan.errors import ConfigError
from clinspan.evaluation.probability import curve, expected_error
from clinspan.evaluation.score import Interval, draws, interval
from clinspan.examples import notes
from clinspan.fusion.features import Prior
from clinspan.fusion.fit import Case, Counted, Fitted, check, f1, fit
from clinspan.fusion.heard import Gain, Heard, Moved, chosen, learned
from clinspan.fusion.model import Asked, FusedModel, Judge
from clinspan.labels import LabelSet
from clinspan.tagging import open as parts
from clinspan.tagging.settings import profile
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import Window, windows

FITS = 6
"""How often `done` is called in each fit of weights."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Strict micro F1 on the gold documents.

    Attributes:
        who: a source alone, or all together.
        gain: what the fused model has more, the documents drawn alike for both; None for the model itself.
    """

    who: str
    f1: float
    gain: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class LearnedWeights:
    """A fused model, and what to expect of it: each document judged by what other folds taught.

    Attributes:
        expected: the sources alone, then the model without an LLM where there is one, then with all.
        error: expected calibration error of what it reports.
    """

    model: FusedModel
    expected: tuple[Expected, ...]
    error: float

    @property
    def helps(self) -> bool:
        """Whether it is better than each source alone."""
        return all(one.gain is None or one.gain > 0 for one in self.expected)


def learn_weights(
    tagger: Tagger,
    gold: Sequence[Document],
    *,
    counted: Sequence[Document] | None = None,
    done: Callable[[], None] = lambda: None,
) -> LearnedWeights:
    """Fits a fused model over a tagger's sources.

    Args:
        tagger: has the sources; what decides in it is not looked at.
        gold: annotated documents, on which no source was tuned: a model is too sure of what it has learned from.
        counted: annotated documents whose strings are counted; the notes that come with clinspan when None. Sources may
            have been tuned on them. One that is among the gold as well is judged by the counts of the others.
        done: called after each document, and `FITS` times for each fit: one, and one more with an LLM.

    Raises:
        ConfigError: when there is nothing to fuse: neither an encoder nor an LLM.
        InputError: when there is too little to learn from; see `fusion.fit.check`.
    """
    if tagger.model is None:
        raise ConfigError("there is nothing to weigh against the dictionary", expected="an encoder or an LLM")
    labels, names = tagger.labels, tagger.labels.names
    pool = _pool(labels) if counted is None else [_within(document, labels) for document in counted]
    prior = Prior.of(pool)
    pooled = {document.text: document for document in pool}
    heard: list[Heard] = []
    cases: list[Case] = []
    for document in gold:
        heard.append(tagger.hear(replace(document, entities=(), windows=())))
        cases.append(Case.of(document, heard[-1], labels, _without(prior, pooled.get(document.text))))
        done()
    check(gold, cases, labels)
    tables: dict[Asked, Judge] = {}
    quiet = cases
    if tagger.llm is not None:
        quiet = [
            Case.of(document, one.without_llm(), labels, _without(prior, pooled.get(document.text)))
            for document, one in zip(gold, heard, strict=True)
        ]
    without = fit(quiet, len(names), done=done)
    tables["without llm"] = without.table
    fitted, last, gain = without, quiet, None
    if tagger.llm is not None:
        fitted, last = fit(cases, len(names), done=done), cases
        tables["with llm"] = fitted.table
        cut = [windows(one.text, tagger.settings.windows, count=tagger.model.count_tokens) for one in gold]
        gain = gain_of((quiet, without), (cases, fitted), cut)
    expected = _alone(tagger, gold, heard, fitted.counts)
    if tagger.llm is not None:
        expected.append(_expected("all but the LLM, weighed together", without.counts, fitted.counts))
    expected.append(Expected("all weighed together, cross-validated", f1(fitted.counts)))
    model = FusedModel(names, tagger.sources, tables, prior, gain=gain)
    return LearnedWeights(model, tuple(expected), _error(last, fitted))


def gain_of(
    quiet: tuple[Sequence[Case], Fitted], full: tuple[Sequence[Case], Fitted], cut: Sequence[Sequence[Window]]
) -> Gain:
    """Where it pays to ask an LLM, by what it changed on gold documents that the weights were not fitted on.

    Args:
        quiet: the documents without the LLM, and what was fitted on them.
        full: the same with the LLM.
        cut: the windows about which the LLM is asked, of each document.
    """
    told = zip(quiet[0], quiet[1].probabilities, full[0], full[1].probabilities, cut, strict=True)
    moved = [
        Moved.of((a.heard.candidates, p), (b.heard.candidates, q), [window.core.start for window in each])
        for a, p, b, q, each in told
    ]
    return learned([one for one in moved if one.windows], quiet[1].table.least)


def _pool(labels: LabelSet) -> list[Document]:
    """The notes that come with clinspan, where they were annotated for the labels."""
    named = notes.set_for(labels.names) if notes.taught_for(labels) else None
    if named is None:
        return []
    return [_within(document, labels) for document in notes.documents(named)]


def _within(document: Document, labels: LabelSet) -> Document:
    return replace(document, entities=tuple(entity for entity in document.entities if entity.label in labels))


def _without(prior: Prior, document: Document | None) -> Prior:
    return prior.without(document) if document is not None else prior


def _alone(
    tagger: Tagger, gold: Sequence[Document], heard: Sequence[Heard], fused: Sequence[Counted]
) -> list[Expected]:
    """What each source finds alone: an encoder with its calibration, an LLM what it names, the dictionary its terms."""
    found: dict[str, list[Sequence[Entity]]] = {}
    if tagger.dictionary is not None:
        proposed = [[one.entity for one in each.candidates if "dictionary" in one.said] for each in heard]
        found["the dictionary alone"] = list(proposed)
    if tagger.encoder is not None:
        alone = tagger.with_(
            llm=None,
            fused=None,
            doubter=None,
            settings=profile(tagger.encoder, proposals=True),
            calibration=parts.calibration(None, tagger.encoder, tagger.labels),
        )
        bare = (replace(document, entities=(), windows=()) for document in gold)
        found["the encoder alone"] = [document.entities for document in alone.tag_many(bare)]
    if tagger.llm is not None:
        found["the LLM alone"] = [[one.entity for one in each.candidates if "llm" in one.said] for each in heard]
    labels = tagger.labels
    return [
        _expected(who, [_counted(document, own, labels) for document, own in zip(gold, each, strict=True)], fused)
        for who, each in found.items()
    ]


def _counted(gold: Document, found: Sequence[Entity], labels: LabelSet) -> Counted:
    true = {(entity.span, entity.label) for entity in gold.entities if entity.label in labels}
    named = {(entity.span, entity.label) for entity in found}
    return Counted(len(named), len(true & named), len(true))


def _expected(who: str, counts: Sequence[Counted], fused: Sequence[Counted]) -> Expected:
    """One system beside the fused model, with a paired bootstrap over documents."""
    both = np.array([[(c.right, c.found + c.gold) for c in pair] for pair in zip(counts, fused, strict=True)])
    drawn = np.concatenate(list(draws(both, 1000, 0)))
    rates = 2 * drawn[..., 0] / np.maximum(drawn[..., 1], 1)
    return Expected(who, f1(counts), f1(fused) - f1(counts), interval(rates[:, 1] - rates[:, 0], 0.95))


def _error(cases: Sequence[Case], fitted: Fitted) -> float:
    judged: list[tuple[float, bool]] = []
    for case, probabilities in zip(cases, fitted.probabilities, strict=True):
        for number in chosen(case.heard, probabilities, [fitted.table.least] * len(probabilities)):
            judged.append((min(1.0, float(probabilities[number])), bool(case.right[number])))
    return expected_error(curve(judged))


def described(learned_from: Mapping[str, str], learned: LearnedWeights) -> FusedModel:
    """The model with what it was learned from."""
    last = learned.expected[-1]
    return replace(learned.model, learned_from={**learned_from, "F1": f"{last.f1:.3f}, cross-validated"})
