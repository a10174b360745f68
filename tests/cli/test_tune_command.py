from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import ClinspanError, ConfigError, LabelError, MissingExtra

PUBTATOR = "{0}|t|On gout.\n{0}|a|Gout and lithium.\n{0}\t3\t7\tgout\tDisease\tD1\n{0}\t9\t13\tGout\tDisease\tD1\n\n"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "gold.pubtator"
    path.write_text("".join(PUBTATOR.format(i) for i in range(6)))
    return path


def tune(*args):
    return CliRunner().invoke(app, ["tune", *map(str, args)])


def error(result) -> ClinspanError:
    assert isinstance(result.exception, ClinspanError), result.output
    return result.exception


def test_more_labels_than_examples(corpus, tmp_path):
    result = tune("--examples", corpus, "--labels", "disease", "--labels", "gene", "-o", tmp_path / "out")
    assert isinstance(error(result), ConfigError)


def test_a_label_that_the_set_lacks(corpus, tmp_path):
    result = tune("--examples", corpus, "--labels", "gene", "-o", tmp_path / "out")
    assert isinstance(error(result), LabelError)
    assert "--map Disease=NAME" in str(error(result))


@pytest.mark.parametrize("wrong", [("--map", "Disease"), ("--schedule", "steps"), ("--loss", "none"), ("--rank", "0")])
def test_options_that_cannot_be(corpus, tmp_path, wrong):
    result = tune("--examples", corpus, "--labels", "disease", "-o", tmp_path / "out", *wrong)
    assert isinstance(error(result), ConfigError)


@pytest.mark.skipif(find_spec("torch") is not None, reason="the extra 'train' is installed")
def test_without_the_extra(corpus, tmp_path):
    result = tune("--examples", corpus, "--labels", "disease", "-o", tmp_path / "out")
    assert isinstance(error(result), MissingExtra)
    assert ".[train]" in str(error(result))


def test_a_tiny_model_is_tuned(corpus, tmp_path, tiny_llama):
    out = tmp_path / "out"
    given = ("--examples", corpus, "--labels", "disease", "--base", tiny_llama, "--epochs", 1, "-o", out)
    result = tune(*given)
    assert result.exit_code == 0, result.output
    assert "gold.pubtator: 1 documents, 2 mentions of disease; 5 left out" in result.output
    assert {path.name for path in out.iterdir()} >= {"adapter.gguf", "card.json", "README.md", "checkpoint", "peft"}
    assert tune(*given).exit_code != 0
    assert tune(*given, "--resume").exit_code == 0
