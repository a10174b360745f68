"""Our figures beside those of the scorers that papers quote: the packages themselves where there is one to install."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import tokens
from clinspan.document import Document, Entity, Span
from clinspan.evaluation import score

LABELS = ("problem", "test")
TAGS = st.sampled_from(["O", "O", "O", *(f"{kind}-{label}" for kind in "BI" for label in LABELS)])


def read(path, sentences):
    path.write_text("\n\n".join("\n".join(f"w\t{tag}" for tag in tags) for tags in sentences))
    return list(tokens.read(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tags")


@pytest.fixture(scope="module")
def seqeval():
    return pytest.importorskip("seqeval.metrics")


@st.composite
def tagged(draw, tags=TAGS):
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    sides = [[draw(st.lists(tags, min_size=n, max_size=n)) for n in lengths] for _ in range(2)]
    return sides[0], sides[1]


def well_formed(tags):
    """The same in IOB2: an I without an entity of its label before it becomes a B."""
    said, last = [], "O"
    for tag in tags:
        said.append("B" + tag[1:] if tag[0] == "I" and last[1:] != tag[1:] else tag)
        last = said[-1]
    return said


def figures(report):
    return {
        name: (row["precision"], row["recall"], row["f1-score"], row["support"])
        for name, row in report.items()
        if name in (*LABELS, "micro avg", "macro avg")
    }


def ours(found):
    rows = {"micro avg": found.micro, "macro avg": found.macro, **found.by_label}
    seen = {name for name, one in rows.items() if one.gold or one.predicted}
    return {name: (one.precision, one.recall, one.f1, one.gold) for name, one in rows.items() if name in seen}


def same(got, expected):
    assert got.keys() == expected.keys()
    for name, row in expected.items():
        assert got[name] == pytest.approx(row), name


@given(tagged())
def test_strict_on_iob2_is_what_seqeval_calls_strict(seqeval, folder, sides):
    from seqeval.scheme import IOB2

    gold, predicted = ([well_formed(tags) for tags in side] for side in sides)
    if all(tag == "O" for side in (gold, predicted) for tags in side for tag in tags):
        return
    report = seqeval.classification_report(
        gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )
    found = score(read(folder / "t.bio", gold), read(folder / "t.bio", predicted), labels=LABELS, lenient=True)
    same(ours(found), figures(report))


@given(tagged(st.sampled_from(["O", "O", *(f"{kind}-{label}" for kind in "BIES" for label in LABELS)])))
def test_any_tags_give_what_the_conll_script_makes_of_them(seqeval, folder, sides):
    # seqeval's default mode is the CoNLL script's reading of tags: an I after another label begins an entity.
    gold, predicted = sides
    if all(tag == "O" for side in sides for tags in side for tag in tags):
        return
    report = seqeval.classification_report(gold, predicted, output_dict=True, zero_division=0)
    found = score(read(folder / "c.bio", gold), read(folder / "c.bio", predicted), labels=LABELS, lenient=True)
    same(ours(found), figures(report))


def test_a_worked_example_of_the_conll_script(folder):
    # The script counts phrases, not tokens. NP at 0, VP at 2-3, NP at 4, PP at 6 against NP at 0, VP at 2, NP at 3-4,
    # PP at 6: "found: 4 phrases; correct: 2; precision 50.00 %; recall 50.00 %; FB1 50.00".
    gold = ["B-NP", "O", "B-VP", "I-VP", "B-NP", "O", "B-PP"]
    predicted = ["I-NP", "O", "B-VP", "I-NP", "I-NP", "O", "I-PP"]
    found = score(read(folder / "w.bio", [gold]), read(folder / "w.bio", [predicted]))
    assert {name: (one.found, one.predicted, one.gold) for name, one in found.by_label.items()} == {
        "NP": (1, 2, 2),
        "PP": (1, 1, 1),
        "VP": (0, 1, 1),
    }
    assert (found.micro.precision, found.micro.recall, found.micro.f1) == (0.5, 0.5, 0.5)


TEXT = "x" * 60


def doc(entities, id="1"):
    return Document(id, TEXT, tuple(Entity(Span(*place), label, TEXT[slice(*place)]) for label, place in entities))


def apart(seed):
    """Gold entities with gaps between, and predictions of which each overlaps one of them at most."""
    chance = random.Random(seed)
    gold, predicted = [], []
    for slot in range(0, 60, 10):
        here = (slot + chance.randint(0, 3), slot + chance.randint(5, 9))
        kind = chance.random()
        if kind < 0.8:
            gold.append((chance.choice(LABELS), here))
        if kind > 0.1:
            there = here if kind < 0.5 else (slot + chance.randint(0, 4), slot + chance.randint(5, 9))
            predicted.append((gold[-1][0] if gold and chance.random() < 0.7 else chance.choice(LABELS), there))
    return gold, predicted


def nervaluate(gold, predicted):
    package = pytest.importorskip("nervaluate")

    def listed(entities):
        # its ends are the last character's
        return [{"label": label, "start": start, "end": end - 1} for label, (start, end) in entities]

    results = package.Evaluator([listed(gold)], [listed(predicted)], tags=list(LABELS), loader="dict").evaluate()
    return results["overall"]


def counts(found):
    return found.micro.found, found.micro.predicted, found.micro.gold


@pytest.mark.parametrize("seed", range(60))
def test_nervaluate_agrees_where_the_order_of_entities_cannot_matter(seed):
    gold, predicted = apart(seed)
    theirs = nervaluate(gold, predicted)
    for rule, name in (("strict", "strict"), ("boundary", "exact"), ("type", "ent_type")):
        mine = score([doc(gold)], [doc(predicted)], rule=rule, labels=LABELS, lenient=True)
        assert counts(mine) == (theirs[name].correct, theirs[name].actual, theirs[name].possible), rule
    both = [score([doc(gold)], [doc(predicted)], rule=r, labels=LABELS, lenient=True) for r in ("boundary", "overlap")]
    exact, touching = (one.micro.found for one in both)
    assert (exact, touching - exact) == (theirs["partial"].correct, theirs["partial"].partial)


def test_nervaluate_changes_with_the_order_of_entities_and_we_do_not():
    gold = [("problem", (0, 10))]
    predicted = [("problem", (0, 4)), ("problem", (0, 10))]
    assert [nervaluate(gold, order)["strict"].correct for order in (predicted, predicted[::-1])] == [0, 1]
    for order in (predicted, predicted[::-1]):
        assert counts(score([doc(gold)], [doc(order)])) == (1, 2, 1)


def n2c2(gold, predicted, *, lenient):
    """The published rules of n2c2 2018 track 2: true positives, false positives, false negatives.

    A system's entity is right when one of gold has its label and, strictly, its start and end, or, leniently, a
    character in common. Of several that come upon a gold entity the first counts and the others are left out. False
    negatives are gold entities less true positives.
    """

    def agree(one, other):
        (label, (start, end)), (label2, (start2, end2)) = one, other
        near = start < end2 and start2 < end if lenient else (start, end) == (start2, end2)
        return label == label2 and near

    claimed, left_out = set(), set()
    for number, mine in enumerate(predicted):
        for other, theirs in enumerate(gold):
            if agree(mine, theirs):
                if other in claimed:
                    left_out.add(number)
                claimed.add(other)
    kept = [mine for number, mine in enumerate(predicted) if number not in left_out]
    right = sum(any(agree(mine, theirs) for theirs in gold) for mine in kept)
    return right, len(kept) - right, len(gold) - right


@pytest.mark.parametrize("seed", range(60))
def test_strict_and_relaxed_are_those_of_n2c2_where_each_entity_meets_one_other(seed):
    gold, predicted = apart(seed)
    for rule, lenient in (("strict", False), ("relaxed", True)):
        found, number, total = counts(score([doc(gold)], [doc(predicted)], rule=rule, labels=LABELS, lenient=True))
        assert n2c2(gold, predicted, lenient=lenient) == (found, number - found, total - found)


@given(
    *(
        st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 40), st.integers(1, 9)), max_size=8, unique=True)
        for _ in range(2)
    )
)
def test_strict_is_that_of_n2c2_for_any_entities(gold, predicted):
    gold, predicted = ([(label, (start, start + n)) for label, start, n in side] for side in (gold, predicted))
    found, number, total = counts(score([doc(gold)], [doc(predicted)], labels=LABELS, lenient=True))
    assert n2c2(gold, predicted, lenient=False) == (found, number - found, total - found)


def test_where_the_n2c2_scorer_leaves_out_what_comes_second_we_count_it():
    # Two predictions in one long gold entity: both are right with us; there the second is left out. One prediction on
    # two gold entities: it finds both with us, one there.
    long, short = [("problem", (0, 10))], [("problem", (0, 3)), ("problem", (5, 8))]
    assert n2c2(long, short, lenient=True) == (1, 0, 0)
    found = score([doc(long)], [doc(short)], rule="relaxed").micro
    assert (found.precision, found.recall, found.predicted) == (1, 1, 2)
    assert n2c2(short, long, lenient=True) == (1, 0, 1)
    found = score([doc(short)], [doc(long)], rule="relaxed").micro
    assert (found.precision, found.recall) == (1, 1)
    # And there the order decides: a wide prediction that comes first claims both, and leaves nothing to the others.
    wide, first, second = ("problem", (0, 8)), ("problem", (0, 2)), ("problem", (6, 8))
    assert n2c2(short, [wide, first, second], lenient=True) == (1, 0, 1)
    assert n2c2(short, [first, second, wide], lenient=True) == (2, 0, 0)
    orders = ([wide, first, second], [first, second, wide])
    assert [counts(score([doc(short)], [doc(order)], rule="relaxed")) for order in orders] == [(2, 3, 2)] * 2


def bc2gm(gold, alternatives, predicted):
    """BioCreative II's rules: true positives, false positives, false negatives.

    A gold mention is found when a prediction is in its place, or in that of an alternative that overlaps it. A
    prediction is wrong when it is in no place of either kind.
    """

    def near(one, other):
        return one[0] < other[1] and other[0] < one[1]

    def found(place):
        return any(p == place or (p in alternatives and near(p, place)) for p in predicted)

    right = sum(map(found, gold))
    return right, sum(p not in gold and p not in alternatives for p in predicted), len(gold) - right


def with_alternatives(gold, alternatives, predicted):
    right = doc([("GENE", place) for place in gold])
    right = Document("1", TEXT, right.entities, metadata={"alternatives": [list(place) for place in alternatives]})
    return score([right], [doc([("GENE", p) for p in predicted])], rule="alternatives", labels=["GENE"], lenient=True)


@pytest.mark.parametrize(
    ("gold", "alternatives", "predicted", "expected"),
    [
        ([(0, 10)], [(2, 10)], [(2, 10)], (1, 0, 0)),
        # an alternative of what was found already is neither right nor wrong
        ([(0, 10)], [(2, 10)], [(0, 10), (2, 10)], (1, 0, 0)),
        ([(0, 10)], [(2, 10)], [(3, 10)], (0, 1, 1)),
        # one that spans two finds both
        ([(0, 4), (6, 10)], [(0, 10)], [(0, 10)], (2, 0, 0)),
        # one that is gold itself, and an alternative of another
        ([(0, 4), (0, 10)], [(0, 4)], [(0, 4)], (2, 0, 0)),
        ([(0, 4)], [(20, 24)], [(20, 24)], (0, 0, 1)),
    ],
)
def test_alternatives_count_as_in_bc2gm(gold, alternatives, predicted, expected):
    assert bc2gm(gold, alternatives, predicted) == expected
    found, number, total = counts(with_alternatives(gold, alternatives, predicted))
    assert (found, number - found, total - found) == expected


PLACES = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda p: (p[0], p[0] + p[1])), unique=True)


@given(PLACES, PLACES, PLACES)
def test_alternatives_count_as_in_bc2gm_whatever_they_are(gold, alternatives, predicted):
    found, number, total = counts(with_alternatives(gold, alternatives, predicted))
    assert (found, number - found, total - found) == bc2gm(gold, alternatives, predicted)
