import bz2
import pickle
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime

import pytest

from clinspan.dictionary import build
from clinspan.dictionary.sources import packaged as module
from clinspan.dictionary.sources.packaged import (
    drugs,
    hpo_types,
    icd10cm,
    icd10cm_types,
    mesh_diseases,
    mesh_types,
    mondo,
    mondo_types,
    packaged,
    read_plain_pickle,
)
from clinspan.errors import DictionaryError, MissingExtra


def test_the_packages_carry_the_vocabularies_they_are_installed_for():
    sources = packaged()
    entries = {source.infos()[0].name: {entry.id: entry for entry in source.entries()} for source in sources}
    assert {name: len(found) > 4_000 for name, found in entries.items()} == dict.fromkeys(
        ("MONDO", "MeSH", "HPO", "ICD10CM", "DRUGS", "HGNC"), True
    ) | dict.fromkeys(("CARE", "ICD10PCS"), False)
    assert entries["MONDO"]["MONDO:0005148"].terms[0].text == "type 2 diabetes mellitus"
    assert entries["MONDO"]["MONDO:0005148"].definitions
    assert entries["MeSH"]["MESH:D003924"].terms[0].text == "Diabetes Mellitus, Type 2"
    assert "niddm" in {term.text for term in entries["MeSH"]["MESH:D003924"].terms}
    assert entries["HPO"]["HP:0000098"].types == ("Finding",)
    assert "HP:0000006" not in entries["HPO"]  # autosomal dominant inheritance is no phenotype
    assert entries["ICD10CM"]["ICD10CM:E11.9"].types == ("Disease or Syndrome",)
    assert entries["DRUGS"]["MESH:D001241"].terms[0].text.casefold() == "aspirin"
    assert entries["HGNC"]["HGNC:1100"].terms[0].text == "BRCA1"
    assert entries["CARE"]["MESH:D004562"].types == ("Diagnostic Procedure",)
    assert entries["CARE"]["CARE:potassium"].equivalents == ("MESH:D011188",)
    assert entries["ICD10PCS"]["ICD10PCS:0DTJ"].terms[1].text == "Appendectomy"
    assert entries["ICD10PCS"]["ICD10PCS:0FJ44ZZ"].types == ("Diagnostic Procedure",)
    for source in sources:
        (info,) = source.infos()
        assert info.licence != "not stated"
        assert info.version != "not stated"


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (mondo_types("MONDO:1", {"MONDO:0045024"}), ("Neoplastic Process",)),
        (mondo_types("MONDO:0000001", {}), None),
        (mondo_types("MONDO:1011424", {"MONDO:0005583"}), None),
        (hpo_types("HP:1", frozenset({"HP:0000118", "HP:0012531"})), ("Sign or Symptom",)),
        (hpo_types("HP:1", frozenset()), None),
        (mesh_types(["C04.1", "C16.131.2"]), ("Neoplastic Process", "Congenital Abnormality")),
        (mesh_types(["C23.550.291.937"]), ("Functional Concept",)),
        (mesh_types(["F01.145"]), ()),
        (icd10cm_types("D49.0"), ("Neoplastic Process",)),
        (icd10cm_types("D50.0"), ("Disease or Syndrome",)),
        (icd10cm_types("Z00.0"), ()),
    ],
)
def test_types_follow_the_vocabularies_branches(types, expected):
    assert types == expected


class Unplain:
    def __reduce__(self):
        return (print, ("run",))


def test_a_pickle_that_names_code_is_refused(tmp_path, capsys):
    file = tmp_path / "data.pkl.bz2"
    file.write_bytes(bz2.compress(pickle.dumps({"a": Unplain()})))
    with pytest.raises(DictionaryError, match=r"data\.pkl\.bz2: is refused: it names builtins\.print"):
        read_plain_pickle(file)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("data", [b"", b"no bzip2", bz2.compress(b""), bz2.compress(b"\x80\x04]")])
def test_a_damaged_pickle_is_named(tmp_path, data):
    file = tmp_path / "data.pkl.bz2"
    file.write_bytes(data)
    with pytest.raises(DictionaryError, match=r"data\.pkl\.bz2"):
        read_plain_pickle(file)


@pytest.mark.parametrize("source", [mondo, mesh_diseases, drugs, icd10cm])
def test_a_missing_package_names_the_extra(monkeypatch, source):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"'\.\[vocabularies\]'"):
        source()


def _open_codes_alone(_number):
    build.packaged = lambda: (icd10cm(),)
    found = build.open_default()
    return (
        str(found.path),
        found.info.built,
        [sense.concept for sense in found.find("cholera due to vibrio cholerae 01")],
    )


def test_two_processes_that_start_at_once_build_the_default_once(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINSPAN_CACHE", str(tmp_path))
    with ProcessPoolExecutor(2) as pool:
        one, other = pool.map(_open_codes_alone, range(2))
    assert one == other
    assert one[0].startswith(str(tmp_path))
    datetime.fromisoformat(one[1])
    assert len(list(tmp_path.glob("dictionaries/*/index-*"))) == 1
