"""Lists of one's own: TSV, CSV and JSON Lines with the fields id, name, synonyms, type, definition and equivalents.

And the lists that come with clinspan: tests, procedures and devices, with MeSH's identifiers; the index of ICD-10-PCS.
And what a vocabulary states as the same in others: MONDO's statements that come with clinspan, and files in SSSOM.
"""

import csv
import json
import lzma
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term, is_code
from clinspan.errors import DictionaryError, did_you_mean

_ALIASES = {"semantic_type": "type", "types": "type", "semantic_types": "type", "synonym": "synonyms"}
_FIELDS = ("id", "name", "synonyms", "type", "definition", "source", "equivalents")
_SEPARATOR = "|"


class OwnList(Small):
    """A TSV or CSV file with a header line, or a JSON Lines file.

    Only `name` is needed; `id` is the name where it is missing. In TSV and CSV, synonyms, types and equivalents are
    separated by "|"; in JSON Lines they are lists. Fields that are not known are passed over in JSON Lines and refused
    in a header.

    Args:
        types: of the rows that state none.
    """

    def __init__(self, path: Path, *, types: tuple[str, ...] = ()):
        self._path = path
        self._default_types = types
        self._sources: dict[str, None] = {}

    def infos(self) -> tuple[SourceInfo, ...]:
        """The vocabularies that the rows name; the file's own name where they name none."""
        return tuple(SourceInfo(name, "not stated", "not stated", self._path.name) for name in self._sources)

    def entries(self) -> Iterator[Entry]:
        """The rows."""
        for number, row in self._json_rows() if self._path.suffix in (".jsonl", ".ndjson") else self._rows():
            yield self._entry(row, f"{self._path}:{number}")

    def _rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        lines = (line for _, line in read_lines(self._path))
        if self._path.suffix == ".csv":
            reader = csv.reader(lines)
        else:
            reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            header = [_ALIASES.get(field.strip().lower(), field.strip().lower()) for field in next(reader, [])]
            for field in header:
                if field not in _FIELDS:
                    where = f"{self._path}:1"
                    raise DictionaryError(f"unknown column {field!r}", where=where, fix=did_you_mean(field, _FIELDS))
            if "name" not in header:
                raise DictionaryError("has no column name", where=f"{self._path}:1", expected=f"some of {_FIELDS}")
            for row in filter(None, reader):
                if len(row) != len(header):
                    where = f"{self._path}:{reader.line_num}"
                    raise DictionaryError(f"the row has {len(row)} columns", where=where, expected=str(len(header)))
                yield reader.line_num, dict(zip(header, row, strict=True))
        except csv.Error as error:
            raise DictionaryError(f"cannot be read: {error}", where=f"{self._path}:{reader.line_num}") from error

    def _json_rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for number, line in read_lines(self._path):
            if not line.strip():
                continue
            where = f"{self._path}:{number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DictionaryError(f"is not JSON: {error}", where=where) from error
            if not isinstance(row, dict):
                raise DictionaryError("is not a JSON object", where=where)
            yield number, {_ALIASES.get(str(field), str(field)): value for field, value in row.items()}

    def _entry(self, row: Mapping[str, Any], where: str) -> Entry:
        name = _text(row, "name", where)
        if not name:
            raise DictionaryError("the row has no name", where=where)
        source = _text(row, "source", where) or self._path.stem
        self._sources.setdefault(source)
        names = dict.fromkeys([name, *_list(row, "synonyms", where)])
        terms = tuple(Term(text, source, preferred=place == 0) for place, text in enumerate(names))
        definition = _text(row, "definition", where)
        types = tuple(dict.fromkeys(_list(row, "type", where))) or self._default_types
        same = tuple(dict.fromkeys(_list(row, "equivalents", where)))
        for code in same:
            if not is_code(code):
                expected = "VOCABULARY:ID without a space, such as ICD10CM:I21.9"
                raise DictionaryError(f"the equivalent {code!r} is not an id", where=where, expected=expected)
        return Entry(_text(row, "id", where) or name, terms, types, (definition,) if definition else (), same)


