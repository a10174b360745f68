"""`import clinspan` and `clinspan --help` load little; what they promise is there when it is used."""

import ast
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import clinspan

SLOW = {"numpy", "jinja2", "regex", "marisa_trie", "clinspan.tagging.tagger", "clinspan.settings"}


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines())


def test_the_import_alone_loads_no_other_package() -> None:
    assert not SLOW & loaded("import clinspan")


def test_help_loads_no_command() -> None:
    showing = "from clinspan.cli.main import app\ntry: app(['--help'])\nexcept SystemExit: pass"
    found = loaded(showing)
    assert "clinspan.cli.main" in found
    assert not (SLOW | {"clinspan.cli.tag", "clinspan.cli.vocabulary"}) & found


def test_the_runtime_of_the_encoders_keeps_no_id_of_the_device_to_report_with(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    # It is silent by itself where tests or builds run: their signs in the environment are taken away.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    tagging = (
        "from clinspan import Tagger\n"
        "tagger = Tagger.open('none', labels='medication', encoder='clinical-notes', dictionary=None)\n"
        "assert tagger.tag('She takes aspirin.').entities"
    )
    subprocess.run([sys.executable, "-c", tagging], env=environment, check=True)
    assert not list(tmp_path.rglob("deviceid"))


@pytest.mark.parametrize("name", clinspan.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(clinspan, name) is not None
    assert name in dir(clinspan)


def test_checkers_of_types_see_what_is_there() -> None:
    tree = ast.parse(Path(clinspan.__file__).read_text(encoding="utf-8"))
    declared = {
        alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    del declared["import_module"], declared["TYPE_CHECKING"]
    assert set(declared) == set(clinspan.__all__) - {"__version__"}
    for name, module in declared.items():
        assert getattr(import_module(module), name) is getattr(clinspan, name)


def test_the_version_is_that_of_the_package() -> None:
    assert clinspan.__version__ == version("clinspan")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Taggger'"):
        clinspan.Taggger  # noqa: B018
