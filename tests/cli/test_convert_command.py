import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from clinspan import codec
from clinspan.cli.main import app
from clinspan.cli.results import compare
from clinspan.corpora import catalogue, jsonl
from clinspan.document import Concept, Document, Entity, MatchKind, Span
from clinspan.errors import ClinspanError

TEXT = "Left and right arm pain 😀. Given aspirin."
PAIN = Entity(Span(0, 23), "Problem", TEXT[:23], fragments=(Span(0, 4), Span(15, 23)))
RIGHT = Entity(Span(9, 23), "Problem", "right arm pain")
DRUG = Entity(Span(33, 40), "Drug", "aspirin", score=0.5, concepts=(Concept("1191", "aspirin", "RxNorm"),))
CORPUS = [Document("a", TEXT, (RIGHT, PAIN, DRUG)), Document("b", "Nothing.")]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(f"{codec.dump(document)}\n" for document in CORPUS), encoding="utf-8")
    return path


def run(*words):
    result = CliRunner().invoke(app, ["convert", *map(str, words)])
    if isinstance(result.exception, ClinspanError):
        return 2, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stderr


def test_what_brat_keeps_comes_back_and_what_it_loses_is_said(corpus, tmp_path):
    status, said = run(corpus, tmp_path / "out", "--to", "brat")
    assert (status, said.splitlines()) == (
        0,
        [f"{tmp_path / 'out'}: 2 documents, 3 entities as brat", "lost: scores: 1 (the first in document 'a')"],
    )
    assert run(tmp_path / "out", tmp_path / "back.jsonl") == (
        0,
        f"{tmp_path / 'out'}: read as brat (it holds a.ann)\n"
        f"{tmp_path / 'back.jsonl'}: 2 documents, 3 entities as jsonl\n",
    )
    back = list(jsonl.read(tmp_path / "back.jsonl"))
    assert back == [replace(CORPUS[0], entities=(RIGHT, PAIN, replace(DRUG, score=None))), CORPUS[1]]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.jsonl", "corpus.jsonl", "out"]


def test_tags_lose_gaps_and_overlaps_and_say_so(corpus, tmp_path):
    status, said = run(corpus, tmp_path / "out.bio")
    assert status == 0
    for loss in (
        "lost: entities (their place or label): 1 (the first in document 'a')",
        "lost: gaps in discontinuous entities: 1 (the first in document 'a')",
        "lost: ids of documents: 2",
        "lost: scores: 1",
        "lost: concepts: 1",
    ):
        assert loss in said
    first, _ = catalogue.read(tmp_path / "out.bio")
    assert [(e.label, e.text) for e in first.entities] == [("Problem", TEXT[:23]), ("Drug", "aspirin")]


@pytest.mark.parametrize(
    ("format", "lost"),
    [
        ("jsonl", set()),
        ("parquet", set()),
        ("brat", set()),
        ("n2c2", set()),
        ("cadec", set()),
        ("i2b2", {"temporality"}),
        ("bioc-xml", set()),
        ("bioc-json", set()),
        ("label-studio", set()),
        ("pubtator", {"assertion", "temporality"}),
        ("bio", {"assertion", "temporality"}),
        ("docbin", {"assertion", "temporality"}),
        ("bc2gm", {"assertion", "temporality"}),
    ],
)
def test_attributes_are_kept_or_their_loss_is_said(tmp_path, format, lost):
    pytest.importorskip({"parquet": "pyarrow", "docbin": "spacy"}.get(format, "json"))
    label = "GENE" if format == "bc2gm" else "Drug"
    said = {"temporality": "past", "assertion": "negated"}
    document = Document("a", "Given aspirin daily.", (Entity(Span(6, 13), label, "aspirin", attributes=said),))
    corpus = tmp_path / "one.jsonl"
    corpus.write_text(f"{codec.dump(document)}\n", encoding="utf-8")
    status, told = run(corpus, tmp_path / "out", "--to", format)
    assert status == 0
    assert {name for name in said if f"lost: attributes {name!r}: 1" in told} == lost
    (again,) = catalogue.read(tmp_path / "out", format=format)
    assert again.entities[0].attributes == {name: value for name, value in said.items() if name not in lost}


def test_lossless_writes_nothing_that_loses(corpus, tmp_path):
    status, said = run(corpus, tmp_path / "out.bio", "--lossless")
    assert status == 2
    assert "bio would lose" in said
    assert [p.name for p in tmp_path.iterdir()] == ["corpus.jsonl"]
    assert run(corpus, tmp_path / "again.jsonl", "--lossless")[0] == 0
    assert (tmp_path / "again.jsonl").read_text() == corpus.read_text()


