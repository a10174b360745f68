"""Which combinations are cells, and what is said of the others."""

from dataclasses import replace

import pytest
import sample

from clinspan.ablation.plan import grid
from clinspan.errors import ConfigError


def names(plan):
    return [cell.name for cell in grid(plan).cells]


def test_what_has_no_effect_makes_no_further_cells():
    plan = sample.plan(
        select=("none", "random", "knn"), k=(4, 8), examples_by=("lexical", "minilm"), select_seed=(1, 2)
    )
    assert names(plan) == [
        "no examples",
        *(f"random k={k}, seed {seed}" for k in (4, 8) for seed in (1, 2)),
        *(f"knn k={k}, by {by}" for k in (4, 8) for by in ("lexical", "minilm")),
    ]
    reasons = {one.name: one.reason for one in grid(plan).skipped}
    assert len(reasons) == 3 * 8 - 9
    assert reasons["no examples k=8, by minilm, seed 2"] == (
        "k has no effect without examples; examples-by has no effect without examples; "
        "select-seed has no effect without examples: it is the cell 'no examples'"
    )
    assert reasons["random k=4, by minilm, seed 1"] == (
        "examples-by has no effect on examples drawn by lot: it is the cell 'random k=4, seed 1'"
    )
    assert reasons["knn k=8, by lexical, seed 2"] == (
        "select-seed has no effect on knn, which draws no lots: it is the cell 'knn k=8, by lexical'"
    )


def test_the_dictionary_alone_is_one_cell():
    plan = sample.plan(llm=("none", "embedded"), facts=("none", "both"), format=("tanl", "json"))
    assert names(plan) == [
        "none",
        *(f"{form}, {facts}, embedded" for facts in ("no facts", "facts both") for form in ("tanl", "json")),
    ]


def test_facts_that_cannot_be_had_are_no_cell():
    plan = sample.plan(facts=("none", "labels", "both"), facts_from=("scan", "propose"), dictionary=("open", "none"))
    found = grid(plan)
    assert [cell.name for cell in found.cells] == [
        "no facts, dictionary open",
        "no facts, dictionary none",
        "facts labels, dictionary open, facts-from scan",
        "facts labels, dictionary none, facts-from scan",
        "facts both, dictionary open, facts-from scan",
        "facts both, dictionary open, facts-from propose",
    ]
    said = {one.reason for one in found.skipped}
    assert "facts come from a dictionary, and there is none" in said
    assert any(
        reason.startswith("facts that tell labels come from the dictionary's scan of the text") for reason in said
    )


def test_a_bias_says_nothing_of_a_format_that_is_no_copy():
    plan = sample.plan(format=("tanl", "json"), open_bias=(1.0, 2.0))
    assert names(plan) == ["tanl, open-bias 1", "tanl, open-bias 2", "json"]


def test_a_strategy_that_needs_a_pool_needs_one():
    with pytest.raises(ConfigError, match="the cell 'knn' chooses its examples from a pool, and the plan has none"):
        grid(replace(sample.plan(select=("none", "knn")), pool=None))


def test_a_plan_without_a_grid_is_one_cell():
    assert names(sample.plan()) == ["the one cell"]


def test_a_cells_file_is_that_of_its_settings_and_its_llm_whatever_else_the_grid_has():
    small, large = sample.plan(select=("knn",), k=(4,)), sample.plan(select=("none", "knn"), k=(2, 4))
    files = {cell.name: cell.file(large) for cell in grid(large).cells}
    (one,) = grid(small).cells
    assert one.file(small) == files["knn k=4"]
    assert len(set(files.values())) == len(files)
    assert files["knn k=4"].startswith("knn_k=4.")
