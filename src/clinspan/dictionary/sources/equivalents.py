"""What a vocabulary states as the same in others: MONDO's statements that come with clinspan, and files in SSSOM."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, is_code
from clinspan.dictionary.sources.tabular import read_lines
from clinspan.errors import DictionaryError

_SPELT = {
    "mesh": "MESH",
    "msh": "MESH",
    "umls": "UMLS",
    "umls_cui": "UMLS",
    "omim": "OMIM",
    "mim": "OMIM",
    "omimps": "OMIMPS",
    "icd10cm": "ICD10CM",
    "sctid": "SNOMEDCT_US",
    "snomedct": "SNOMEDCT_US",
    "snomedct_us": "SNOMEDCT_US",
    "orphanet": "ORPHANET",
    "ordo": "ORPHANET",
    "orpha": "ORPHANET",
    "ncit": "NCIT",
    "nci": "NCIT",
    "loinc": "LOINC",
    "rxnorm": "RXNORM",
    "hgnc": "HGNC",
    "doid": "DOID",
    "mondo": "MONDO",
    "hp": "HP",
}
"""The vocabularies that are kept, under the one name that each has here."""
_DATED = re.compile(r"_\d{4}_\d\d_\d\d$")
_SHAPES = {
    "MESH": re.compile(r"[DC]\d{6,9}"),
    "OMIM": re.compile(r"\d{6}"),
    "UMLS": re.compile(r"C\d{7}"),
    "ICD10CM": re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?"),
}
MONDO_COLUMNS = ("MESH", "OMIM", "UMLS", "ICD10CM")


def stated_code(written: str) -> str | None:
    """An id as ontologies write it ("MSH:D009203"), under the one name of its vocabulary; None for what is no code."""
    vocabulary, _, identifier = written.partition(":")
    name = _SPELT.get(_DATED.sub("", vocabulary).casefold())
    shape = _SHAPES.get(name or "")
    if name is None or not is_code(f"{name}:{identifier}") or (shape and not shape.fullmatch(identifier)):
        return None
    return f"{name}:{identifier}"


@cache
def mondo_equivalents() -> Mapping[str, tuple[str, ...]]:
    """By MONDO's identifier, the ids in MeSH, OMIM, UMLS and ICD-10-CM that MONDO states for it."""
    file = resources.files(__package__).joinpath("mondo_equivalents.tsv")
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            number, *ids = line.split("\t")
            pairs = zip(MONDO_COLUMNS, ids, strict=True)
            found[f"MONDO:{number}"] = tuple(f"{vocabulary}:{id}" for vocabulary, id in pairs if id)
    return found


class Sssom(Small):
    """A file of mappings in SSSOM's columns (https://mapping-commons.github.io/sssom), such as MONDO's own.

    It names nothing itself: its exact matches are equivalents of the concepts of other sources.
    """

    _NEEDED = ("subject_id", "predicate_id", "object_id")
    _EXACT = frozenset({"skos:exactmatch", "owl:equivalentclass", "owl:sameas"})

    def __init__(self, path: Path):
        self._path = path

    def infos(self) -> tuple[SourceInfo, ...]:
        """None: it brings no vocabulary."""
        return ()

    def entries(self) -> Iterator[Entry]:
        """One entry without a name for each exact match whose object is an id of a known vocabulary.

        Raises:
            DictionaryError: naming file and line, for a missing column, a row of another length, an id with a space.
        """
        header: list[str] = []
        for number, line in read_lines(self._path):
            if line.startswith("#") or not line.strip():
                continue
            row = line.split("\t")
            where = f"{self._path}:{number}"
            if not header:
                header = row
                missing = [column for column in self._NEEDED if column not in header]
                if missing:
                    expected = f"a header with {', '.join(self._NEEDED)}"
                    raise DictionaryError(f"has no column {', '.join(missing)}", where=where, expected=expected)
                continue
            if len(row) != len(header):
                raise DictionaryError(f"the row has {len(row)} columns", where=where, expected=str(len(header)))
            subject, predicate, object_ = (row[header.index(column)] for column in self._NEEDED)
            for code in (subject, object_):
                if not is_code(code):
                    raise DictionaryError(
                        f"{code!r} is not an id", where=where, expected="VOCABULARY:ID, without a space"
                    )
            same = stated_code(object_)
            if predicate.casefold() in self._EXACT and same:
                yield Entry(stated_code(subject) or subject, (), equivalents=(same,))