def test_an_output_that_exists_is_kept(corpus, tmp_path):
    (tmp_path / "out.jsonl").write_text("old")
    status, said = run(corpus, tmp_path / "out.jsonl")
    assert (status, "exists already" in said) == (2, True)
    assert (tmp_path / "out.jsonl").read_text() == "old"
    assert run(corpus, tmp_path / "out.jsonl", "--force")[0] == 0
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("old")
    status, said = run(corpus, tmp_path / "full", "--to", "brat", "--force")
    assert (status, "expected a new folder or an empty one" in said) == (2, True)
    (tmp_path / "empty").mkdir()
    assert run(corpus, tmp_path / "empty", "--to", "i2b2")[0] == 0


def test_labels_are_renamed_and_one_that_a_format_cannot_say_leaves_nothing_behind(corpus, tmp_path):
    assert run(corpus, tmp_path / "out", "--to", "brat", "--map", "Drug=my drug")[0] == 2
    assert not (tmp_path / "out").exists()
    assert run(corpus, tmp_path / "out", "--to", "brat", "--map", "Drug=Medication")[0] == 0
    first, _ = catalogue.read(tmp_path / "out")
    assert first.entities[2].label == "Medication"


def test_faults_are_named_and_lenient_goes_on(corpus, tmp_path):
    corpus.write_text(corpus.read_text() + "{}\n")
    status, said = run(corpus, tmp_path / "out.jsonl")
    assert (status, "line 3" in said, "--lenient" in said) == (2, True, True)
    status, said = run(corpus, tmp_path / "out.jsonl", "--lenient")
    assert (status, "passed over" in said) == (3, True)
    assert len(list(jsonl.read(tmp_path / "out.jsonl"))) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["out.xyz"], "no format is told from the name 'out.xyz'"),
        (["out", "--to", "text"], "'text' is not a format that can be written"),
        (["no/out.jsonl"], "there is no folder"),
        (["out.jsonl", "--from", "x"], "no corpus format 'x'"),
    ],
)
def test_wrong_words_are_said(corpus, tmp_path, words, says):
    status, said = run(corpus, tmp_path / words[0], *words[1:])
    assert (status, says in said) == (2, True)


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (Document("c", TEXT, CORPUS[0].entities), "ids of documents"),
        (Document("a", TEXT.replace(" ", "  "), ()), "white space of texts"),
        (Document("a", TEXT.replace("L", "l"), ()), "characters of texts"),
        (Document("a", TEXT, (RIGHT, PAIN)), "entities (their place or label)"),
        (Document("a", TEXT, (RIGHT, replace(PAIN, fragments=()), DRUG)), "gaps in discontinuous entities"),
        (Document("a", TEXT, (RIGHT, PAIN, replace(DRUG, concepts=()))), "concepts"),
        (Document("a", TEXT, (RIGHT, PAIN, replace(DRUG, match=MatchKind.FUZZY))), "kinds of match"),
        (Document("a", TEXT, (RIGHT, PAIN, replace(DRUG, rules=("x",)))), "rules that moved boundaries"),
    ],
)
def test_each_kind_of_loss_is_found(after, what):
    before = replace(CORPUS[0], metadata={"x": 1})
    assert compare([before], [before]) == ()
    found = [loss.what for loss in compare([before], [after])]
    assert what in found
    assert "metadata 'x'" in found


def test_a_document_that_is_gone_is_a_loss():
    assert [str(loss) for loss in compare(CORPUS, CORPUS[1:])] == ["documents: 1 (the first in document 'a')"]


def test_json_is_what_evaluate_reads_from_every_format(corpus, tmp_path):
    for form in ("brat", "n2c2", "cadec", "bioc-xml", "bioc-json", "jsonl"):
        out = tmp_path / (form if catalogue.by_name(form).folder else f"{form}.jsonl")
        run(corpus, out, "--to", form)
        words = ["evaluate", str(corpus), str(out), "--pred-from", form, "--json", "--resamples", "1"]
        result = CliRunner().invoke(app, words)
        assert json.loads(result.stdout)["micro"]["f1"] == 1.0, form


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("out.csv", "2 documents, 3 entities as flat-csv\nlost: texts of documents"),
        ("out.fhir.json", "as fhir\nlost: candidate concepts"),
        ("out.omop.csv", "as omop-csv\nlost: texts of documents"),
    ],
)
def test_an_export_says_what_it_loses(corpus, tmp_path, name, says):
    status, said = run(corpus, tmp_path / name)
    assert (status, says in said) == (0, True), said


def test_what_fhir_has_no_place_for_is_counted(corpus, tmp_path):
    said = run(corpus, tmp_path / "out.fhir.json", "--map", "Problem=gene")[1]
    assert "lost: label 'gene', which has no resource: 2\n" in said
