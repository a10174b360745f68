"""From what a user names, a file, a folder or the word "packaged", to the sources that are there."""

from pathlib import Path

from clinspan.dictionary.layout import Source
from clinspan.dictionary.sources.equivalents import Sssom
from clinspan.dictionary.sources.obo import Obo
from clinspan.dictionary.sources.obographs import OboGraph
from clinspan.dictionary.sources.packaged import doid_types, hpo_types, mondo_types, packaged
from clinspan.dictionary.sources.releases import RXNORM_NAMES, SNOMED_CONCEPTS, Hgnc, Loinc, RxNorm, Snomed
from clinspan.dictionary.sources.rrf import Rrf, RrfFilter
from clinspan.dictionary.sources.tabular import OwnList
from clinspan.errors import DictionaryError

PACKAGED = "packaged"
"""The name that stands for the open vocabularies of installed packages."""

_ONTOLOGIES = {"hp": ("HPO", hpo_types), "doid": ("DOID", doid_types), "mondo": ("MONDO", mondo_types)}

_KINDS = (
    "a folder of UMLS (META), RxNorm (rrf) or SNOMED CT, Loinc.csv, hgnc_complete_set.txt, "
    "a file .obo, .json (an OBO graph), .tsv, .csv, .jsonl or .sssom.tsv, "
    "or the word packaged for the open vocabularies"
)


def resolve(name: str, *, keep: RrfFilter | None = None, types: tuple[str, ...] = ()) -> tuple[Source, ...]:
    """The sources at a path, or the packaged ones for the word "packaged".

    Args:
        keep: which names of an RRF release are taken.
        types: semantic types of concepts for which the source states none.

    Raises:
        DictionaryError: when there is nothing at the path, or it is of no known kind.
        MissingExtra: when the packaged vocabularies are not installed.
    """
    path = Path(name)
    if name == PACKAGED and not path.exists():
        return packaged()
    if not path.exists():
        raise DictionaryError("there is no such file or folder", where=name, expected=_KINDS)
    return (_folder(path, keep) if path.is_dir() else _file(path, types),)


def _folder(path: Path, keep: RrfFilter | None) -> Source:
    for folder in (path, path / "rrf"):
        if (folder / RXNORM_NAMES).exists():
            return RxNorm(folder)
    meta = path / "META"
    folder = meta if meta.is_dir() and not (path / "MRCONSO.RRF").exists() else path
    if not (folder / "MRCONSO.RRF").exists() and next(path.rglob(SNOMED_CONCEPTS), None):
        return Snomed(path)
    return Rrf(folder, keep)


def _file(path: Path, types: tuple[str, ...]) -> Source:
    name = path.name.casefold()
    if path.suffix in (".obo", ".json"):
        called, types_of = _ONTOLOGIES.get(path.stem, (None, lambda _id, _kinds: types))
        return (Obo if path.suffix == ".obo" else OboGraph)(path, name=called, types_of=types_of)
    if name.endswith(".sssom.tsv"):
        return Sssom(path)
    if name == "loinc.csv":
        return Loinc(path)
    if name.startswith("hgnc_complete_set"):
        return Hgnc(path)
    if path.suffix in (".tsv", ".csv", ".txt", ".jsonl", ".ndjson"):
        return OwnList(path, types=types)
    raise DictionaryError(f"a file {path.suffix or 'without ending'} is not known", where=str(path), expected=_KINDS)
