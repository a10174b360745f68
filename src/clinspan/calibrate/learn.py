"""Learns a calibration from gold documents, and estimates by cross-validation what it brings."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clinspan.calibrate.dials import Judged, choose, f1, judge
from clinspan.document import Document
from clinspan.errors import InputError
from clinspan.evaluation.reliability import curve, expected_error
from clinspan.grounding.boundaries import BoundaryRules
from clinspan.tagging.calibration import Calibration, Dial
from clinspan.tagging.tagger import Tagger

OPEN_BIASES = (0.0, 1.5, 3.0)
"""Biases on opening that are tried; the least score then takes back what was opened without need."""
_FOLDS = 4
_SEED = 20240411


@dataclass(frozen=True, slots=True)
class Estimate:
    """What to expect, each document judged by what the others taught.

    Attributes:
        f1_before, f1_after: strict micro F1.
        error_before, error_after: expected calibration error, None where the LLM gives no scores.
        dial_gain: F1 with dials less F1 without; None where they were not tried. They are kept where it is above 0.
        rules_gain: the same for boundary rules.
    """

    f1_before: float
    f1_after: float
    error_before: float | None
    error_after: float | None
    dial_gain: float | None
    rules_gain: float


@dataclass(frozen=True, slots=True)
class Learned:
    """A calibration and what to expect of it."""

    calibration: Calibration
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class _Trial:
    """All documents as the tagger finds them with one bias."""

    bias: float
    found: tuple[Document, ...]


def learn(
    tagger: Tagger,
    gold: Sequence[Document],
    *,
    open_biases: Sequence[float] = OPEN_BIASES,
    done: Callable[[], None] = lambda: None,
) -> Learned:
    """Learns what scores mean, and dials and boundary rules where cross-validation shows that they help.

    Args:
        tagger: as it will be used, but for its calibration, which is set aside.
        gold: annotated documents that are in no evaluation split.
        open_biases: tried one after the other, by an LLM that decodes under a constraint; the first is what the
            estimate compares with. None at all: no dial is tried, and each document is decoded once.
        done: called after each document of each bias.

    Raises:
        InputError: when there are fewer than four documents, or none has an entity.
    """
    _check(gold)
    biases = (open_biases or (0.0,)) if tagger.model is not None and tagger.model.constrains else (0.0,)
    return _learned(gold, [_try(tagger, gold, bias, done) for bias in biases], dials=bool(open_biases))


def learn_from(gold: Sequence[Document], found: Sequence[Document]) -> Learned:
    """The same from what was found before, without calibration; the dial is then a least score alone.

    Args:
        gold: as for `learn`.
        found: the same documents, by id, as they were tagged.

    Raises:
        InputError: as `learn`, and when a document was not tagged or its text is another.
    """
    _check(gold)
    by_id = {document.id: document for document in found}
    for document in gold:
        if document.id not in by_id or by_id[document.id].text != document.text:
            fault = "has another text than" if document.id in by_id else "is not among"
            fix = "Tag this gold with `clinspan tag`."
            raise InputError(f"document {document.id!r} {fault} what was tagged", fix=fix)
    return _learned(gold, [_Trial(0.0, tuple(by_id[document.id] for document in gold))], dials=True)


def _check(gold: Sequence[Document]) -> None:
    entities = sum(len(document.entities) for document in gold)
    if len(gold) < _FOLDS or not entities:
        raise InputError(
            f"{len(gold)} gold documents with {entities} entities are too few to learn from",
            expected=f"{_FOLDS} or more documents with entities",
        )


def _learned(gold: Sequence[Document], trials: Sequence[_Trial], *, dials: bool) -> Learned:
    best = _validate(gold, trials, dials=False, rules=False)
    dial_gain = None
    if dials:
        dialled = _validate(gold, trials, dials=True, rules=False)
        dial_gain = dialled.f1_after - best.f1_after
        best = dialled if dial_gain > 0 else best
    kept = dial_gain is not None and dial_gain > 0
    ruled = _validate(gold, trials, dials=kept, rules=True)
    rules_gain = ruled.f1_after - best.f1_after
    best = ruled if rules_gain > 0 else best
    calibration = _fit(gold, trials, range(len(gold)), dials=kept, rules=rules_gain > 0)
    return Learned(calibration, replace(best, dial_gain=dial_gain, rules_gain=rules_gain))


def _try(tagger: Tagger, gold: Sequence[Document], bias: float, done: Callable[[], None]) -> _Trial:
    scoring = tagger.with_(calibration=Calibration(open_bias=bias), settings=replace(tagger.settings, scores=True))
    found = []
    for document in gold:
        found.append(scoring.tag(replace(document, entities=(), windows=())))
        done()
    return _Trial(bias, tuple(found))


def _fit(
    gold: Sequence[Document], trials: Sequence[_Trial], numbers: Sequence[int], *, dials: bool, rules: bool
) -> Calibration:
    """Bias, dials and rules with the highest F1 on some of the documents; the smallest bias among equals.

    Without dials the first bias is kept and everything is reported.
    """
    learned = BoundaryRules.learn(gold[number] for number in numbers) if rules else BoundaryRules()
    total = Counter(entity.label for number in numbers for entity in gold[number].entities)
    best, best_f1 = Calibration(), -1.0
    for trial in trials if dials else trials[:1]:
        judged = _judged(gold, trial, numbers, learned)
        chosen = choose(judged, total, drop=dials)
        reached = f1(judged, chosen, total.total())
        if reached > best_f1:
            best, best_f1 = Calibration(trial.bias, chosen, learned), reached
    return best


def _judged(gold: Sequence[Document], trial: _Trial, numbers: Sequence[int], rules: BoundaryRules) -> list[Judged]:
    judged: list[Judged] = []
    for number in numbers:
        found = trial.found[number]
        moved = tuple(dict.fromkeys(rules.apply(entity, found.text) for entity in found.entities))
        judged += judge(gold[number], replace(found, entities=moved))
    return judged


def _validate(gold: Sequence[Document], trials: Sequence[_Trial], *, dials: bool, rules: bool) -> Estimate:
    order = list(range(len(gold)))
    random.Random(_SEED).shuffle(order)
    before = _judged(gold, trials[0], order, BoundaryRules())
    after: list[Judged] = []
    for fold in range(_FOLDS):
        held = order[fold::_FOLDS]
        taught = _fit(gold, trials, [number for number in order if number not in set(held)], dials=dials, rules=rules)
        trial = next(trial for trial in trials if trial.bias == taught.open_bias)
        for one in _judged(gold, trial, held, taught.rules):
            dial = taught.dials.get(one.label, Dial())
            if one.score is None or one.score >= dial.min_score:
                after.append(one if one.score is None else replace(one, score=dial.probability(one.score)))
    entities = sum(len(document.entities) for document in gold)
    return Estimate(f1(before, {}, entities), f1(after, {}, entities), _error(before), _error(after), None, 0.0)


def _error(judged: Sequence[Judged]) -> float | None:
    scored = [(one.score, one.right) for one in judged if one.score is not None]
    return expected_error(curve(scored)) if scored else None
