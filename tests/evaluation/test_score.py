import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError
from clinspan.evaluation import Rule, difference, intervals, score

TEXT = "x" * 40


def doc(*entities, id="1", text=TEXT):
    made = []
    for label, *spans in entities:
        spans = [Span(*span) for span in spans]
        hull = Span(spans[0].start, spans[-1].end)
        made.append(Entity(hull, label, hull.of(text), fragments=tuple(spans) if len(spans) > 1 else ()))
    return Document(id, text, tuple(made))


PLACES = st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda p: (p[0], p[0] + p[1]))
ENTITIES = st.lists(st.tuples(st.sampled_from("ab"), PLACES), max_size=8)


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        # what is predicted, (right, predicted) and (found, gold) under strict, relaxed, boundary, overlap
        ([("a", (0, 5))], [("a", (0, 5))], [(1, 1, 1, 1)] * 4),
        ([("a", (0, 5))], [("a", (0, 6))], [(0, 1, 0, 1), (1, 1, 1, 1), (0, 1, 0, 1), (1, 1, 1, 1)]),
        ([("a", (0, 5))], [("b", (0, 5))], [(0, 1, 0, 1), (0, 1, 0, 1), (1, 1, 1, 1), (1, 1, 1, 1)]),
        ([("a", (0, 5))], [("a", (5, 9))], [(0, 1, 0, 1)] * 4),
        ([("a", (0, 5)), ("a", (6, 9))], [("a", (4, 7))], [(0, 1, 0, 2), (1, 1, 2, 2), (0, 1, 0, 2), (1, 1, 2, 2)]),
        # given twice, counted once; nested ones each for itself
        ([("a", (0, 5))], [("a", (0, 5)), ("a", (0, 5))], [(1, 1, 1, 1)] * 4),
        ([("a", (0, 9)), ("a", (2, 4))], [("a", (2, 4))], [(1, 1, 1, 2), (1, 1, 2, 2), (1, 1, 1, 2), (1, 1, 2, 2)]),
        # discontinuous: the parts must be the same; a prediction in the gap touches nothing
        ([("a", (0, 3), (7, 9))], [("a", (0, 9))], [(0, 1, 0, 1), (1, 1, 1, 1), (0, 1, 0, 1), (1, 1, 1, 1)]),
        ([("a", (0, 3), (7, 9))], [("a", (0, 3), (7, 9))], [(1, 1, 1, 1)] * 4),
        ([("a", (0, 3), (7, 9))], [("a", (4, 6))], [(0, 1, 0, 1)] * 4),
        ([], [], [(0, 0, 0, 0)] * 4),
        ([], [("a", (0, 1))], [(0, 1, 0, 0)] * 4),
    ],
)
def test_rules(gold, predicted, expected):
    rules = (Rule.STRICT, Rule.RELAXED, Rule.BOUNDARY, Rule.OVERLAP)
    for rule, (right, predicted_number, found, gold_number) in zip(rules, expected, strict=True):
        counts = score([doc(*gold)], [doc(*predicted)], rule=rule, labels=["a", "b"]).counts.sum(axis=(0, 1))
        assert counts.tolist() == [predicted_number, right, gold_number, found], rule


@given(st.lists(st.tuples(ENTITIES, ENTITIES), min_size=1, max_size=4), st.sampled_from(Rule), st.randoms())
def test_order_changes_nothing_and_the_counts_are_those_of_comparing_every_pair(pairs, rule, shuffler):
    gold = [doc(*g, id=str(i)) for i, (g, _) in enumerate(pairs)]
    predicted = [doc(*p, id=str(i)) for i, (_, p) in enumerate(pairs)]
    found = score(gold, predicted, rule=rule, labels=["a", "b"])
    assert found.counts.sum(axis=(0, 1)).tolist() == by_hand(pairs, rule)
    shuffled = [Document(d.id, d.text, tuple(shuffler.sample(d.entities, len(d.entities)))) for d in predicted]
    shuffler.shuffle(shuffled)
    assert (score(gold, shuffled, rule=rule, labels=["a", "b"]).counts == found.counts).all()


def by_hand(pairs, rule):
    def agree(x, y):
        same_label = x[0] == y[0] or rule in (Rule.BOUNDARY, Rule.OVERLAP)
        if rule in (Rule.STRICT, Rule.BOUNDARY, Rule.ALTERNATIVES):
            return same_label and x[1] == y[1]
        return same_label and x[1][0] < y[1][1] and y[1][0] < x[1][1]

    def most(gold, predicted):
        # Tries every way to pair the first prediction; exponential, and plain to see that it is right.
        if not predicted:
            return 0
        first, *rest = predicted
        with_first = [1 + most([h for h in gold if h != g], rest) for g in gold if agree(first, g)]
        return max([most(gold, rest), *with_first])

    totals = [0, 0, 0, 0]
    for gold, predicted in pairs:
        gold, predicted = set(gold), set(predicted)
        totals[0] += len(predicted)
        totals[2] += len(gold)
        if rule is Rule.TYPE:
            number = most(sorted(gold), sorted(predicted))
            totals[1] += number
            totals[3] += number
        else:
            totals[1] += sum(any(agree(p, g) for g in gold) for p in predicted)
            totals[3] += sum(any(agree(p, g) for p in predicted) for g in gold)
    return totals


