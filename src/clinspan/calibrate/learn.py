"""Learns a calibration from gold documents, and estimates by cross-validation what it brings."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from clinspan.calibrate.dials import Judged, choose, f1, judge
from clinspan.document import Document
from clinspan.errors import InputError
from clinspan.evaluation.reliability import curve, expected_error
from clinspan.grounding.boundaries import BoundaryRules
from clinspan.pipeline.calibration import Calibration, Dial
from clinspan.pipeline.tagger import Tagger

OPEN_BIASES = (0.0, 1.5, 3.0)
"""Biases on opening that are tried; the least score then takes back what was opened without need."""
_FOLDS = 4
_SEED = 20240411


@dataclass(frozen=True, slots=True)
class Estimate:
    """Strict micro F1 and expected calibration error, with each document judged by what the others taught."""

    f1_before: float
    f1_after: float
    error_before: float
    error_after: float
    entities: int


@dataclass(frozen=True, slots=True)
class Learned:
    """A calibration and what to expect of it; no estimate where the LLM gives no scores."""

    calibration: Calibration
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class _Trial:
    """All documents decoded with one bias."""

    bias: float
    judged: tuple[tuple[Judged, ...], ...]


def learn(
    tagger: Tagger,
    gold: Sequence[Document],
    *,
    open_biases: Sequence[float] = OPEN_BIASES,
    done: Callable[[], None] = lambda: None,
) -> Learned:
    """Learns dials and boundary rules.

    Args:
        tagger: as it will be used, but for its calibration, which is set aside.
        gold: annotated documents that are in no evaluation split.
        open_biases: decoded one after the other; the first is what the estimate compares with.
        done: called after each document of each bias.

    Raises:
        InputError: when there are fewer than four documents, or none has an entity.
    """
    counts = [Counter(entity.label for entity in document.entities) for document in gold]
    if len(gold) < _FOLDS or not any(counts):
        raise InputError(
            f"{len(gold)} gold documents with {sum(c.total() for c in counts)} entities are too few to learn from",
            expected=f"{_FOLDS} or more documents with entities",
        )
    rules = BoundaryRules.learn(gold)
    trials = [_try(tagger, gold, bias, rules, done) for bias in open_biases] if tagger.llm is not None else []
    if not any(one for trial in trials for one in trial.judged):
        return Learned(Calibration(rules=rules), None)
    everything = range(len(gold))
    bias, dials = _fit(trials, counts, everything)
    return Learned(Calibration(bias, dials, rules), _estimate(trials, counts))


def _try(
    tagger: Tagger, gold: Sequence[Document], bias: float, rules: BoundaryRules, done: Callable[[], None]
) -> _Trial:
    held = tagger.calibration
    tagger.calibration = Calibration(open_bias=bias, rules=rules)
    try:
        judged = []
        for document in gold:
            judged.append(judge(document, tagger.tag(replace(document, entities=(), windows=()))))
            done()
    finally:
        tagger.calibration = held
    return _Trial(bias, tuple(judged))


def _fit(
    trials: Sequence[_Trial], counts: Sequence[Mapping[str, int]], documents: Sequence[int]
) -> tuple[float, dict[str, Dial]]:
    """The bias and dials with the highest F1 on some of the documents; the smallest bias among equals."""
    total: Counter[str] = Counter()
    for number in documents:
        total.update(counts[number])
    best: tuple[float, float, dict[str, Dial]] | None = None
    for trial in trials:
        judged = [one for number in documents for one in trial.judged[number]]
        dials = choose(judged, total)
        reached = f1(judged, dials, total.total())
        if best is None or reached > best[0]:
            best = (reached, trial.bias, dials)
    assert best is not None, "there is at least one trial"
    return best[1], best[2]


def _estimate(trials: Sequence[_Trial], counts: Sequence[Mapping[str, int]]) -> Estimate:
    order = list(range(len(counts)))
    random.Random(_SEED).shuffle(order)
    plain, kept = list(trials[0].judged), []
    scored: list[tuple[float, bool]] = []
    for fold in range(_FOLDS):
        held = set(order[fold::_FOLDS])
        bias, dials = _fit(trials, counts, [number for number in order if number not in held])
        trial = next(trial for trial in trials if trial.bias == bias)
        for one in (one for number in held for one in trial.judged[number]):
            dial = dials.get(one.label, Dial())
            if one.score >= dial.min_score:
                kept.append(one)
                scored.append((dial.probability(one.score), one.right))
    gold = sum(sum(count.values()) for count in counts)
    before = [one for ones in plain for one in ones]
    return Estimate(
        f1_before=f1(before, {}, gold),
        f1_after=f1(kept, {}, gold),
        error_before=expected_error(curve((one.score, one.right) for one in before)),
        error_after=expected_error(curve(scored)),
        entities=gold,
    )
