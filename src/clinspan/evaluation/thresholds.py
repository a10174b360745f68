"""Thresholds on scores that keep a promise of recall or precision, chosen on gold documents with a guarantee.

What is promised of one label, with the probability `confidence` over the draw of the gold documents:

- recall: of the documents that have mentions of the label, the mean share of these that is found is at least so high;
- precision: of the documents in which something of the label is reported, the mean share of it that is right is at
  least so high.

Both are means over all documents like the gold ones, not over these alone. The document is what is drawn: mentions
within one are alike, so a thousand mentions in ten notes say as much as ten notes can.

Source: Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then test" (2021): thresholds are tested in an order that is
fixed beforehand, and the first that fails ends it, so that the error of all tests together is that of one. Recall can
only rise as the threshold falls, so its order is given, the lowest first. Precision need not fall with it: a fifth of
the documents say where to begin (split fixed-sequence testing), and the others test from there downwards. A test says
whether the mean of losses between 0 and 1 is below a bound, with a guarantee for any number of documents (`is_below`).

Nothing is assumed of the losses but that the documents are drawn alike and independently. A gambler bets against the
claim that the mean loss of all documents is above the bound: where the claim holds, his wealth is a non-negative
martingale or falls, so that it reaches 1 / delta with probability delta at most (Ville's inequality).

Source of the test: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (JRSS-B 2024),
with a fixed mixture of bets, so that the order of the documents does not matter. Where losses vary little it needs far
fewer documents than the bounds of Hoeffding and Bentkus; where each is 0 or 1 it comes near the exact binomial test.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinspan.document import Document, Entity
from clinspan.errors import InputError
from clinspan.evaluation.match import Parts, Rule, overlap, parts

Losses = NDArray[np.float64]

BETS = ((1.0, 0.5), (0.75, 0.25), (0.5, 0.15), (0.25, 0.1))
"""Parts of the largest bet that cannot make the wealth negative, with the share of the stake that goes on each."""


def log_wealth(losses: Losses, most: float) -> Losses:
    """The logarithm of the gambler's wealth after all documents; `exp(-log_wealth)` is a p-value.

    Args:
        losses: of documents, each from 0 to 1, along the last axis; NaN for a document that the claim is not about.
        most: the bound on the mean loss, between 0 and 1.

    Returns:
        One for each row of losses; minus infinity where a loss of 1 took all that was staked.
    """
    gains = np.where(np.isnan(losses), 0.0, most - losses) / (1.0 - most)
    with np.errstate(divide="ignore"):
        # Rounding may carry the largest loss a hair below -1.
        grown = [math.log(share) + np.log1p(np.maximum(part * gains, -1.0)).sum(axis=-1) for part, share in BETS]
    together: Losses = np.logaddexp.reduce(np.array(grown), axis=0)
    return together


def is_below(losses: Losses, most: float, confidence: float) -> NDArray[np.bool_]:
    """For each row of losses whether its mean over all documents is at most `most`, wrong at most 1 - confidence often.

    Args:
        losses: see `log_wealth`.
        most: see `log_wealth`.
        confidence: between 0 and 1.
    """
    enough: NDArray[np.bool_] = log_wealth(losses, most) >= -math.log(1.0 - confidence)
    return enough


def documents_needed(most: float, confidence: float) -> int:
    """How many documents it takes where not one of them has any loss: with fewer nothing can be said."""
    low, high = 0, 1
    while not is_below(np.zeros(high), most, confidence):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_below(np.zeros(middle), most, confidence) else (middle, high)
    return high


RULES = (Rule.STRICT, Rule.RELAXED)
"""When a mention is right, of the rules that promises are made by."""
_UNFOUND = -1.0
_FIRST_PART = 5
"""One document of so many says where the tests of precision begin."""
_GRID = 40
_SEED = 20240411
_LEVELS = tuple(level / 100 for level in range(99, 0, -1))


@dataclass(frozen=True, slots=True)
class Judged:
    """One document by one label.

    Attributes:
        id: the document's.
        found: each candidate's score, and whether it is right.
        reached: for each gold mention the highest score of a candidate that finds it; -1 where none does.
    """

    id: str
    found: tuple[tuple[float, bool], ...]
    reached: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """What becomes of the candidates of a label.

    Attributes:
        report: those with a score at least this are reported.
        review: those below, with a score at least this, go to a person; the others are dropped.
        documents: gold documents that have the label or in which a candidate of it was found.
        mentions: gold mentions.
        reviewed: the share of the candidates kept on the gold documents that goes to a person.
    """

    report: float
    review: float
    documents: int
    mentions: int
    reviewed: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.review <= self.report <= 1.0 or not 0.0 <= self.reviewed <= 1.0:
            raise ValueError(f"a threshold needs 0 <= review <= report <= 1, not {self.review} and {self.report}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be promised.

    Attributes:
        recall, precision: at least this; None: nothing of it is promised.
        confidence: the probability, over the draw of the gold documents, that each promise for each label holds.
    """

    recall: float | None
    precision: float | None
    confidence: float = 0.9

    def __post_init__(self) -> None:
        for name, value in (("recall", self.recall), ("precision", self.precision), ("confidence", self.confidence)):
            if value is not None and not 0.0 < value < 1.0:
                raise InputError(f"{name} is {value}", expected="a number between 0 and 1")
        if self.recall is None and self.precision is None:
            raise InputError("there is nothing to promise", expected="a recall, a precision, or both")


