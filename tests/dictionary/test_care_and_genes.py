"""Genes, tests and procedures of the default dictionary: linked where a label asks for them, and never in the way."""

import pickle
from collections import Counter
from pathlib import Path

import pytest

from clinspan.dictionary.build import build, open_default
from clinspan.dictionary.link import Linker
from clinspan.dictionary.sources import packaged
from clinspan.dictionary.sources.releases import HGNC_COLUMNS
from clinspan.dictionary.sources.tabular import Care, Icd10Pcs, read_columns
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.tag import Tagger
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import DictionaryError, MissingExtra
from clinspan.labels import LabelSet

LIST = Path(__file__).with_name("genes.tsv")
TABLE = Path(packaged.__file__).with_name("hgnc_genes.tsv")
NOTES = LabelSet.builtin("problem-treatment-test")
GENES = LabelSet.builtin("gene")
SYMBOLS = {row["symbol"]: row["hgnc_id"] for _, row in read_columns(TABLE, HGNC_COLUMNS, delimiter="\t")}


@pytest.fixture(scope="module")
def open_dictionary() -> Dictionary:
    try:
        return open_default()
    except MissingExtra as error:
        pytest.skip(str(error))


def concepts(dictionary: Dictionary, labels: LabelSet, label: str, mention: str) -> tuple[Concept, ...]:
    text = f"We saw {mention} in all of them."
    document = Document("d", text, (Entity(Span(7, 7 + len(mention)), label, mention),))
    (entity,) = Linker(dictionary, labels).link(document).entities
    return entity.concepts


def gene_of(dictionary: Dictionary, mention: str) -> str:
    found = concepts(dictionary, GENES, "gene", mention)
    return found[0].id if found else "-"


@pytest.mark.parametrize(("half", "least"), [(0, 52), (1, 54)])
def test_genes_of_a_list_get_the_ids_of_hgnc(open_dictionary: Dictionary, half: int, least: int) -> None:
    rows = [line.split("\t") for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    chosen = rows[half::2]
    assert len(chosen) == 60
    right = [SYMBOLS.get(symbol, symbol) == gene_of(open_dictionary, mention) for mention, symbol in chosen]
    assert Counter(right)[True] >= least


@pytest.mark.parametrize("labels", ["problem-treatment-test", "disease", "chemical-disease", "medication"])
def test_gene_symbols_mark_nothing_and_link_nothing_in_notes(open_dictionary: Dictionary, labels: str) -> None:
    named = LabelSet.builtin(labels)
    text = "CAT scan at REST. MET with SHH; CA 9.2, T 37. TP53, BRCA1 not tested. Sonic hedgehog. WAS SET to IMPACT."
    found = Tagger(open_dictionary, named).tag(text)
    assert not [concept for entity in found for concept in entity.concepts if concept.source == "HGNC"]
    assert not [entity.text for entity in found if entity.text in ("CAT", "REST", "MET", "SHH", "TP53", "BRCA1", "SET")]
    for label in named.labels:
        for mention in ("CAT", "MET", "SHH", "TP53", "catalase"):
            linked = concepts(open_dictionary, named, label.name, mention)
            assert "HGNC" not in {concept.source for concept in linked}


def test_gene_symbols_are_proposed_where_a_label_asks_for_genes(open_dictionary: Dictionary) -> None:
    found = Tagger(open_dictionary, GENES).tag("Loss of BRCA1 and catalase; the rest was met.")
    assert [entity.text for entity in found] == ["BRCA1", "catalase"]
    assert [entity.concepts[0].id for entity in found] == ["HGNC:1100", "HGNC:1516"]


@pytest.mark.parametrize(
    ("label", "mention", "identifier"),
    [
        ("test", "the EKG", "MESH:D004562"),
        ("test", "his creatinine", "CARE:creatinine"),
        ("test", "WBC", "MESH:D007958"),
        ("test", "colonoscopy", "MESH:D003113"),
        ("treatment", "appendectomy", "MESH:D001062"),
        ("treatment", "a chest tube", "MESH:D015505"),
        ("treatment", "hymenectomy", "ICD10PCS:0UTK"),
        ("problem", "a myocardial infarction", "MONDO:0005068"),
    ],
)
def test_what_is_done_has_codes_also_behind_an_article(
    open_dictionary: Dictionary, label: str, mention: str, identifier: str
) -> None:
    assert concepts(open_dictionary, NOTES, label, mention)[0].id == identifier


def test_what_is_done_finds_no_entity(open_dictionary: Dictionary) -> None:
    own = LabelSet("l", tuple(label.__class__(**{**_fields(label), "terms": ()}) for label in NOTES.labels))
    found = Tagger(open_dictionary, own).tag("Port and drain in place, film and exam, laparotomy, appendectomy.")
    assert [entity.text for entity in found] == []
    assert concepts(open_dictionary, LabelSet.builtin("disease"), "disease", "HD")[0].source not in ("CARE", "ICD10PCS")


def _fields(label: object) -> dict[str, object]:
    return {name: getattr(label, name) for name in label.__dataclass_fields__}


def test_a_dictionary_without_a_vocabulary_is_one_object_and_travels(open_dictionary: Dictionary) -> None:
    bare = open_dictionary.without({"HGNC", "none such"})
    assert bare is open_dictionary.without({"HGNC"})
    assert open_dictionary.without({"none such"}) is open_dictionary
    assert open_dictionary.find("TP53")
    assert not bare.find("TP53")
    assert "HGNC" not in {source.name for source in bare.info.sources}
    sent = pickle.loads(pickle.dumps(bare))
    assert not sent.find("TP53")
    assert sent.find("hypertension") == bare.find("hypertension")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("sodium\tlab\t", "the row has 3 columns; expected 4"),
        ("sodium\tblood\t\t", "kind 'blood' or heading '' is not known"),
        ("sodium\tlab\t~Salt\tNa", "kind 'lab' or heading '~Salt' is not known"),
    ],
)
def test_a_faulty_row_of_the_list_is_named(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "care.tsv").write_text(f"# head\n{row}\n", encoding="utf-8")
    with pytest.raises(DictionaryError, match=r"care\.tsv:2: ") as refused:
        build([Care({}, tmp_path / "care.tsv")], tmp_path / "out")
    assert said in str(refused.value)


def test_a_removal_of_the_whole_comes_before_that_of_a_part() -> None:
    codes = [entry.id for entry in Icd10Pcs().entries() if "Appendectomy" in [term.text for term in entry.terms]]
    assert codes == ["ICD10PCS:0DTJ", "ICD10PCS:0DBJ"]
