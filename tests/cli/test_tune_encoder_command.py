import json
from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.cli.opening import gather
from clinspan.errors import ClinspanError, ConfigError, InputError, LabelError, MissingExtra, OutputError

PUBTATOR = """{0}|t|On gout {0}.
{0}|a|Gout and lithium.
{0}\t3\t7\tgout\tDisease\tD1
{0}\t11\t15\tGout\tDisease\tD1

"""


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "gold.pubtator"
    path.write_text("".join(PUBTATOR.format(i) for i in range(6)))
    return path


def clinspan(*args):
    return CliRunner().invoke(app, [*map(str, args)])


def error(result) -> ClinspanError:
    assert isinstance(result.exception, ClinspanError), result.output
    return result.exception


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("--labels", "disease", "--labels", "gene"), ConfigError),
        (("--labels", "gene"), LabelError),
        (("--labels", "disease", "--map", "Disease"), ConfigError),
        (("--labels", "disease", "--learning-rate", "2"), ConfigError),
        (("--labels", "disease", "--keep-empty", "-1"), ConfigError),
        (("--labels", "disease", "--batch", "0"), ConfigError),
        (("--labels", "disease", "--resume"), InputError),
        (("--labels", "disease", "--documents", "7"), ConfigError),
        (("--labels", "disease", "--documents", "some"), ConfigError),
        (("--labels", "disease", "--documents", "1", "--documents", "2"), ConfigError),
    ],
)
def test_what_cannot_be_is_refused(corpus, tmp_path, options, kind):
    result = clinspan("tune-encoder", "--examples", corpus, "-o", tmp_path / "out", *options)
    assert isinstance(error(result), kind)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(find_spec("torch") is not None, reason="the extra 'train' is installed")
def test_without_the_extra(corpus, tmp_path):
    result = clinspan("tune-encoder", "--examples", corpus, "--labels", "disease", "-o", tmp_path / "out")
    assert isinstance(error(result), MissingExtra)
    assert ".[train]" in str(error(result))


def test_an_encoder_is_tuned_tags_and_is_scored(corpus, tmp_path, tiny_encoder):
    out, dev = tmp_path / "out", tmp_path / "dev.pubtator"
    dev.write_text(PUBTATOR.format(5))
    given = ("tune-encoder", "--examples", corpus, "--labels", "disease", "--dev", dev, "--base", tiny_encoder)
    given = (*given, "--epochs", 15, "--learning-rate", 0.01, "-o", out)
    result = clinspan(*given)
    assert result.exit_code == 0, result.output
    assert "gold.pubtator: 5 documents, 10 mentions of disease; 1 left out" in result.output
    assert isinstance(error(clinspan(*given)), OutputError)
    tags = ("tag", dev, "--llm", "none", "--encoder", out, "--labels", "disease", "--dictionary", "none")
    result = clinspan(*tags, "--from", "pubtator", "-o", tmp_path / "tagged.jsonl", "--quiet")
    assert result.exit_code == 0, result.output
    result = clinspan("evaluate", dev, tmp_path / "tagged.jsonl", "--map", "Disease=disease", "--json")
    assert result.exit_code == 0, result.output
    card = json.loads((out / "card.json").read_text())
    assert json.loads(result.output)["micro"]["f1"] == card["scores"][0]["strict"]["all"]["f1"] == 1.0


@pytest.mark.parametrize(("wanted", "count"), [("2", 2), ("40%", 2), ("100%", 5)])
def test_some_of_the_documents_are_learned_from(tmp_path, tiny_encoder, wanted, count):
    gold, dev, out = tmp_path / "gold.pubtator", tmp_path / "dev.pubtator", tmp_path / "out"
    gold.write_text("".join(PUBTATOR.format(i) for i in range(6)))
    dev.write_text(PUBTATOR.format(5))
    given = ("--examples", gold, "--labels", "disease", "--dev", dev, "--base", tiny_encoder, "--epochs", 1, "-o", out)
    result = clinspan("tune-encoder", *given, "--documents", wanted)
    assert result.exit_code == 0, result.output
    # What is held out is no part of what is drawn from.
    assert f"gold.pubtator: {count} documents, {2 * count} mentions of disease; 1 left out" in result.output
    data = json.loads((out / "card.json").read_text())["data"]
    assert [(row["split"], row["documents"]) for row in data] == [("train", count), ("development", 1)]


