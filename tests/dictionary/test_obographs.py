"""Ontologies as OBO graphs: names, types, exact matches, and what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.dictionary.build import build, resolve
from clinspan.dictionary.sources.obo import OboGraph, code_of_iri
from clinspan.dictionary.store import Dictionary
from clinspan.errors import DictionaryError

OBO = "http://purl.obolibrary.org/obo/"
EXACT = "http://www.w3.org/2004/02/skos/core#exactMatch"


def node(code: str, name: str | None, **meta: object) -> dict[str, object]:
    return {
        "id": f"{OBO}{code}",
        "type": "CLASS",
        **({"lbl": name} if name else {}),
        **({"meta": meta} if meta else {}),
    }


def exact(*iris: str) -> list[dict[str, str]]:
    return [{"pred": EXACT, "val": iri} for iri in iris]


GOUT = node(
    "MONDO_0005393",
    "gout",
    definition={"val": "Crystals in joints.", "xrefs": ["x"]},
    synonyms=[
        {"pred": "hasExactSynonym", "val": "gouty arthritis"},
        {"pred": "hasRelatedSynonym", "val": "toe trouble"},
    ],
    xrefs=[{"val": "MESH:D000001"}],
    basicPropertyValues=exact(
        "http://identifiers.org/mesh/D006073",
        "https://omim.org/entry/138900",
        "http://linkedlifedata.com/resource/umls/id/C0018099",
        "http://purl.bioontology.org/ontology/ICD10CM/M10",
        "http://www.orpha.net/ORDO/Orphanet_1",
        "http://identifiers.org/snomedct/90560007",
        f"{OBO}DOID_13189",
        "https://example.org/what/is_this",
    ),
)
GRAPH = {
    "id": f"{OBO}mondo.owl",
    "meta": {
        "version": f"{OBO}mondo/releases/2026-01-02/mondo.owl",
        "basicPropertyValues": [
            {"pred": "http://purl.org/dc/terms/license", "val": "https://creativecommons.org/licenses/by/4.0/"}
        ],
    },
    "nodes": [
        GOUT,
        node("MONDO_0045024", "cancer or benign tumor"),
        node("MONDO_0000002", "gouty tumor"),
        node("MONDO_0000003", "old gout", deprecated=True),
        node("MONDO_0000004", None),
        node("UBERON_0001", "toe"),
        {"id": f"{OBO}RO_1", "type": "PROPERTY", "lbl": "part of"},
    ],
    "edges": [{"sub": f"{OBO}MONDO_0000002", "pred": "is_a", "obj": f"{OBO}MONDO_0045024"}],
    "equivalentNodesSets": [{"nodeIds": [f"{OBO}MONDO_0000002", f"{OBO}NCIT_C1"]}],
}


def write(path: Path, graph: object) -> Path:
    path.write_text(json.dumps({"graphs": [graph]}))
    return path


def test_mondo_as_a_graph_brings_names_types_and_exact_matches(tmp_path: Path) -> None:
    (source,) = resolve(str(write(tmp_path / "mondo.json", GRAPH)))
    gout, _, tumor = source.entries()
    assert [(term.text, term.preferred) for term in gout.terms] == [("gout", True), ("gouty arthritis", False)]
    assert gout.definitions == ("Crystals in joints.",)
    assert gout.equivalents == (
        "MESH:D006073",
        "OMIM:138900",
        "UMLS:C0018099",
        "ICD10CM:M10",
        "ORPHANET:1",
        "SNOMEDCT_US:90560007",
        "DOID:13189",
    )
    assert (gout.types, tumor.types) == (("Disease or Syndrome",), ("Neoplastic Process",))
    assert (tumor.id, tumor.equivalents) == ("MONDO:0000002", ("NCIT:C1",))
    (info,) = source.infos()
    assert (info.name, info.version, info.origin) == ("MONDO", "2026-01-02", "mondo.json")
    assert info.licence.startswith("https://creativecommons.org")


def test_another_ontology_has_its_cross_references_too(tmp_path: Path) -> None:
    other = json.loads(json.dumps(GRAPH).replace("MONDO_", "OURS_").replace("mondo.owl", "ours.owl"))
    gout, *_ = OboGraph(write(tmp_path / "x.json", other)).entries()
    assert (gout.id, gout.equivalents[-1]) == ("OURS:0005393", "MESH:D000001")
    foreign = {**other, "id": f"{OBO}none.owl"}
    assert "toe" in [entry.terms[0].text for entry in OboGraph(write(tmp_path / "y.json", foreign)).entries()]


def test_the_command_builds_a_dictionary_with_the_equivalents(tmp_path: Path) -> None:
    file = write(tmp_path / "mondo.json", GRAPH)
    done = CliRunner().invoke(app, ["dictionary", "build", str(file), "-o", str(tmp_path / "d")])
    assert done.exit_code == 0, done.output
    found = Dictionary.open(tmp_path / "d")
    (gout,) = found.find("gouty arthritis")
    assert {"MESH:D006073", "UMLS:C0018099"} <= {same.id for same in found.equivalents(gout)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"graphs": [', r"mondo\.json: is not JSON: .*; expected an OBO graph"),
        ("<html>moved</html>", r"mondo\.json: is not JSON"),
        ("[1]", r"mondo\.json: has no graph with nodes; expected an OBO graph.*Download"),
        ('{"graphs": []}', r"has no graph with nodes"),
        ('{"graphs": [{"nodes": [{"id": 7}]}]}', r"mondo\.json: nodes\[0\]: is not as OBO graphs have it"),
        ('{"graphs": [{"nodes": [{"id": "a", "meta": {"xrefs": [1]}}]}]}', r"nodes\[0\]"),
        ('{"graphs": [{"nodes": [{"id": "a"}], "edges": [{"sub": "a"}]}]}', r"edges\[0\].*an object with sub, obj"),
        ('{"graphs": [{"nodes": [{"id": "a"}], "equivalentNodesSets": [1]}]}', r"equivalentNodesSets\[0\]"),
    ],
)
def test_what_is_no_graph_is_named_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mondo.json").write_text(content)
    with pytest.raises(DictionaryError, match=said) as caught:
        build(resolve(str(tmp_path / "mondo.json")), tmp_path / "d")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "d" / "manifest.json").exists()


@given(st.from_regex(r"[A-Z][A-Za-z]{1,8}", fullmatch=True), st.from_regex(r"[A-Z0-9]{1,9}", fullmatch=True))
def test_an_address_and_a_code_name_the_same(vocabulary: str, identifier: str) -> None:
    code = f"{vocabulary}:{identifier}"
    assert code_of_iri(code) == code
    assert code_of_iri(f"{OBO}{vocabulary}_{identifier}") == code
    assert code_of_iri(f"http://identifiers.org/{vocabulary}/{identifier}") == code


@given(st.text(max_size=20))
def test_any_address_is_read(text: str) -> None:
    assert isinstance(code_of_iri(f"x://{text}"), str)
