"""Builds a dictionary's index from sources that a user names, in memory that stays far below the size of the names."""

import hashlib
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TextIO

import marisa_trie

from clinspan.dictionary import layout
from clinspan.dictionary.layout import Entry, Source, SourceInfo, Term, code_of
from clinspan.dictionary.normalise import name_forms
from clinspan.dictionary.sources.obo import Obo, OboGraph
from clinspan.dictionary.sources.packaged import doid_types, hpo_types, mondo_types, packaged
from clinspan.dictionary.sources.releases import RXNORM_NAMES, SNOMED_CONCEPTS, Hgnc, Loinc, RxNorm, Snomed
from clinspan.dictionary.sources.rrf import Rrf, RrfFilter
from clinspan.dictionary.sources.tabular import OwnList, Sssom
from clinspan.dictionary.store import Dictionary
from clinspan.errors import DictionaryError
from clinspan.files import MANIFEST, cache_folder, current_generation, next_generation

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


BuildProgress = Callable[[str, int], None]
"""Called with the name of the step and how many names or keys it has done."""

_STEP = 100_000


class _Blob:
    """Texts one after the other in a file, and where each starts."""

    def __init__(self, file: Path, stack: ExitStack):
        self._path = file
        self._file = stack.enter_context(file.open("wb"))
        self.starts = array("Q", [0])

    def add(self, text: str) -> None:
        data = text.encode("utf-8")
        self._file.write(data)
        self.starts.append(self.starts[-1] + len(data))

    def texts(self) -> Iterator[str]:
        """All that was added, in order, once the file is closed."""
        with self._path.open("rb") as file:
            for start, end in pairwise(self.starts):
                yield file.read(end - start).decode("utf-8")


class _Tables:
    """A context that writes into `folder`, and the line `form<TAB>name number` into `spool` for each form of a name."""

    def __init__(self, folder: Path, spool: TextIO):
        self._folder = folder
        self._spool = spool
        self._stack = ExitStack()
        self._names = _Blob(folder / layout.NAMES, self._stack)
        self._ids = _Blob(folder / layout.CONCEPT_IDS, self._stack)
        self._definitions = _Blob(folder / layout.DEFINITIONS, self._stack)
        self._equivalents = _Blob(folder / layout.EQUIVALENTS, self._stack)
        self._codes: dict[str, list[int]] = {}
        self._name_concepts, self._name_sources, self._name_flags = array("I"), array("B"), array("B")
        self._preferred, self._types, self._definition_firsts = array("I"), array("I"), array("I", [0])
        self.sources: dict[str, int] = {}
        self.typesets: dict[tuple[str, ...], int] = {}
        self.crosswalks: dict[str, int] = {}

    def __enter__(self) -> "_Tables":
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def names(self) -> int:
        return len(self._name_concepts)

    @property
    def concepts(self) -> int:
        return len(self._types)

    @property
    def definitions(self) -> int:
        return len(self._definitions.starts) - 1

    def add(self, entry: Entry) -> None:
        first = self.names
        chosen = next((place for place, term in enumerate(entry.terms) if term.preferred), 0)
        for term in entry.terms:
            self._add_name(term)
        self._ids.add(entry.id)
        self._preferred.append(first + chosen)
        self._types.append(self.typesets.setdefault(entry.types, len(self.typesets)))
        for definition in entry.definitions:
            self._definitions.add(definition)
        self._definition_firsts.append(self.definitions)
        self._equivalents.add(" ".join(entry.equivalents))
        for code in entry.equivalents:
            self._codes.setdefault(code.casefold(), []).append(self.concepts - 1)
            vocabulary = code.partition(":")[0]
            self.crosswalks[vocabulary] = self.crosswalks.get(vocabulary, 0) + 1

    def _add_name(self, term: Term) -> None:
        number = self.names
        for form in name_forms(term.text):
            self._spool.write(f"{form}\t{number}\n")
        source = self.sources.setdefault(term.source, len(self.sources))
        if source > 255:
            raise DictionaryError("there are more than 256 vocabularies", fix="Name those you need with --source.")
        self._names.add(term.text)
        self._name_concepts.append(self.concepts)
        self._name_sources.append(source)
        self._name_flags.append(layout.PREFERRED if term.preferred else 0)

    def finish(self) -> None:
        for name, numbers in (
            (layout.NAME_STARTS, self._names.starts),
            (layout.NAME_CONCEPTS, self._name_concepts),
            (layout.NAME_SOURCES, self._name_sources),
            (layout.NAME_FLAGS, self._name_flags),
            (layout.CONCEPT_ID_STARTS, self._ids.starts),
            (layout.CONCEPT_NAMES, self._preferred),
            (layout.CONCEPT_TYPES, self._types),
            (layout.CONCEPT_DEFINITIONS, self._definition_firsts),
            (layout.DEFINITION_STARTS, self._definitions.starts),
            (layout.EQUIVALENT_STARTS, self._equivalents.starts),
        ):
            (self._folder / name).write_bytes(numbers)
        self._finish_codes()

    def _finish_codes(self) -> None:
        if self._codes:
            for concept, identifier in enumerate(self._ids.texts()):
                stating = self._codes.get(code_of(identifier))
                if stating is not None:
                    stating.insert(0, concept)
        codes = marisa_trie.Trie(self._codes)
        codes.save(str(self._folder / layout.CODES))
        having = [self._codes[codes.restore_key(place)] for place in range(len(codes))]
        (self._folder / layout.CODE_STARTS).write_bytes(array("I", accumulate(map(len, having), initial=0)))
        (self._folder / layout.CODE_CONCEPTS).write_bytes(array("I", [concept for one in having for concept in one]))


