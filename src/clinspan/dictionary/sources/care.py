"""Tests, procedures and devices: clinspan's own list, with MeSH's identifiers, and the index of ICD-10-PCS."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.sources.tabular import read_lines
from clinspan.errors import DictionaryError

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