def judged(gold: Sequence[Document], found: Mapping[str, Document], label: str, rule: Rule) -> list[Judged]:
    """Each gold document by one label.

    Args:
        gold: annotated.
        found: the same documents, by id, with all candidates.
        rule: one of `RULES`.

    Raises:
        InputError: when a candidate of the label has no score.
    """
    made = []
    for document in gold:
        true = {parts(one) for one in document.entities if one.label == label}
        best: dict[Parts, float] = {}
        for one in found[document.id].entities:
            if one.label == label:
                place, score = parts(one), _score(one, document.id)
                best[place] = max(score, best.get(place, score))
        finds = {place: _finds(place, true, rule) for place in best}
        reached = dict.fromkeys(true, _UNFOUND)
        for place, theirs in finds.items():
            for one_gold in theirs:
                reached[one_gold] = max(reached[one_gold], best[place])
        rows = tuple((score, bool(finds[place])) for place, score in best.items())
        made.append(Judged(document.id, rows, tuple(reached.values())))
    return made


def _score(entity: Entity, id: str) -> float:
    if entity.score is None:
        raise InputError(
            f"the {entity.label!r} at {entity.start}-{entity.end} has no score to compare with a threshold",
            where=f"document {id!r}",
            expected="a probability for each entity, as an encoder or the embedded model gives",
        )
    return entity.score


def _finds(place: Parts, gold: set[Parts], rule: Rule) -> list[Parts]:
    if rule is Rule.STRICT:
        return [place] if place in gold else []
    return [one for one in gold if overlap(place, one)]


def highest_threshold_of_recall(documents: Sequence[Judged], recall: float, confidence: float) -> float | None:
    """The highest threshold at which the recall is promised; None where not even all candidates together do."""
    scores = np.unique([score for one in documents for score in one.reached if score > _UNFOUND])
    low, high = -1, len(scores)
    # Recall falls as the threshold rises, so the first that fails is found by halving.
    while high - low > 1:
        middle = (low + high) // 2
        kept = bool(is_below(missed(documents, scores[middle : middle + 1]), 1.0 - recall, confidence)[0])
        low, high = (middle, high) if kept else (low, middle)
    return float(scores[low]) if low >= 0 else None


def lowest_threshold_of_precision(documents: Sequence[Judged], precision: float, confidence: float) -> float | None:
    """The lowest threshold at which the precision is promised; None where none was found.

    The order of the tests, and which thresholds are tested at all, come from documents that are not tested.
    """
    order = sorted(documents, key=lambda one: one.id)
    random.Random(_SEED).shuffle(order)
    first, others = order[::_FIRST_PART], [one for number, one in enumerate(order) if number % _FIRST_PART]
    # What is right is where thresholds matter: of what an encoder considers most is far below any that will pass.
    scores = np.unique([score for one in first for score, right in one.found if right])
    if not len(scores) or not others:
        return None
    grid = np.unique(np.quantile(scores, np.linspace(0.0, 1.0, _GRID), method="lower"))[::-1]
    start = int(np.argmax(log_wealth(wrong(first, grid), 1.0 - precision)))
    passed = is_below(wrong(others, grid[start:]), 1.0 - precision, confidence)
    fails = np.flatnonzero(~passed)
    last = int(fails[0]) if len(fails) else len(passed)
    return float(grid[start + last - 1]) if last else None


