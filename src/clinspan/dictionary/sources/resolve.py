"""Finds out what kind of source a user named."""

from pathlib import Path

from clinspan.dictionary.layout import Source
from clinspan.dictionary.sources.obo import Obo
from clinspan.dictionary.sources.packaged import doid_types, hpo_types, mondo_types, packaged
from clinspan.dictionary.sources.rrf import Rrf, RrfFilter
from clinspan.dictionary.sources.tabular import Table
from clinspan.errors import DictionaryError

PACKAGED = "packaged"
"""The name that stands for the open vocabularies of installed packages."""

_ONTOLOGIES = {"hp": ("HPO", hpo_types), "doid": ("DOID", doid_types), "mondo": ("MONDO", mondo_types)}

_KINDS = (
    "a META folder with MRCONSO.RRF, a file .obo, .tsv, .csv or .jsonl, or the word packaged for the open vocabularies"
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
    if path.is_dir():
        meta = path / "META"
        folder = meta if meta.is_dir() and not (path / "MRCONSO.RRF").exists() else path
        return (Rrf(folder, keep),)
    if path.suffix == ".obo":
        if path.stem in _ONTOLOGIES:
            name, types_of = _ONTOLOGIES[path.stem]
            return (Obo(path, name=name, types_of=types_of),)
        return (Obo(path, types_of=lambda _id, _kinds: types),)
    if path.suffix in (".tsv", ".csv", ".txt", ".jsonl", ".ndjson"):
        return (Table(path, types=types),)
    raise DictionaryError(f"a file {path.suffix or 'without ending'} is not known", where=name, expected=_KINDS)