def test_faults_are_named_before_anything_is_trained(tmp_path):
    gold, other = tmp_path / "gold.pubtator", tmp_path / "other.pubtator"
    gold.write_text(PUBTATOR.format(1) + "2|t|Gout.\n2\t0\t9\tGout\tDisease\tD1\n")
    other.write_text("no title\n\n" + PUBTATOR.format(3))
    found = gather([gold], ["disease"], hold_out=[other], seed=1)
    assert [len(corpus.documents) for corpus in found.corpora] == [2]
    lines = list(found.told())
    assert lines[0] == "gold.pubtator: 2 documents, 2 mentions of disease; 0 left out"
    assert lines[1].startswith(f"gold.pubtator: 1 faults passed over, the first: {gold}, line 7: 0-9 is not within")
    assert lines[2].startswith(f"other.pubtator: 1 faults passed over, the first: {other}, line 1: a document does not")


NOTES = [
    ("a", "He had gout. Colchicine helped him at once. He went home the next day. No fever was seen."),
    ("b", "She has gout. No fever was seen. The toe is red and swollen. It hurts at night, she says."),
    ("c", "He is well."),
]


@pytest.fixture
def documents(tmp_path):
    path = tmp_path / "notes.jsonl"
    lines = []
    for id, text in NOTES:
        at = text.find("gout")
        entities = [{"start": at, "end": at + 4, "label": "disease"}] if at >= 0 else []
        lines.append(json.dumps({"id": id, "text": text, "entities": entities}) + "\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture
def pool(tmp_path, documents):
    assert clinspan("examples", "build", documents, "-o", tmp_path / "pool", "--labels", "disease").exit_code == 0
    return tmp_path / "pool"


def test_a_pool_is_learned_from_as_its_documents_are(tmp_path, documents, pool):
    (gold,) = gather([pool], ["disease"], seed=1).corpora
    (same,) = gather([documents], ["disease"], seed=1).corpora
    assert [(doc.id, doc.entities) for doc in gold.documents] == [(doc.id, doc.entities) for doc in same.documents]
    assert gold.documents[0].text == NOTES[0][1]
    clinspan("examples", "build", documents, "-o", tmp_path / "again", "--labels", "disease")
    (again,) = gather([tmp_path / "again"], ["disease"], seed=1).corpora
    assert again.sha256 == gold.sha256


def test_what_is_held_out_is_not_learned_from_a_pool_that_lacks_a_sentence_of_it(tmp_path, pool):
    held = tmp_path / "held.jsonl"
    # The pool has "No fever was seen." from the note before, so its text of this one is shorter.
    held.write_text(json.dumps({"id": "z", "text": NOTES[1][1], "entities": []}) + "\n")
    (gold,) = gather([pool], ["disease"], hold_out=[held], seed=1).corpora
    assert [doc.id for doc in gold.documents] == ["a", "c"]
    assert gold.left_out == 1


def test_a_pool_that_was_not_annotated_for_a_label_is_refused(pool):
    with pytest.raises(LabelError, match="not annotated for 'chemical'"):
        gather([pool], ["chemical-disease"], seed=1)


def test_a_dictionary_is_not_taken_for_a_pool(tmp_path):
    terms = tmp_path / "terms.csv"
    terms.write_text("id,name,type\nX:1,gout,Disease or Syndrome\n", encoding="utf-8")
    assert clinspan("dictionary", "build", terms, "-o", tmp_path / "terms").exit_code == 0
    with pytest.raises(InputError, match="is not a pool's manifest; expected the folder of a pool"):
        gather([tmp_path / "terms"], ["disease"], seed=1)


def test_a_pool_s_labels_can_be_renamed(tmp_path, pool):
    labels = tmp_path / "labels.toml"
    labels.write_text('name = "ours"\n[[labels]]\nname = "illness"\ndefinition = "A disease."\n')
    (gold,) = gather([pool], [str(labels)], rename=["disease=illness"], seed=1).corpora
    assert [entity.label for doc in gold.documents for entity in doc.entities] == ["illness"] * 2
