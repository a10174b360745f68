"""What is said of prompt, examples and knowledge, with figures that can be reckoned by hand.

Each document has ten gold mentions and ten predicted; so many are right, and F1 is a tenth of that.
"""

import pytest
import sample

from clinspan.ablation.plan import grid
from clinspan.ablation.report import tables
from clinspan.ablation.results import Contributions

RIGHT = {
    ("tanl", "none", "none"): 2,
    ("tanl", "none", "both"): 3,
    ("tanl", "random", "none"): 3,
    ("tanl", "random", "both"): 4,
    ("tanl", "knn", "none"): 5,
    ("tanl", "knn", "both"): 8,
    ("json", "none", "none"): 1,
    ("json", "none", "both"): 2,
    ("json", "random", "none"): 1,
    ("json", "random", "both"): 1,
    ("json", "knn", "none"): 4,
    ("json", "knn", "both"): 6,
}


def rows(cell, document):
    settings = cell.settings
    return 10, RIGHT[settings["format"], settings["select"], settings["facts"]], 10


@pytest.fixture(scope="module")
def plan():
    return sample.plan(format=("tanl", "json"), select=("none", "random", "knn"), facts=("none", "both"))


@pytest.fixture(scope="module")
def found(plan):
    return Contributions(sample.results(plan, sample.corpus(4), rows), plan.axes)


def test_each_alone_and_together_against_the_cell_with_neither(found):
    gains = {one.name: one for one in found.gains()}
    assert len(gains) == 11
    assert {one.against for one in gains.values()} == {"tanl, no examples, no facts"}
    for name, factors, gain, interaction in [
        ("tanl, no examples, facts both", ("knowledge",), 0.1, None),
        ("tanl, knn, no facts", ("examples",), 0.3, None),
        ("json, no examples, no facts", ("prompt",), -0.1, None),
        ("tanl, knn, facts both", ("examples", "knowledge"), 0.6, 0.2),
        ("json, knn, no facts", ("prompt", "examples"), 0.2, 0.0),
        ("json, knn, facts both", ("prompt", "examples", "knowledge"), 0.4, 0.1),
    ]:
        one = gains[name]
        assert one.factors == factors
        assert one.gain.value == pytest.approx(gain)
        assert (one.interaction is None) if interaction is None else one.interaction.value == pytest.approx(interaction)
        # All documents are alike, so that there is no doubt.
        assert (one.gain.interval.low, one.gain.interval.high) == pytest.approx((gain, gain))


def test_main_effects_are_means_over_all_else(found):
    effects = {(one.factor, one.level): one for one in found.main_effects()}
    assert {key: (one.pairs, round(one.effect.value, 6)) for key, one in effects.items()} == {
        ("prompt", "json"): (6, round((-1 - 1 - 2 - 3 - 1 - 2) / 60, 6)),
        ("examples", "random"): (4, round((1 + 1 + 0 - 1) / 40, 6)),
        ("examples", "knn"): (4, round((3 + 5 + 3 + 4) / 40, 6)),
        ("knowledge", "facts both"): (6, round((1 + 1 + 3 + 1 + 0 + 2) / 60, 6)),
    }
    assert effects["examples", "knn"].against == "no examples"
    assert effects["prompt", "json"].against == "tanl"


def test_chosen_examples_against_those_drawn_by_lot(found):
    assert [(one.name, one.against, round(one.gain.value, 6)) for one in found.choosing()] == [
        ("tanl, knn, no facts", "tanl, random, no facts", 0.2),
        ("tanl, knn, facts both", "tanl, random, facts both", 0.4),
        ("json, knn, no facts", "json, random, no facts", 0.3),
        ("json, knn, facts both", "json, random, facts both", 0.5),
    ]


def test_cells_that_differ_in_the_seed_alone_are_one_with_their_mean():
    plan = sample.plan(select=("none", "random", "knn"), k=(1, 2), select_seed=(1, 2))
    right = {"none": 2, "knn": 6}

    def by_seed(cell, document):
        settings = cell.settings
        lot = 2 + int(settings.get("select-seed", 0)) * int(settings.get("k", 0))
        return 10, right.get(settings["select"], lot), 10

    found = Contributions(sample.results(plan, sample.corpus(3), by_seed), plan.axes)
    gains = {one.name: round(one.gain.value, 6) for one in found.gains()}
    assert gains == {"random k=1": 0.15, "random k=2": 0.3, "knn k=1": 0.4, "knn k=2": 0.4}
    assert [(one.name, one.against, round(one.gain.value, 6)) for one in found.choosing()] == [
        ("knn k=1", "random k=1", 0.25),
        ("knn k=2", "random k=2", 0.1),
    ]


def test_other_ways_to_choose_are_compared_with_the_nearest_sentences_too():
    plan = sample.plan(select=("random", "knn", "entity"), examples_by=("lexical", "minilm"))
    right = {"random": 2, "knn": 4, "entity": 5}
    found = Contributions(
        sample.results(plan, sample.corpus(3), lambda cell, d: (10, right[cell.settings["select"]], 10)), plan.axes
    )
    assert [(one.name, one.against, round(one.gain.value, 6)) for one in found.choosing()] == [
        ("knn, by lexical", "random", 0.2),
        ("knn, by minilm", "random", 0.2),
        ("entity, by lexical", "random", 0.3),
        ("entity, by minilm", "random", 0.3),
        ("entity, by lexical", "knn, by lexical", 0.1),
        ("entity, by minilm", "knn, by minilm", 0.1),
    ]


def test_without_a_cell_without_examples_lots_are_the_only_measure():
    plan = sample.plan(select=("random", "knn"), k=(4, 8))
    found = Contributions(
        sample.results(plan, sample.corpus(3), lambda cell, d: (10, 5 if cell.settings["select"] == "knn" else 4, 10)),
        plan.axes,
    )
    assert list(found.gains()) == []
    assert list(found.main_effects()) == []
    assert [one.name for one in found.choosing()] == ["knn k=4", "knn k=8"]


def test_the_dictionary_alone_is_compared_with_nothing():
    plan = sample.plan(llm=("none", "embedded"), facts=("none", "both"))
    found = Contributions(sample.results(plan, sample.corpus(3), lambda cell, d: (10, 5, 10)), plan.axes)
    assert [(one.name, one.against) for one in found.gains()] == [("facts both, embedded", "no facts, embedded")]


def test_sentences_of_one_document_are_drawn_together():
    plan = sample.plan(select=("none", "fixed"))

    def rows(cell, document):
        return 10, (8 if document.id.startswith(("d0", "d1")) else 2) + (cell.settings["select"] == "fixed"), 10

    whole = sample.results(plan, sample.corpus(4), rows)
    parts = sample.results(plan, sample.corpus(4, parts=5), rows)
    assert whole.groups == parts.groups
    assert whole.cells[0].intervals == parts.cells[0].intervals
    assert parts.documents == 20


def test_figures_are_of_the_documents_that_all_cells_have():
    plan, corpus = sample.plan(select=("none", "fixed", "knn")), sample.corpus(4)
    cells = grid(plan).cells
    known = [
        (cell, {d.id: sample.one(d.id, (10, 5, 10)) for d in corpus.documents[:n]})
        for cell, n in zip(cells, (4, 3, 0), strict=True)
    ]
    found = sample.Results(known, corpus, ("disease",), seed=1)
    assert found.documents == 3
    assert [one.documents for one in found.cells] == [3, 3]
    assert [cell.name for cell in found.unmeasured] == ["knn"]
    assert ("knn", "not measured yet", "") in list(tables(plan, grid(plan), found, {}, {}))[-1].rows
