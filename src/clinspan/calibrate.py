"""What an LLM's scores mean, from gold documents: probabilities, thresholds and the bias for opening a mention.

Cross-validation estimates what a calibration gains.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from clinspan.document import Document, Entity
from clinspan.errors import ConfigError, InputError
from clinspan.evaluation.probability import curve, expected_error, logistic, stepped
from clinspan.grounding.boundaries import BoundaryRules
from clinspan.llms.base import LLM, SeesLogits, Wrapper
from clinspan.messages import Completion, Request
from clinspan.tagging.calibration import Calibration, Dial, Promise, log_odds
from clinspan.tagging.tagger import Tagger


@dataclass(frozen=True, slots=True)
class Judged:
    """An entity with its raw score, None where it has none, and whether gold has it at its place with its label."""

    label: str
    score: float | None
    right: bool


def judge(gold: Document, predicted: Document) -> tuple[Judged, ...]:
    """Each entity of `predicted`, judged by strict match."""
    true = {(entity.span, entity.label) for entity in gold.entities}
    return tuple(
        Judged(entity.label, entity.score, (entity.span, entity.label) in true) for entity in predicted.entities
    )


def choose(judged: Iterable[Judged], gold_counts: Mapping[str, int], *, drop: bool = True) -> dict[str, Dial]:
    """For each label the least score with the highest strict F1, and the curve fitted on what is then reported.

    Args:
        judged: entities decoded with a generous dial, so that there is something to choose from.
        gold_counts: how many entities of each label gold has.
        drop: False reports everything and only fits the curve.
    """
    by_label: dict[str, list[tuple[float, bool]]] = {}
    for one in judged:
        if one.score is not None:
            by_label.setdefault(one.label, []).append((one.score, one.right))
    dials = {}
    for label, ones in sorted(by_label.items()):
        least = _best_threshold(ones, gold_counts.get(label, 0)) if drop else 0.0
        kept = [(score, right) for score, right in ones if score >= least]
        odds, rights = [log_odds(score) for score, _ in kept], [right for _, right in kept]
        dials[label] = Dial(least, *logistic(odds, rights), stepped(odds, rights))
    return dials


def _best_threshold(ones: Sequence[tuple[float, bool]], gold: int) -> float:
    """The midpoint between the score of the last entity worth reporting and the next below it."""
    ordered = sorted(ones, reverse=True)
    best, best_f1, found = 0.0, -1.0, 0
    for count, (score, right) in enumerate(ordered, 1):
        found += right
        if count < len(ordered) and ordered[count][0] == score:
            continue
        f1 = 2 * found / (count + gold) if count + gold else 0.0
        if f1 > best_f1:
            below = ordered[count][0] if count < len(ordered) else 0.0
            best, best_f1 = (score + below) / 2 if below else 0.0, f1
    return best


def f1(judged: Iterable[Judged], dials: Mapping[str, Dial], gold: int) -> float:
    """Strict micro F1 of what the dials let through; what has no score passes."""
    kept = [one for one in judged if one.score is None or one.score >= dials.get(one.label, Dial()).min_score]
    right = sum(one.right for one in kept)
    return 2 * right / (len(kept) + gold) if kept or gold else 0.0


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


def candidates(
    tagger: Tagger,
    gold: Sequence[Document],
    *,
    consider: float | None = None,
    done: Callable[[], None] = lambda: None,
) -> tuple[Document, ...]:
    """The documents with all that the tagger finds, and raw scores: what a promise is made on.

    Args:
        tagger: as it will be used, but for its calibration, which is set aside.
        gold: its entities are not looked at.
        consider: see `TagSettings`.
        done: called after each document.
    """
    return _try(tagger.with_(settings=replace(tagger.settings, consider=consider)), gold, 0.0, done).found


def keep(promise: Promise, gold: Sequence[Document], found: Iterable[Document]) -> Calibration:
    """A calibration that keeps a promise, with the curve of each label fitted on what it lets through.

    The curve says what scores mean. The thresholds are on raw scores, so that what it learns from the same documents
    takes nothing from the guarantee; dials and boundary rules would, and there are none.

    Args:
        promise: was made on these documents.
        gold: annotated.
        found: the same documents, by id, as they were tagged without calibration.
    """
    by_id = {document.id: document for document in found}
    passed = []
    for document in gold:
        thresholds = promise.thresholds(document)
        for one in judge(document, by_id[document.id]):
            if one.label in thresholds and one.score is not None and one.score >= thresholds[one.label].review:
                passed.append(one)
    return Calibration(dials=choose(passed, {}, drop=False), promise=promise)


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
    scoring = tagger.with_(
        calibration=Calibration(open_bias=bias), fused=None, settings=replace(tagger.settings, scores=True)
    )
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


_HIGHER = 0.01
"""What the bias is above the log-odds of the last place that is to open, which has none to spare."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A bias, and how it was chosen.

    Attributes:
        bias: to be added to the log-odds of opening.
        f1: of the places that open under it against those that should, had all before each been right.
        places: where a mention may open.
        right: where one does.
    """

    bias: float
    f1: float
    places: int
    right: int


class _Listener(Wrapper):
    """Keeps the requests that a tagger makes of an LLM, and answers with the text as it is."""

    def __init__(self, llm: LLM):
        super().__init__(llm)
        self.heard: list[Request] = []

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.heard.append(request)
            yield Completion(request.constraint.text if request.constraint else "")


def choose_opening(llm: SeesLogits, taggers: Sequence[Tagger], sentences: Iterable[Document]) -> Opening:
    """The bias with the best F1 at the places where a mention may open, over the prompts of all taggers together.

    Args:
        llm: that all taggers ask; their own biases do not count.
        taggers: make the prompts.
        sentences: gold ones, each short enough for one window; one that is not is passed over.

    Raises:
        ConfigError: when no sentence has a place to judge by.
    """
    judged: list[tuple[float, bool]] = []
    sentences = tuple(sentences)
    for tagger in taggers:
        listener = _Listener(llm)
        listening = tagger.with_(llm=listener)
        for sentence in sentences:
            listener.heard.clear()
            listening.tag(replace(sentence, entities=()))
            if len(listener.heard) != 1:
                continue
            starts = {entity.start for entity in sentence.entities}
            for boundary in llm.open_log_odds(listener.heard[0], _outermost(sentence.entities)):
                judged.append((boundary.log_odds, boundary.at in starts))
    return _best(judged)


def _best(judged: Sequence[tuple[float, bool]]) -> Opening:
    right = sum(opens for _, opens in judged)
    if not right:
        raise ConfigError("no sentence has a mention to choose the bias on opening by", fix="Take more sentences.")
    best, bias, taken, hit = 0.0, 0.0, 0, 0
    ranked = sorted(judged, reverse=True)
    for number, (odds, opens) in enumerate(ranked):
        taken, hit = taken + 1, hit + opens
        last = number + 1 == len(ranked) or ranked[number + 1][0] < odds
        # Of equal ones the last, which opens more: what is opened wrongly can still be rejected.
        if last and (f1 := 2 * hit / (taken + right)) >= best:
            best, bias = f1, round(_HIGHER - odds, 2)
    return Opening(bias, best, len(judged), right)


def _outermost(entities: Sequence[Entity]) -> tuple[Entity, ...]:
    return tuple(e for e in entities if not any(o is not e and o.span.contains(e.span) for o in entities))
