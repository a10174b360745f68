"""The commands that the pages show for releases, run on tiny files; and what is refused of them."""

import re
import shlex
from pathlib import Path

import pytest
from tests.dictionary.test_releases import HGNC, LOINC, LOINC_ROWS, rxnorm, snomed
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.dictionary.build import build, resolve
from clinspan.dictionary.store import Dictionary
from clinspan.errors import ConfigError, DictionaryError

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
OBO = 'ontology: maxo\n\n[Term]\nid: MAXO:1\nname: foot bath\nsynonym: "pediluvium" EXACT []\nxref: MESH:D000001\n'
TERMS = {"Loinc.csv": "sugar", "RxNorm": "tylenol", "Snomed": "podagra", "hgnc": "p88", "maxo": "pediluvium"}


def shown(page: str) -> list[str]:
    commands = re.findall(r"clinspan dictionary build [^`\n]+", (PAGES / page).read_text(encoding="utf-8"))
    return [command for command in commands if any(name in command for name in TERMS)]


def releases(folder: Path) -> None:
    (folder / "LoincTable").mkdir()
    (folder / "LoincTable" / "Loinc.csv").write_text(LOINC + "".join(LOINC_ROWS))
    rxnorm(folder / "RxNorm_full_01052026")
    snomed(folder / "SnomedCT_Release")
    (folder / "hgnc_complete_set.txt").write_text(HGNC)
    (folder / "maxo.obo").write_text(OBO)


def test_each_release_has_its_command_on_the_pages() -> None:
    for page, count in (("codes.md", 4), ("dictionary.md", 5)):
        assert len(shown(page)) == count


@pytest.mark.parametrize("command", [*shown("codes.md"), *shown("dictionary.md")])
def test_a_release_is_built_by_the_command_that_the_page_shows(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases(tmp_path)
    monkeypatch.chdir(tmp_path)
    # The open vocabularies take long to build, and tests of their own read them.
    words = [word for word in shlex.split(command)[1:] if word != "packaged"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    term = next(term for name, term in TERMS.items() if name in command)
    assert Dictionary.open(tmp_path / words[-1]).find(term)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "ours.tsv",
            "id\tname\tequivalents\nA:1\tgout\tICD10CM:M 10\n",
            r"ours\.tsv:2: the equivalent 'ICD10CM:M 10' is not an id",
        ),
        (
            "m.sssom.tsv",
            "subject_id\tpredicate_id\tobject_id\nMONDO:1\tskos:exactMatch\tMESH:D 1\n",
            r"m\.sssom\.tsv:2: 'MESH:D 1' is not an id",
        ),
        ("m.sssom.tsv", "subject\tpredicate_id\tobject_id\n", r"m\.sssom\.tsv:1: has no column subject_id"),
        ("hgnc_complete_set.txt", HGNC.replace("prev_symbol", "previous"), r"hgnc_complete_set\.txt:1: has no column"),
        (
            "bad.obo",
            "ontology: x\n\n[Term]\nname without colon\n",
            r"bad\.obo:4: 'name without colon' is not a line of a term",
        ),
    ],
)
def test_an_id_with_a_space_and_other_columns_are_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DictionaryError, match=said):
        build(resolve(str(tmp_path / name)), tmp_path / "out")


def test_an_ontologys_cross_reference_with_a_space_is_no_code(tmp_path: Path) -> None:
    (tmp_path / "maxo.obo").write_text(OBO.replace("MESH:D000001", "MESH: D000001"))
    build(resolve(str(tmp_path / "maxo.obo")), tmp_path / "out")
    (sense,) = Dictionary.open(tmp_path / "out").find("foot bath")
    assert Dictionary.open(tmp_path / "out").equivalents(sense) == ()


def test_a_crosswalk_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "maxo.obo").write_text(OBO)
    build(resolve(str(tmp_path / "maxo.obo"), types=("Disease or Syndrome",)), tmp_path / "out")
    (tmp_path / "note.txt").write_text("A foot bath.")
    options = ["--labels", "disease", "--llm", "none", "--dictionary", str(tmp_path / "out"), "--codes", "icd10cm"]
    done = CliRunner().invoke(app, ["tag", str(tmp_path / "note.txt"), "-o", str(tmp_path / "out.jsonl"), *options])
    assert isinstance(done.exception, ConfigError)
    assert done.exception.where == "--codes"
    assert "has no codes 'icd10cm'" in str(done.exception)
    assert "some of MESH, MAXO" in str(done.exception)
    assert not (tmp_path / "out.jsonl").exists()
