"""LOINC's table of laboratory tests and clinical observations, Loinc.csv of a release."""

from collections.abc import Iterator
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.sources.tabular import read_columns

_NEEDED = (
    "LOINC_NUM",
    "COMPONENT",
    "STATUS",
    "CONSUMER_NAME",
    "CLASSTYPE",
    "SHORTNAME",
    "LONG_COMMON_NAME",
    "COMMON_TEST_RANK",
    "VersionLastChanged",
)
_TYPES = {"1": ("Laboratory Procedure",), "2": ("Diagnostic Procedure",)}
_CURRENT = frozenset({"ACTIVE", "TRIAL"})


class Loinc(Small):
    """Laboratory tests (CLASSTYPE 1) and clinical observations (2) that are in use.

    A component alone ("Glucose") is a name of the code of it that is ordered most, by COMMON_TEST_RANK; a component
    that has no rank is no name.
    """

    def __init__(self, path: Path):
        self._path = path
        self._newest: list[int] = []

    def infos(self) -> tuple[SourceInfo, ...]:
        """LOINC, of the newest release that any row names."""
        newest = ".".join(map(str, self._newest)) or "not stated"
        return (SourceInfo("LOINC", newest, "LOINC licence (loinc.org/license)", self._path.name),)

    def entries(self) -> Iterator[Entry]:
        """The codes.

        Raises:
            DictionaryError: naming file and line, for a table of other columns or a row of another length.
        """
        rows = [
            row
            for _where, row in read_columns(self._path, _NEEDED, delimiter=",")
            if row["STATUS"] in _CURRENT and row["CLASSTYPE"] in _TYPES
        ]
        usual: dict[str, tuple[int, str]] = {}
        for row in rows:
            self._newest = max(self._newest, _version(row["VersionLastChanged"]))
            rank = row["COMMON_TEST_RANK"]
            if rank.isdigit() and int(rank) > 0:
                found = (int(rank), row["LOINC_NUM"])
                usual[row["COMPONENT"]] = min(found, usual.get(row["COMPONENT"], found))
        for row in rows:
            names = [row["LONG_COMMON_NAME"], row["SHORTNAME"], row["CONSUMER_NAME"], row.get("DisplayName", "")]
            if usual.get(row["COMPONENT"], (0, ""))[1] == row["LOINC_NUM"]:
                names.append(row["COMPONENT"])
            told = dict.fromkeys(name.strip() for name in names if name.strip())
            terms = tuple(Term(name, "LOINC", preferred=place == 0) for place, name in enumerate(told))
            if terms:
                yield Entry(f"LOINC:{row['LOINC_NUM']}", terms, _TYPES[row["CLASSTYPE"]])


def _version(written: str) -> list[int]:
    parts = written.split(".")
    return [int(part) for part in parts] if all(part.isdigit() for part in parts) else []
