"""Packages that are missing: one error names them all, with the one command that installs them."""

import pickle
import re
import sys
import tomllib
from pathlib import Path

import pytest

from clinspan import Tagger
from clinspan.classifier.folder import for_labels
from clinspan.dictionary.sources.packaged import PACKAGES
from clinspan.errors import MissingExtra
from clinspan.tagging.names import check_packages

ENCODER = for_labels(("problem", "treatment", "test"))
NATIVE = ("onnxruntime", "tokenizers", "xllamacpp")


@pytest.mark.parametrize(
    ("llm", "encoder", "dictionary", "absent", "extra"),
    [
        ("none", ENCODER, "open", (*NATIVE, *PACKAGES), "embedded"),
        ("none", ENCODER, "open", ("onnxruntime",), "embedded"),
        ("none", ENCODER, "open", PACKAGES[:1], "vocabularies"),
        ("embedded", None, "none", NATIVE, "embedded"),
        ("openai:m", None, "open", ("openai", "httpx2", *PACKAGES), "openai,vocabularies"),
        ("anthropic:m", None, "none", ("anthropic",), "anthropic"),
    ],
)
def test_one_error_names_all_that_is_missing(monkeypatch, llm, encoder, dictionary, absent, extra) -> None:
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra) as raised:
        check_packages(llm, encoder, dictionary)
    used = set(absent) - ({"xllamacpp"} if llm == "none" else set())
    assert {name for name in absent if name in raised.value.what} == used
    assert str(raised.value).endswith(f"pip install '.[{extra}]'")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_an_extra_holds_what_the_project_declares() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["optional-dependencies"]["server"]
    fix = MissingExtra("fastapi", "server", purpose="a service").fix or ""
    held = re.search(r"the extra 'server' \((.*)\) from your checkout or wheel: pip install '\.\[server\]'$", fix)
    assert held is not None
    assert set(held[1].split(", ")) == set(declared)


def test_what_is_not_used_is_not_asked_for(monkeypatch) -> None:
    for name in (*NATIVE, *PACKAGES):
        monkeypatch.setitem(sys.modules, name, None)
    check_packages("none", None, "none")
    check_packages(None, None, None)


def test_a_tagger_says_it_before_it_opens_anything(monkeypatch) -> None:
    for name in (*NATIVE, *PACKAGES):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"onnxruntime, tokenizers, .* and simple_icd_10_cm, .*'\.\[embedded\]'"):
        Tagger.open(labels="problem-treatment-test")
