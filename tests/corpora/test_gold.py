"""One rule for labels, for every command that reads gold documents."""

import json

import pytest
from typer.testing import CliRunner

from clinspan.ablation.plan import Source
from clinspan.ablation.plan_file import gold as ablation_gold
from clinspan.cli.main import app
from clinspan.corpora.gold import Naming, alike, read
from clinspan.document import Document, Entity, Span
from clinspan.errors import LabelError
from clinspan.examples.check import Gate, Rules
from clinspan.labels import LabelSet
from clinspan.tuning import gold as tuned_on

DISEASE = LabelSet.builtin("disease")
PUBTATOR = """1|t|Ataxia or gout and a colon tumour.
1|a|None.
1\t0\t6\tAtaxia\tSpecificDisease\tD1
1\t10\t14\tgout\t{}\tD2
1\t21\t33\tcolon tumour\tCompositeMention\tD3|D4
"""


@pytest.fixture(params=["Modifier", "modifier", "Disease", "DISEASE", "disease"])
def path(request, tmp_path):
    path = tmp_path / "gold.pubtator"
    path.write_text(PUBTATOR.format(request.param))
    return path


def labels(documents):
    return [entity.label for document in documents for entity in document.entities]


def test_every_reader_of_gold_gives_the_same_labels(path):
    naming = Naming(DISEASE.names)
    tuned = tuned_on.read(path, DISEASE).documents
    admitted = Gate(Rules(labels=DISEASE)).admit(read([path], naming))
    ablated = ablation_gold(Source(path=path), DISEASE, [])
    for documents in (read([path], naming), tuned, admitted, ablated):
        assert labels(documents) == ["disease"] * 3


def test_evaluate_names_them_alike(path, tmp_path):
    (document,) = read([path], Naming(DISEASE.names))
    names = ["disease", "Disease", "DISEASE"]
    found = [{"start": e.start, "end": e.end, "label": name} for e, name in zip(document.entities, names, strict=True)]
    pred = tmp_path / "pred.jsonl"
    pred.write_text(json.dumps({"id": "1", "text": document.text, "entities": found}))
    for more in ([], ["--label", "disease"]):
        result = CliRunner().invoke(app, ["evaluate", str(path), str(pred), "--json", *more])
        assert result.exception is None, result.exception
        assert json.loads(result.stdout)["micro"]["found"] == 3


def test_names_that_are_given_come_first_and_labels_can_be_ignored(path):
    given = path.read_text().split("\n")[3].split("\t")[4]
    naming = Naming(DISEASE.names, {given.upper(): "other"}, ["OTHER", "compositemention"])
    assert labels(read([path], naming)) == ["disease"]
    with pytest.raises(LabelError, match="has the label 'other', which 'disease' lacks"):
        list(ablation_gold(Source(path=path, names={given: "other"}), DISEASE, []))


@pytest.mark.parametrize(
    ("sides", "wanted", "expected"),
    [
        ([["SpecificDisease", "Modifier"], ["Disease"]], [], [["Disease", "Disease"], ["Disease"]]),
        ([["SpecificDisease"], ["Disease"]], ["disease"], [["disease"], ["disease"]]),
        ([["SpecificDisease"], ["specificDISEASE"]], [], [["SpecificDisease"], ["SpecificDisease"]]),
        # A corpus with labels of its own means by `Modifier` what it wants.
        ([["disease", "Modifier"], ["Disease", "modifier"]], [], [["disease", "Modifier"], ["disease", "Modifier"]]),
        ([["gene"], []], [], [["gene"], []]),
    ],
)
def test_two_sides_have_one_name_for_each_label(sides, wanted, expected):
    def document(names):
        return Document("1", "x", tuple(Entity(Span(0, 1), name, "x") for name in names))

    assert [labels(side) for side in alike([[document(names)] for names in sides], wanted=wanted)] == expected
