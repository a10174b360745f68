"""RxNorm's RRF files: drugs, their brands, and the codes that other vocabularies have for them."""

from collections.abc import Iterator
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.sources.equivalents import stated_code
from clinspan.dictionary.sources.tabular import read_lines
from clinspan.errors import DictionaryError

NAMES, TYPES = "RXNCONSO.RRF", "RXNSTY.RRF"
_COLUMNS = {
    NAMES: "RXCUI,LAT,TS,LUI,STT,SUI,ISPREF,RXAUI,SAUI,SCUI,SDUI,SAB,TTY,CODE,STR,SRL,SUPPRESS,CVF",
    TYPES: "RXCUI,TUI,STN,STY,ATUI,CVF",
}
_SHOWN = ("IN", "PIN", "MIN", "BN", "SCD", "SBD", "GPCK", "BPCK")
"""Term types of the names that RxNorm itself shows, the one that says most first."""


class RxNorm(Small):
    """The folder `rrf` of a release, with RXNCONSO.RRF and RXNSTY.RRF.

    The names are RxNorm's own; what other vocabularies call the same is an equivalent.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        for name in _COLUMNS:
            if not (folder / name).is_file():
                fix = "Name the folder rrf of a release, unpacked, with both files."
                raise DictionaryError("is missing", where=str(folder / name), fix=fix)

    def infos(self) -> tuple[SourceInfo, ...]:
        """RxNorm; its files do not state their release, so the folder's name is told."""
        folder = self._folder.absolute()
        release = folder.parent.name if folder.name == "rrf" else folder.name
        return (SourceInfo("RXNORM", release, "NLM: RxNorm's own names are free to use", NAMES),)

    def entries(self) -> Iterator[Entry]:
        """The concepts that have a name of RxNorm which is not suppressed.

        Raises:
            DictionaryError: naming file and line, for a row of other columns.
        """
        types: dict[str, dict[str, None]] = {}
        for row in self._rows(TYPES):
            types.setdefault(row["RXCUI"], {})[row["STY"]] = None
        names: dict[str, list[tuple[int, str]]] = {}
        same: dict[str, dict[str, None]] = {}
        for row in self._rows(NAMES):
            if row["LAT"] != "ENG" or row["SUPPRESS"] not in ("N", ""):
                continue
            if row["SAB"] == "RXNORM":
                place = _SHOWN.index(row["TTY"]) if row["TTY"] in _SHOWN else len(_SHOWN)
                names.setdefault(row["RXCUI"], []).append((place, row["STR"]))
            elif code := stated_code(f"{row['SAB']}:{row['CODE']}"):
                same.setdefault(row["RXCUI"], {})[code] = None
        for number, told in names.items():
            texts = dict.fromkeys(text for _place, text in sorted(told, key=lambda one: one[0]))
            terms = tuple(Term(text, "RXNORM", preferred=place == 0) for place, text in enumerate(texts))
            yield Entry(f"RXNORM:{number}", terms, tuple(types.get(number, ())), (), tuple(same.get(number, ())))

    def _rows(self, name: str) -> Iterator[dict[str, str]]:
        columns = _COLUMNS[name].split(",")
        for number, line in read_lines(self._folder / name):
            fields = line.split("|")
            # Each row ends with a separator.
            if len(fields) != len(columns) + 1 or fields[-1]:
                where = f"{self._folder / name}:{number}"
                expected = f"{len(columns)}: {_COLUMNS[name]}"
                raise DictionaryError(f"the row has {len(fields) - 1} columns", where=where, expected=expected)
            yield dict(zip(columns, fields, strict=False))