def missed(documents: Sequence[Judged], thresholds: Losses) -> Losses:
    """The share of each document's gold mentions that no candidate above a threshold finds.

    Returns:
        Thresholds by documents; NaN for documents without a mention.
    """
    return np.array([_share_below(one.reached, thresholds) for one in documents]).reshape(-1, len(thresholds)).T


def _share_below(scores: Sequence[float], thresholds: Losses) -> Losses:
    if not scores:
        return np.full(len(thresholds), np.nan)
    return np.searchsorted(np.sort(scores), thresholds, side="left") / len(scores)


def wrong(documents: Sequence[Judged], thresholds: Losses) -> Losses:
    """The share of what each document reports from a threshold on that is wrong.

    Returns:
        Thresholds by documents; NaN where a document reports nothing.
    """
    return np.array([_share_wrong(one.found, thresholds) for one in documents]).reshape(-1, len(thresholds)).T


def _share_wrong(found: Sequence[tuple[float, bool]], thresholds: Losses) -> Losses:
    scores = np.sort([score for score, _ in found])
    reported = len(scores) - np.searchsorted(scores, thresholds, side="left")
    bad = np.sort([score for score, right in found if not right])
    amiss = len(bad) - np.searchsorted(bad, thresholds, side="left")
    shares: Losses = np.divide(amiss, reported, out=np.full(len(thresholds), np.nan), where=reported > 0)
    return shares


_Find = Callable[[Sequence[Judged], float, float], float | None]


def threshold(documents: Sequence[Judged], asked: Asked, *, label: str) -> Threshold:
    """The threshold of a label that keeps what is asked, which reports as much as can be and asks people the least.

    Raises:
        InputError: when it cannot be promised on these documents: how many more it would take, or the most that can be.
    """
    lower = _kept("recall", highest_threshold_of_recall, documents, asked.recall, asked.confidence, label)
    upper = _kept("precision", lowest_threshold_of_precision, documents, asked.precision, asked.confidence, label)
    report = upper if upper is not None else lower
    assert report is not None
    review = report if lower is None else min(lower, report)
    scores = [score for one in documents for score, _ in one.found if score >= review]
    between = sum(score < report for score in scores)
    return Threshold(
        report,
        review,
        sum(bool(one.found or one.reached) for one in documents),
        sum(len(one.reached) for one in documents),
        between / len(scores) if scores else 0.0,
    )


def _kept(
    name: str, find: _Find, documents: Sequence[Judged], least: float | None, confidence: float, label: str
) -> float | None:
    if least is None:
        return None
    chosen = find(documents, least, confidence)
    if chosen is not None:
        return chosen
    said = f"{name} of {least:g} cannot be promised for {label!r} with confidence {confidence:g}"
    used = [one for one in documents if (one.reached if name == "recall" else one.found)]
    needed = documents_needed(1.0 - least, confidence)
    needed = needed if name == "recall" else -(-needed * _FIRST_PART // (_FIRST_PART - 1))
    if len(used) < needed:
        has = "have it" if name == "recall" else "have a candidate of it"
        raise InputError(
            f"{said}: {len(used)} gold documents {has}",
            expected=f"at least {needed}, which would do if nothing at all were wrong in them",
            fix=f"Annotate more documents, or ask for less (--{name}).",
        )
    most = next((level for level in _LEVELS if level < least and find(documents, level, confidence) is not None), None)
    many = f"{len(used)} gold documents"
    if name == "recall":
        reached = 1.0 - float(np.nanmean(missed(documents, np.zeros(1))))
        many += f", whose mentions all candidates together reach to {reached:.2f}"
    if most is None:
        raise InputError(f"{said}, nor any other, on {many}", fix="Tune the model on documents like these first.")
    raise InputError(
        f"{said}: the most that can be on {many} is {most:g}",
        fix=f"Ask for less (--{name} {most:g}), or annotate more.",
    )