def default_path() -> Path:
    """The folder of the default dictionary, which names the releases it is made of: other releases, another folder.

    Raises:
        MissingExtra: when the vocabularies are not installed.
    """
    releases = [f"{layout.FORMAT}"]
    for source in packaged():
        releases += [f"{info.name} {info.version}" for info in source.infos()]
    digest = hashlib.sha256("\n".join(releases).encode()).hexdigest()[:12]
    return cache_folder() / "dictionaries" / f"open-{digest}"


def open_default(progress: BuildProgress | None = None) -> Dictionary:
    """The default dictionary, built first where it is not there yet; two processes that start at once build it once.

    Raises:
        MissingExtra: when the vocabularies are not installed.
        DictionaryError: when one of them is damaged, or the cache folder cannot be written.
    """
    path = default_path()
    if not (path / MANIFEST).exists():
        build(packaged(), path, progress=progress, keep=True)
    return Dictionary.open(path)


def build(sources: Sequence[Source], out: Path, *, progress: BuildProgress | None = None, keep: bool = False) -> None:
    """Builds the dictionary in folder `out` from `sources`; of equal senses, those of earlier sources come first.

    An index that is already there stays in place, whole, until the new one is complete. Two builds of one folder wait
    for one another; with `keep`, the second finds the index of the first and is done.

    Raises:
        DictionaryError: when a source cannot be read, no source has a name, or `out` cannot be written.
    """
    try:
        with next_generation(out, "index-") as (folder, finish):
            if not (keep and current_generation(out)):
                finish(_write(sources, folder, progress or _silent))
    except OSError as error:
        raise DictionaryError(f"cannot be written: {error.strerror}", where=error.filename or str(out)) from error


def _silent(_step: str, _done: int) -> None:
    """No progress is shown."""


def _write(sources: Sequence[Source], folder: Path, progress: BuildProgress) -> dict[str, object]:
    with (folder / "spool").open("w+", encoding="utf-8", newline="\n") as spool:
        with _Tables(folder, spool) as tables:
            for entry in _merged(sources):
                if not entry.terms:
                    continue  # equivalents of a concept that no source has
                tables.add(entry)
                if not tables.concepts % 1000:
                    progress("names", tables.names)
        if not tables.names:
            raise DictionaryError("there is no name in the sources")
        tables.finish()
        keys = _index_keys(spool, folder, progress)
    (folder / "spool").unlink()
    return {
        "format": layout.FORMAT,
        "byteorder": sys.byteorder,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "concepts": tables.concepts,
        "names": tables.names,
        "definitions": tables.definitions,
        "keys": keys,
        "sources": [asdict(info) for info in _infos(sources)],
        "crosswalks": tables.crosswalks,
        "source_names": list(tables.sources),
        "typesets": [list(types) for types in tables.typesets],
        "type_definitions": {name: text for source in sources for name, text in source.type_definitions().items()},
        "files": {file.name: file.stat().st_size for file in sorted(folder.iterdir())},
    }


