"""How far two people agree: the entities that both marked in the same notes, and what they say of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clinspan.document import OF, Document
from clinspan.errors import InputError
from clinspan.evaluation import Rule, pair, tally
from clinspan.evaluation.carried import MISSING, attribute_scores
from clinspan.evaluation.score import Score


@dataclass(frozen=True, slots=True)
class AttributeAgreement:
    """Agreement on one attribute, over the entities of one place and label to which both gave a value.

    Attributes:
        kappa: Cohen's; None where both gave one and the same value to all, so that chance alone would agree as often.
    """

    name: str
    entities: int
    same: int
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two people on their last versions of the notes that both saved.

    Attributes:
        notes: how many those are.
        strict: F1 and counts of entities with the same place and label, by label too.
        relaxed: the same where entities of one label need only overlap.
    """

    notes: int
    strict: Score
    relaxed: Score
    attributes: tuple[AttributeAgreement, ...]


def agreement(one: Iterable[Document], other: Iterable[Document]) -> Agreement:
    """The agreement on the documents that both have, by their ids. F1 is the same whoever is named first.

    Raises:
        InputError: when there is no such document.
    """
    theirs = {document.id: document for document in one}
    ours = {document.id: document for document in other}
    both = [id for id in theirs if id in ours]
    if not both:
        raise InputError("there is no note that both saved", expected="two names, each with versions of one note")
    sides = [theirs[id] for id in both], [ours[id] for id in both]
    labels = dict.fromkeys(entity.label for side in sides for document in side for entity in document.entities)
    pairing = pair(*sides, labels=tuple(labels))
    scores = tally(pairing, [Rule.STRICT, Rule.RELAXED])
    told = []
    for score in attribute_scores(pairing):
        table = {values: count for values, count in score.confusion.items() if MISSING not in values}
        if score.name != OF and table:
            same = sum(count for (a, b), count in table.items() if a == b)
            told.append(AttributeAgreement(score.name, sum(table.values()), same, kappa(table)))
    return Agreement(len(both), scores[Rule.STRICT], scores[Rule.RELAXED], tuple(told))


def kappa(table: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa of a table of how often one value met another; None where it is not defined.

    Source: J. Cohen, "A coefficient of agreement for nominal scales", 1960.
    """
    total = sum(table.values())
    values = {value for values in table for value in values}
    observed = sum(count for (a, b), count in table.items() if a == b) / total if total else 0.0
    by_chance = sum(
        sum(count for (a, _), count in table.items() if a == value)
        * sum(count for (_, b), count in table.items() if b == value)
        for value in values
    )
    expected = by_chance / total**2 if total else 1.0
    return (observed - expected) / (1.0 - expected) if expected < 1.0 else None