@pytest.mark.parametrize(
    ("gold", "predicted", "pairs"),
    [
        # one long prediction is one of the two it overlaps, and two short ones are one of the long one
        ([("a", (0, 5)), ("a", (6, 9))], [("a", (4, 7))], 1),
        ([("a", (4, 7))], [("a", (0, 5)), ("a", (6, 9))], 1),
        # the largest number of pairs: the first prediction gives way to the second, which has no other
        ([("a", (0, 5)), ("a", (6, 9))], [("a", (4, 7)), ("a", (0, 2))], 2),
        ([("a", (0, 5))], [("b", (0, 5))], 0),
        ([("a", (0, 3), (7, 9))], [("a", (4, 6))], 0),
    ],
)
def test_under_type_each_entity_counts_for_one_other(gold, predicted, pairs):
    found = score([doc(*gold)], [doc(*predicted)], rule="type", labels=["a", "b"])
    assert found.counts.sum(axis=(0, 1)).tolist() == [len(predicted), pairs, len(gold), pairs]


def test_micro_macro_and_labels():
    gold = [doc(("a", (0, 5)), ("a", (6, 9)), ("b", (10, 12)))]
    found = score(gold, [doc(("a", (0, 5)), ("b", (20, 22)))])
    assert found.by_label["a"].f1 == pytest.approx(2 / 3)
    assert found.by_label["b"].f1 == 0
    assert found.macro_f1 == found.macro.f1 == pytest.approx(1 / 3)
    assert (found.macro.precision, found.macro.recall) == (0.5, 0.25)
    assert (found.micro.precision, found.micro.recall) == (0.5, pytest.approx(1 / 3))


@pytest.mark.parametrize(
    ("predicted", "says"),
    [
        ([doc(), doc()], "the id '1' comes twice in the prediction"),
        ([], "document '1': is missing from the prediction"),
        ([doc(text="x" * 10 + "y")], "different texts from character 10 on: 'xxxxxxxxxxxxxxxxxxxx' and 'y'"),
        ([doc(), doc(id="2")], "document '2': is not among the gold documents"),
        ([doc(("A", (0, 1)))], "label 'A', which gold lacks.*--map"),
    ],
)
def test_what_does_not_belong_together_is_an_error_or_recorded(predicted, says):
    gold = [doc(("a", (0, 5)))]
    with pytest.raises(InputError, match=says):
        score(gold, predicted)
    found = score(gold, predicted, lenient=True)
    assert len(found.problems) == 1
    assert found.micro.gold == 1
    assert found.micro.recall == 0


def test_lenient_counts_what_only_the_prediction_has_as_wrong():
    found = score([doc(("a", (0, 5)))], [doc(("a", (0, 5))), doc(("a", (0, 5)), id="2")], lenient=True)
    assert (found.micro.precision, found.micro.recall) == (0.5, 1)


def many(seed, quality, number=60):
    chance = random.Random(seed)
    gold, predicted = [], []
    for i in range(number):
        right = [("a", (5 * j, 5 * j + 3)) for j in range(chance.randint(0, 6))]
        gold.append(doc(*right, id=str(i)))
        predicted.append(doc(*(e for e in right if chance.random() < quality), id=str(i)))
    return gold, predicted


def test_intervals_hold_the_figure_narrow_with_more_documents_and_repeat_with_the_seed():
    few, lots = (score(*many(3, 0.7, number)) for number in (30, 3000))
    micro, by_label = intervals(few)
    assert micro.f1.low < few.micro.f1 < micro.f1.high
    assert by_label["a"] == micro == intervals(few)[0]
    assert intervals(few, seed=1)[0] != micro
    wide = micro.recall.high - micro.recall.low
    narrow = intervals(lots)[0].recall
    assert narrow.high - narrow.low < wide / 5


def test_an_interval_is_that_of_drawing_documents_one_by_one():
    found = score(*many(4, 0.7))
    chance = np.random.default_rng(0)
    rates = []
    for _ in range(2000):
        drawn = found.counts[chance.integers(0, 60, 60)].sum(axis=(0, 1))
        rates.append(2 * drawn[1] / (drawn[0] + drawn[2]))
    low, high = np.quantile(rates, [0.025, 0.975])
    mine = intervals(found, resamples=2000, seed=5)[0].f1
    assert (mine.low, mine.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not():
    gold, weak = many(5, 0.6)
    strong = many(5, 0.9)[1]
    same = list(reversed(weak))
    better = difference(score(gold, weak), score(gold, strong))
    assert better.f1 > 0
    assert better.p < 0.01
    assert 0 < better.interval.low < better.f1 < better.interval.high
    equal = difference(score(gold, weak), score(gold, same))
    assert (equal.f1, equal.p) == (0, 1)


def test_only_what_can_be_compared_is():
    first = score([doc(("a", (0, 5)))], [doc()])
    second = score([doc(("a", (0, 6)))], [doc()])
    with pytest.raises(ConfigError, match="same documents"):
        difference(first, second)
    with pytest.raises(ConfigError, match="no documents"):
        intervals(score([], []))
    with pytest.raises(ConfigError, match="level"):
        intervals(first, level=1.0)


def test_the_signature_changes_with_the_gold_and_not_with_its_order():
    documents = [doc(("a", (0, 5))), doc(id="2")]
    signature = score(documents, documents).signature
    assert signature == score(documents[::-1], documents).signature
    assert signature != score([doc(("a", (0, 6))), doc(id="2")], documents).signature
    assert signature.startswith("rule:strict|labels:a|documents:2|gold:")