def _infos(sources: Sequence[Source]) -> list[SourceInfo]:
    infos: dict[str, SourceInfo] = {}
    for source in sources:
        for info in source.infos():
            infos.setdefault(info.name, info)
    return list(infos.values())


def _merged(sources: Sequence[Source]) -> Iterator[Entry]:
    """The entries of all sources, those of one id made one; at most one grouped source is streamed."""
    streamed = next((source for source in sources if source.grouped), None)
    held: dict[str, list[Entry]] = {}
    for source in sources:
        if source is not streamed:
            for entry in source.entries():
                held.setdefault(entry.id, []).append(entry)
    if streamed:
        for entry in streamed.entries():
            yield _merge([entry, *held.pop(entry.id, ())])
    for entries in held.values():
        yield _merge(entries)


def _merge(entries: Sequence[Entry]) -> Entry:
    if len(entries) == 1:
        return entries[0]
    return Entry(
        entries[0].id,
        tuple(dict.fromkeys(term for entry in entries for term in entry.terms)),
        tuple(dict.fromkeys(kind for entry in entries for kind in entry.types)),
        tuple(dict.fromkeys(definition for entry in entries for definition in entry.definitions)),
        tuple(dict.fromkeys(code for entry in entries for code in entry.equivalents)),
    )


def _index_keys(spool: TextIO, folder: Path, progress: BuildProgress) -> int:
    """Writes the index of the lines `form<TAB>name number` in `spool` into `folder`; returns how many keys it has."""
    words: set[str] = set()
    keys = marisa_trie.Trie(_keys(spool, words, progress))
    keys.save(str(folder / layout.KEYS))
    _write_postings(spool, folder, keys, progress)
    total = len(keys)
    del keys
    marisa_trie.Trie(words).save(str(folder / layout.TOKENS))
    progress("misspellings", len(words))
    marisa_trie.Trie(_deletions(words)).save(str(folder / layout.DELETIONS))
    return total


def _lines(spool: TextIO) -> Iterator[tuple[str, int]]:
    spool.seek(0)
    for line in spool:
        form, number = line.rstrip("\n").split("\t")
        yield form[: layout.LONGEST_KEY] + " ", int(number)


def _keys(spool: TextIO, words: set[str], progress: BuildProgress) -> Iterator[str]:
    for done, (key, _) in enumerate(_lines(spool)):
        words.update(word for word in key.split() if len(word) >= 4 and word.isalpha())
        if not done % _STEP:
            progress("keys", done)
        yield key


def _write_postings(spool: TextIO, folder: Path, keys: marisa_trie.Trie, progress: BuildProgress) -> None:
    # A counting sort of the names by key, in two passes over the file, since the pairs are many.
    counts = array("I", bytes(4 * (len(keys) + 1)))
    numbers = array("I")
    for done, (key, _) in enumerate(_lines(spool)):
        place = keys[key]
        numbers.append(place)
        counts[place + 1] += 1
        if not done % _STEP:
            progress("postings", done)
    starts = array("I", accumulate(counts))
    (folder / layout.POSTING_STARTS).write_bytes(starts)
    postings = array("I", bytes(4 * len(numbers)))
    for place, (_, number) in zip(numbers, _lines(spool), strict=True):
        postings[starts[place]] = number
        starts[place] += 1
    (folder / layout.POSTINGS).write_bytes(postings)


def _deletions(words: set[str]) -> Iterator[str]:
    for word in words:
        if len(word) >= layout.MISSPELT_FROM:
            for short in {word[:i] + word[i + 1 :] for i in range(len(word))} | {word}:
                yield short + layout.SEPARATOR + word
