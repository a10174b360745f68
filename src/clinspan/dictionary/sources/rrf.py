"""A UMLS release's META folder in Rich Release Format, read in bulk by DuckDB.

Columns are as the UMLS Reference Manual states them, or as the release's own MRFILES.RRF says.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from clinspan.dictionary.layout import Entry, SourceInfo, Term
from clinspan.dictionary.sources.tabular import read_lines
from clinspan.errors import DictionaryError, MissingExtra

if TYPE_CHECKING:
    import duckdb

_COLUMNS = {
    "MRCONSO.RRF": "CUI,LAT,TS,LUI,STT,SUI,ISPREF,AUI,SAUI,SCUI,SDUI,SAB,TTY,CODE,STR,SRL,SUPPRESS,CVF",
    "MRSTY.RRF": "CUI,TUI,STN,STY,ATUI,CVF",
    "MRDEF.RRF": "CUI,AUI,ATUI,SATUI,SAB,DEF,SUPPRESS,CVF",
}
_NEEDED = {
    "MRCONSO.RRF": ("CUI", "LAT", "TS", "STT", "ISPREF", "AUI", "SAB", "TTY", "STR", "SUPPRESS"),
    "MRSTY.RRF": ("CUI", "STY"),
    "MRDEF.RRF": ("CUI", "ATUI", "SAB", "DEF", "SUPPRESS"),
}
_MEMORY = "2GB"
_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class RrfFilter:
    """Which names are taken.

    Attributes:
        languages: values of LAT; empty for all.
        sources: values of SAB; empty for all.
        term_types: values of TTY; empty for all.
        keep_suppressed: whether obsolete and suppressed names and definitions are taken too.
    """

    languages: tuple[str, ...] = ("ENG",)
    sources: tuple[str, ...] = ()
    term_types: tuple[str, ...] = ()
    keep_suppressed: bool = False


class Rrf:
    """The META folder with MRCONSO.RRF and MRSTY.RRF, and MRDEF.RRF, MRFILES.RRF, MRSAB.RRF and SRDEF where present."""

    grouped = True

    def __init__(self, folder: Path, keep: RrfFilter | None = None):
        self._folder = folder
        self._keep = keep or RrfFilter()
        self._sources: dict[str, None] = {}
        for name in ("MRCONSO.RRF", "MRSTY.RRF"):
            if not (folder / name).is_file():
                fix = "Name the META folder of a release, unpacked, with both files."
                raise DictionaryError("is missing", where=str(folder / name), fix=fix)

    def infos(self) -> tuple[SourceInfo, ...]:
        """The vocabularies whose names were taken, with the versions that MRSAB.RRF states."""
        stated: dict[str, tuple[str, str]] = {}
        if (self._folder / "MRSAB.RRF").is_file():
            for _number, line in read_lines(self._folder / "MRSAB.RRF"):
                fields = line.split("|")
                if len(fields) > 13:
                    stated[fields[3]] = (fields[6] or "not stated", f"UMLS restriction level {fields[13]}")
        unknown = ("not stated", "not stated")
        return tuple(SourceInfo(name, *stated.get(name, unknown), self._folder.name) for name in self._sources)

    def type_definitions(self) -> Mapping[str, str]:
        """Definitions of the semantic types, from SRDEF where it is present."""
        file = self._folder / "SRDEF"
        if not file.is_file():
            return {}
        rows = (line.split("|") for _number, line in read_lines(file))
        return {fields[2]: fields[4] for fields in rows if len(fields) > 4 and fields[0] == "STY"}

    def entries(self) -> Iterator[Entry]:
        """The concepts in the order of their CUIs.

        Raises:
            DictionaryError: naming file and line, for a row with a wrong number of columns or in another encoding.
            MissingExtra: when DuckDB is not installed.
        """
        with self._connect() as connection:
            names = self._grouped(connection, self._names())
            types = _Beside(self._grouped(connection, self._types()))
            has_definitions = (self._folder / "MRDEF.RRF").is_file()
            definitions = _Beside(self._grouped(connection, self._definitions()) if has_definitions else iter(()))
            for cui, rows in names:
                terms = tuple(Term(text, source, bool(preferred)) for _cui, text, source, preferred in rows)
                self._sources.update(dict.fromkeys(term.source for term in terms))
                kinds = tuple(dict.fromkeys(row[1] for row in types.of(cui)))
                yield Entry(cui, terms, kinds, tuple(row[1] for row in definitions.of(cui)))

    @contextmanager
    def _connect(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        try:
            import duckdb
        except ImportError:
            raise MissingExtra("duckdb", "umls", purpose="reading RRF files") from None
        with tempfile.TemporaryDirectory() as spill:
            connection = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": spill})
            try:
                yield connection
            except duckdb.Error as error:
                raise self._explained(str(error)) from error
            finally:
                connection.close()

    def _explained(self, message: str) -> DictionaryError:
        file = re.search(r"file = (.+)", message)
        line = re.search(r"CSV Error on Line: (\d+)", message)
        where = f"{file.group(1)}:{line.group(1)}" if file and line else str(self._folder)
        if "not utf-8" in message:
            return DictionaryError("is not UTF-8", where=where, fix="Use the release's own files, not converted ones.")
        columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
        if columns:
            expected, found = (int(number) - 1 for number in columns.groups())  # each row ends with a separator
            return DictionaryError(f"the row has {found} columns", where=where, expected=str(expected))
        return DictionaryError(message.partition("\n")[0], where=where)

    def _grouped(
        self, connection: "duckdb.DuckDBPyConnection", query: tuple[str, list[object]]
    ) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
        cursor = connection.cursor().execute(*query)
        rows = iter(lambda: cursor.fetchmany(_ROWS), [])
        for cui, group in groupby((row for batch in rows for row in batch), key=itemgetter(0)):
            yield cui, list(group)

    def _names(self) -> tuple[str, list[object]]:
        table, values = self._table("MRCONSO.RRF")
        where, wanted = self._where(("LAT", self._keep.languages), ("TTY", self._keep.term_types))
        preferred = "(TS = 'P' AND STT = 'PF' AND ISPREF = 'Y')"
        order = f"ORDER BY CUI, {preferred} DESC, AUI"
        return f"SELECT CUI, STR, SAB, {preferred} FROM {table} WHERE STR IS NOT NULL{where} {order}", values + wanted

    def _types(self) -> tuple[str, list[object]]:
        table, values = self._table("MRSTY.RRF")
        return f"SELECT CUI, STY FROM {table} ORDER BY CUI, STY", values

    def _definitions(self) -> tuple[str, list[object]]:
        table, values = self._table("MRDEF.RRF")
        where, wanted = self._where()
        return f"SELECT CUI, DEF FROM {table} WHERE DEF IS NOT NULL{where} ORDER BY CUI, ATUI", values + wanted

    def _where(self, *filters: tuple[str, Sequence[str]]) -> tuple[str, list[object]]:
        clauses = ""
        wanted: list[object] = []
        for column, values in (*filters, ("SAB", self._keep.sources)):
            if values:
                clauses += f" AND {column} IN ({', '.join('?' * len(values))})"
                wanted.extend(values)
        if not self._keep.keep_suppressed:
            clauses += " AND SUPPRESS = 'N'"
        return clauses, wanted

    def _table(self, name: str) -> tuple[str, list[object]]:
        columns = ", ".join(f"'{column}': 'VARCHAR'" for column in [*self._columns(name), "_end"])
        options = f"delim='|', header=false, quote='', escape='', auto_detect=false, columns={{{columns}}}"
        return f"read_csv(?, {options})", [str(self._folder / name)]

    def _columns(self, name: str) -> list[str]:
        columns = _COLUMNS[name]
        files = self._folder / "MRFILES.RRF"
        if files.is_file():
            for _number, line in read_lines(files):
                fields = line.split("|")
                if fields[0] == name and len(fields) > 2:
                    columns = fields[2]
        stated = columns.split(",")
        missing = [column for column in _NEEDED[name] if column not in stated]
        if missing or not all(re.fullmatch(r"\w+", column) for column in stated):
            what = f"gives {name} no column {', '.join(missing)}" if missing else f"names no columns: {columns!r}"
            raise DictionaryError(what, where=str(files), expected=f"those of {_COLUMNS[name]}")
        return stated


class _Beside:
    """Rows grouped by CUI, read in step with another list in the same order."""

    def __init__(self, groups: Iterator[tuple[str, list[tuple[str, ...]]]]):
        self._groups = groups
        self._next = next(groups, None)

    def of(self, cui: str) -> list[tuple[str, ...]]:
        while self._next is not None and self._next[0] < cui:
            self._next = next(self._groups, None)
        return self._next[1] if self._next is not None and self._next[0] == cui else []