def _text(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise DictionaryError(f"{field!r} is {type(value).__name__}", where=where, expected="text")
    return str(value).strip()


def _list(row: Mapping[str, Any], field: str, where: str) -> list[str]:
    value = row.get(field) or []
    if isinstance(value, str):
        value = value.split(_SEPARATOR)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DictionaryError(f"{field!r} is not a list of texts", where=where)
    return [item.strip() for item in value if item.strip()]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a UTF-8 file, a byte order mark dropped; `.xz` files are decompressed.

    Raises:
        DictionaryError: when it cannot be opened or decompressed, or a line is not UTF-8.
    """
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise DictionaryError(
                        f"byte {error.start + 1} of the line is not UTF-8",
                        where=f"{path}:{number}",
                        fix="Convert the file, with iconv say.",
                    ) from error
                yield number, line.rstrip("\r\n")
    except OSError as error:
        raise DictionaryError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (lzma.LZMAError, EOFError) as error:
        raise DictionaryError(f"cannot be decompressed: {error}", where=str(path)) from error


def read_columns(
    path: Path, needed: Sequence[str], *, delimiter: str, quoted: bool | None = None
) -> Iterator[tuple[str, dict[str, str]]]:
    """(file and line, row by column) of a table with a header line, whose columns may stand in any order.

    Args:
        needed: columns without which it is not the table that it is taken for.
        quoted: whether a field may stand in quotation marks, with the delimiter in it; as usual for the delimiter where
            None: with a comma, yes.

    Raises:
        DictionaryError: naming file and line, for a header that lacks a column or a row of another length.
    """
    lines = (f"{line}\n" for _, line in read_lines(path))
    if delimiter == "," if quoted is None else quoted:
        reader = csv.reader(lines, delimiter=delimiter)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    try:
        header = next(reader, [])
        missing = [column for column in needed if column not in header]
        if missing:
            expected = f"columns {', '.join(needed)}"
            raise DictionaryError(f"has no column {', '.join(missing)}", where=f"{path}:1", expected=expected)
        for row in filter(None, reader):
            where = f"{path}:{reader.line_num}"
            if len(row) != len(header):
                expected = f"{len(header)}, as line 1 has"
                raise DictionaryError(f"the row has {len(row)} columns", where=where, expected=expected)
            yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise DictionaryError(f"cannot be read: {error}", where=f"{path}:{reader.line_num}") from error


_FOLDER = Path(__file__).parent
_LABORATORY = ("Laboratory Procedure",)
_DIAGNOSTIC = ("Diagnostic Procedure",)
_THERAPEUTIC = ("Therapeutic or Preventive Procedure",)
_KINDS = {"lab": _LABORATORY, "exam": _DIAGNOSTIC, "procedure": _THERAPEUTIC, "device": ("Medical Device",)}


class Care(Small):
    """The list care.tsv, which says what its columns are.

    Args:
        headings: MeSH's identifiers by heading.
    """

    def __init__(self, headings: Mapping[str, str], path: Path = _FOLDER / "care.tsv"):
        self._headings = headings
        self._path = path

    def infos(self) -> tuple[SourceInfo, ...]:
        """The list, of the release of clinspan that it comes with."""
        return (SourceInfo("CARE", "2", "Apache-2.0 (clinspan)", self._path.name),)

    def entries(self) -> Iterator[Entry]:
        """The names.

        Raises:
            DictionaryError: naming file and line, for a row of other columns, or a heading that MeSH does not have.
        """
        for where, (name, kind, heading, others) in _rows(self._path, 4):
            measured = heading.startswith("~")
            identifier = self._headings.get(heading.removeprefix("~"))
            if kind not in _KINDS or (heading and identifier is None):
                raise DictionaryError(f"kind {kind!r} or heading {heading!r} is not known", where=where)
            terms = [Term(name, "CARE", preferred=True)]
            terms += [Term(other, "CARE") for other in others.split("|") if other]
            own = f"CARE:{'-'.join(name.casefold().split())}"
            same = (identifier,) if measured and identifier else ()
            yield Entry(own if measured or not identifier else identifier, tuple(terms), _KINDS[kind], (), same)


class Icd10Pcs(Small):
    """The index of ICD-10-PCS (`tools/icd10pcs_index.py`): procedures by their names, with a code or its beginning.

    The first character says the section; what inspects or measures is diagnostic.
    """

    def __init__(self, path: Path = _FOLDER / "icd10pcs_index.tsv"):
        self._path = path

    def infos(self) -> tuple[SourceInfo, ...]:
        """The release of 2025."""
        return (SourceInfo("ICD10PCS", "2025", "public domain (CMS)", self._path.name),)

    def entries(self) -> Iterator[Entry]:
        """The codes, those of a removal of the whole organ first: "appendectomy" is that rather than a part of it.

        Raises:
            DictionaryError: naming file and line, for a row of other columns.
        """
        rows = [row for _where, row in _rows(self._path, 3)]
        for code, said, names in sorted(rows, key=lambda row: row[0][2:3] != "T"):
            terms = [Term(said, "ICD10PCS", preferred=True), *(Term(name, "ICD10PCS") for name in names.split("|"))]
            inspects = code[0] in "4BC" or (code[0] == "0" and code[2] == "J")
            yield Entry(f"ICD10PCS:{code}", tuple(terms), _DIAGNOSTIC if inspects else _THERAPEUTIC)


def _rows(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    for number, line in read_lines(path):
        if line and not line.startswith("#"):
            row = line.split("\t")
            if len(row) != columns:
                raise DictionaryError(
                    f"the row has {len(row)} columns", where=f"{path}:{number}", expected=str(columns)
                )
            yield f"{path}:{number}", row


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
