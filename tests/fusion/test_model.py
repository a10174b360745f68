"""A fused model: what it decides, what it says of it, and which ones are refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from clinspan.document import Entity, Span
from clinspan.errors import ConfigError
from clinspan.fusion.features import ELSEWHERE, NAMES, Prior
from clinspan.fusion.heard import Gain, Heard, gathered
from clinspan.fusion.model import FusedModel, Judge, Weights, for_sources
from clinspan.fusion.trees import Trees
from clinspan.labels import Label, LabelSet

LABELS = LabelSet("s", (Label("problem", "A problem."), Label("test", "A test.")))
GAIN = Gain(0.2, (0.1,) * 100)
SOURCES = {"dictionary": "terms 1", "encoder": "encoder:small:0123"}


def weights(*, names=NAMES, **given: float) -> Weights:
    """The given weights for both labels; `encoder` is the log-odds at their word."""
    row = [given.get(name.replace(" ", "_"), 0.0) for name in names]
    return Weights(np.array([row, row]), np.array([0.0, 0.1]), np.full(len(names), 0.25))


def table(**given: float) -> Judge:
    return Judge(weights(**given), weights(names=(*NAMES, *ELSEWHERE), **given), 0.4)


@pytest.fixture
def model() -> FusedModel:
    tables = {"without llm": table(encoder=1.0, likeliest_elsewhere=1.0)}
    return FusedModel(LABELS.names, SOURCES, tables, Prior({"gout": 2}, {"gout": {"problem": 1}}), {"documents": "20"})


def heard(*said: tuple[int, int, str, float], llm: tuple[tuple[int, int, str], ...] = ()) -> Heard:
    text = "gout and gout, again gout"
    told = [("encoder", Entity(Span(a, b), label, text[a:b], p)) for a, b, label, p in said]
    told += [("llm", Entity(Span(a, b), label, text[a:b])) for a, b, label in llm]
    return Heard(text, gathered(told, [Span(0, 8)] if llm else []))


def test_a_decision_elsewhere_in_the_document_counts(model):
    (alone,) = model.verdicts(heard((9, 13, "problem", 0.3)), LABELS)
    assert (alone.taken, alone.probability) == (False, pytest.approx(0.3))
    sure, doubtful = model.verdicts(heard((0, 4, "problem", 0.95), (9, 13, "problem", 0.3)), LABELS)
    assert sure.taken
    assert doubtful.taken
    assert doubtful.probability > 0.8


def test_of_candidates_that_overlap_the_best_set_is_taken(model):
    verdicts = model.verdicts(heard((0, 4, "problem", 0.5), (0, 13, "problem", 0.6), (9, 13, "test", 0.5)), LABELS)
    taken = [(v.candidate.span.start, v.candidate.span.end) for v in verdicts if v.taken]
    assert taken == [(0, 13)] or sum(v.probability - 0.4 for v in verdicts if v.taken) > 0.2


def test_weights_told_add_up_to_the_log_odds(model):
    for verdict in model.verdicts(heard((0, 4, "problem", 0.9), (9, 13, "test", 0.3)), LABELS, explain=True):
        second = model.tables["without llm"].second
        label = LABELS.names.index(verdict.candidate.label)
        usual = second.intercepts[label] + second.weights[label] @ second.means
        odds = math.log(verdict.probability / (1 - verdict.probability))
        assert math.fsum(verdict.weights.values()) + usual == pytest.approx(odds)


def test_where_an_llm_read_other_weights_count():
    tables = {"without llm": table(encoder=1.0), "with llm": table(llm_names_it=3.0)}
    model = FusedModel(LABELS.names, SOURCES | {"llm": "llm:x"}, tables, gain=GAIN)
    found = heard((0, 4, "problem", 0.2), (9, 13, "problem", 0.2), llm=((0, 4, "problem"),))
    read, unread = model.verdicts(found, LABELS)
    assert (read.taken, unread.taken) == (True, False)


def test_a_file_is_read_as_it_was_written(model, tmp_path):
    path = tmp_path / "fused.json"
    path.write_text(model.to_json(), encoding="utf-8")
    again = FusedModel.read(path)
    assert again.to_json() == model.to_json()
    found = heard((0, 4, "problem", 0.5), (9, 13, "test", 0.3))
    assert again.verdicts(found, LABELS) == model.verdicts(found, LABELS)


def test_where_asking_pays_is_kept_with_the_llm_and_with_no_other_sources(model):
    tables = {"without llm": table(encoder=1.0), "with llm": table(llm_names_it=3.0)}
    with_llm = FusedModel(LABELS.names, SOURCES | {"llm": "llm:x"}, tables, gain=GAIN)
    assert FusedModel.parse(with_llm.to_json(), where="here").gain == GAIN
    told = json.loads(with_llm.to_json())
    del told["gain"]
    with pytest.raises(ConfigError, match="what asking an LLM gains"):
        FusedModel.parse(json.dumps(told), where="here")
    with pytest.raises(ValueError, match="what asking an LLM gains"):
        replace(model, gain=GAIN)


def changed(model: FusedModel, **values: object) -> str:
    return json.dumps(json.loads(model.to_json()) | values)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"version": 0}, "another version of clinspan"),
        ({"features": ["encoder"]}, "another version of clinspan"),
        ({"kind": "token classifier"}, "is not a fused model: it is a 'token classifier'"),
        ({"tables": {}}, "is not a fused model"),
        ({"prior": {"gout": 3}}, "is not a fused model"),
    ],
)
def test_a_file_of_another_kind_or_version_is_refused(model, given, said):
    with pytest.raises(ConfigError, match=said) as refused:
        FusedModel.parse(changed(model, **given), where="fused.json")
    assert "fused.json" in str(refused.value)
    assert "clinspan fuse" in str(refused.value)


def test_weights_that_are_no_numbers_are_refused(model):
    data = json.loads(model.to_json())
    data["tables"]["without llm"]["first"]["intercepts"] = [math.nan, 0.0]
    with pytest.raises(ConfigError, match="finite"):
        FusedModel.parse(json.dumps(data), where="fused.json")


@pytest.mark.parametrize(
    ("labels", "sources", "said"),
    [
        (("problem",), SOURCES, "fitted for problem, test, not for problem"),
        (LABELS.names, SOURCES | {"encoder": "encoder:small:9999"}, "encoder:small:0123.*encoder:small:9999"),
        (LABELS.names, {"encoder": SOURCES["encoder"]}, "dictionary 'terms 1', not over 'none'"),
        (LABELS.names, SOURCES | {"llm": "llm:x"}, "llm 'none', not over 'llm:x'"),
    ],
)
def test_other_labels_or_sources_are_refused_by_name(model, labels, sources, said):
    with pytest.raises(ConfigError, match=said):
        model.check(labels, sources)
    assert not model.fits(labels, sources)


def test_a_model_that_knows_an_llm_goes_without_one():
    tables = {"without llm": table(encoder=1.0), "with llm": table(llm_names_it=3.0)}
    model = FusedModel(LABELS.names, SOURCES | {"llm": "llm:x"}, tables, gain=GAIN)
    model.check(LABELS.names, SOURCES)
    with pytest.raises(ValueError, match="do not suit"):
        replace(model, sources=SOURCES)


def test_none_comes_with_clinspan_for_sources_that_it_does_not_know():
    assert for_sources(LABELS.names, SOURCES) is None
    assert for_sources(("problem", "treatment", "test"), SOURCES) is None


def test_trees_decide_and_explain_like_weights(model, tmp_path):
    encoder, llm = NAMES.index("encoder"), NAMES.index("llm names it")
    nodes = [[0.0, -1.0, 1.0, -1.5, -0.5, 0.5, 1.5]]
    trees = Trees(np.array([[encoder, llm]]), np.array([[0.0, 0.5]]), np.array(nodes))
    first = model.tables["without llm"].first
    grown = replace(model, tables={"without llm": Judge(first, trees, 0.4)})
    path = tmp_path / "fused.json"
    path.write_text(grown.to_json(), encoding="utf-8")
    found = heard((0, 4, "problem", 0.9), (9, 13, "problem", 0.3))
    for one in (grown, FusedModel.read(path)):
        likely, unlikely = one.verdicts(found, LABELS, explain=True)
        assert math.log(likely.probability / (1 - likely.probability)) == pytest.approx(0.5)
        assert (likely.taken, unlikely.taken) == (True, False)
        assert (likely.weights["encoder"], likely.weights["llm"]) == (1.0, -0.5)
    too_wide = Trees(np.array([[len(NAMES) + len(ELSEWHERE) + 1]]), np.array([[0.0]]), np.array([[0.0, 0.0, 0.0]]))
    with pytest.raises(ValueError, match="as many weights as features"):
        Judge(first, too_wide, 0.4)
