"""Releases of vocabularies, as they are published: SNOMED CT, RxNorm, LOINC, and HGNC's human genes."""

import re
from collections.abc import Iterator
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.normalise import is_acronym, normal_form
from clinspan.dictionary.sources.tabular import read_columns, read_lines, stated_code
from clinspan.errors import DictionaryError

RXNORM_NAMES, RXNORM_TYPES = "RXNCONSO.RRF", "RXNSTY.RRF"
_RXNORM_COLUMNS = {
    RXNORM_NAMES: "RXCUI,LAT,TS,LUI,STT,SUI,ISPREF,RXAUI,SAUI,SCUI,SDUI,SAB,TTY,CODE,STR,SRL,SUPPRESS,CVF",
    RXNORM_TYPES: "RXCUI,TUI,STN,STY,ATUI,CVF",
}
_SHOWN_BY_RXNORM = ("IN", "PIN", "MIN", "BN", "SCD", "SBD", "GPCK", "BPCK")
"""Term types of the names that RxNorm itself shows, the one that says most first."""


class RxNorm(Small):
    """The folder `rrf` of a release, with RXNCONSO.RRF and RXNSTY.RRF.

    The names are RxNorm's own; what other vocabularies call the same is an equivalent.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        for name in _RXNORM_COLUMNS:
            if not (folder / name).is_file():
                fix = "Name the folder rrf of a release, unpacked, with both files."
                raise DictionaryError("is missing", where=str(folder / name), fix=fix)

    def infos(self) -> tuple[SourceInfo, ...]:
        """RxNorm; its files do not state their release, so the folder's name is told."""
        folder = self._folder.absolute()
        release = folder.parent.name if folder.name == "rrf" else folder.name
        return (SourceInfo("RXNORM", release, "NLM: RxNorm's own names are free to use", RXNORM_NAMES),)

    def entries(self) -> Iterator[Entry]:
        """The concepts that have a name of RxNorm which is not suppressed.

        Raises:
            DictionaryError: naming file and line, for a row of other columns.
        """
        types: dict[str, dict[str, None]] = {}
        for row in self._rows(RXNORM_TYPES):
            types.setdefault(row["RXCUI"], {})[row["STY"]] = None
        names: dict[str, list[tuple[int, str]]] = {}
        same: dict[str, dict[str, None]] = {}
        for row in self._rows(RXNORM_NAMES):
            if row["LAT"] != "ENG" or row["SUPPRESS"] not in ("N", ""):
                continue
            if row["SAB"] == "RXNORM":
                place = _SHOWN_BY_RXNORM.index(row["TTY"]) if row["TTY"] in _SHOWN_BY_RXNORM else len(_SHOWN_BY_RXNORM)
                names.setdefault(row["RXCUI"], []).append((place, row["STR"]))
            elif code := stated_code(f"{row['SAB']}:{row['CODE']}"):
                same.setdefault(row["RXCUI"], {})[code] = None
        for number, told in names.items():
            texts = dict.fromkeys(text for _place, text in sorted(told, key=lambda one: one[0]))
            terms = tuple(Term(text, "RXNORM", preferred=place == 0) for place, text in enumerate(texts))
            yield Entry(f"RXNORM:{number}", terms, tuple(types.get(number, ())), (), tuple(same.get(number, ())))

    def _rows(self, name: str) -> Iterator[dict[str, str]]:
        columns = _RXNORM_COLUMNS[name].split(",")
        for number, line in read_lines(self._folder / name):
            fields = line.split("|")
            # Each row ends with a separator.
            if len(fields) != len(columns) + 1 or fields[-1]:
                where = f"{self._folder / name}:{number}"
                expected = f"{len(columns)}: {_RXNORM_COLUMNS[name]}"
                raise DictionaryError(f"the row has {len(fields) - 1} columns", where=where, expected=expected)
            yield dict(zip(columns, fields, strict=False))


SNOMED_CONCEPTS = "sct2_Concept_Snapshot_*.txt"
DESCRIPTIONS = "sct2_Description_Snapshot*.txt"
_LANGUAGE = "der2_cRefset_LanguageSnapshot*.txt"
_MAP = "der2_iisssccRefset_ExtendedMapSnapshot*.txt"
_SNOMED_COLUMNS = {
    SNOMED_CONCEPTS: ("id", "effectiveTime", "active"),
    DESCRIPTIONS: ("id", "active", "conceptId", "languageCode", "typeId", "term"),
    _LANGUAGE: ("active", "refsetId", "referencedComponentId", "acceptabilityId"),
    _MAP: ("active", "refsetId", "referencedComponentId", "mapGroup", "mapRule", "mapTarget"),
}
_FULL_NAME = "900000000000003001"
_PREFERRED = "900000000000548007"
_ICD10CM = "6011000124106"
"""The reference set of the map to ICD-10-CM that the edition of the United States has."""
_TAG = re.compile(r"\s*\(([^()]+)\)$")
_SNOMED_TYPES = {
    "disorder": ("Disease or Syndrome",),
    "finding": ("Finding",),
    "situation": ("Finding",),
    "morphologic abnormality": ("Anatomical Abnormality",),
    "procedure": ("Therapeutic or Preventive Procedure", "Diagnostic Procedure"),
    "regime/therapy": ("Therapeutic or Preventive Procedure",),
    "observable entity": ("Clinical Attribute",),
    "substance": ("Pharmacologic Substance",),
    "product": ("Pharmacologic Substance",),
    "medicinal product": ("Pharmacologic Substance",),
    "medicinal product form": ("Clinical Drug",),
    "clinical drug": ("Clinical Drug",),
    "body structure": ("Body Part, Organ, or Organ Component",),
    "organism": ("Organism",),
    "physical object": ("Medical Device",),
}
"""Semantic types by the tag that ends a fully specified name; a concept of another tag has none."""


class Snomed(Small):
    """A folder of a release with the files of its snapshot, wherever in it they lie.

    Args:
        languages: of the descriptions that are taken.
    """

    def __init__(self, folder: Path, languages: tuple[str, ...] = ("en",)):
        self._folder = folder
        self._languages = languages
        self._concepts = self._file(SNOMED_CONCEPTS)
        self._release = ""

    def _file(self, pattern: str) -> Path:
        files = sorted(self._folder.rglob(pattern))
        if len(files) != 1:
            found = ", ".join(file.name for file in files) or "none"
            fix = "Name the folder of one unpacked release with its snapshot."
            raise DictionaryError(
                f"does not have exactly one {pattern}", where=str(self._folder), expected=f"one, not {found}", fix=fix
            )
        return files[0]

    def infos(self) -> tuple[SourceInfo, ...]:
        """SNOMED CT, with the newest effective time of a concept."""
        licence = "SNOMED International: a licence of your own is needed"
        return (SourceInfo("SNOMEDCT", self._release or "not stated", licence, self._concepts.name),)

    def entries(self) -> Iterator[Entry]:
        """The active concepts.

        Raises:
            DictionaryError: naming file and line, for a file of other columns or a row of another length.
        """
        active = {row["id"] for row in self._rows(self._concepts, SNOMED_CONCEPTS)}
        shown = self._shown()
        full: dict[str, str] = {}
        names: dict[str, list[tuple[bool, str]]] = {}
        for file in sorted(self._folder.rglob(DESCRIPTIONS)):
            for row in self._rows(file, DESCRIPTIONS):
                if row["conceptId"] not in active or row["languageCode"] not in self._languages:
                    continue
                if row["typeId"] == _FULL_NAME:
                    full.setdefault(row["conceptId"], row["term"])
                else:
                    names.setdefault(row["conceptId"], []).append((row["id"] not in shown, row["term"]))
        targets = self._targets()
        for concept, name in full.items():
            tag = _TAG.search(name)
            bare = name[: tag.start()] if tag else name
            told = [text for _other, text in sorted(names.get(concept, ()), key=lambda one: one[0])]
            texts = dict.fromkeys([*told, bare] if told else [bare])
            terms = tuple(Term(text, "SNOMEDCT", preferred=place == 0) for place, text in enumerate(texts))
            types = _SNOMED_TYPES.get(tag.group(1), ()) if tag else ()
            yield Entry(f"SNOMEDCT_US:{concept}", terms, types, (), targets.get(concept, ()))

    def _shown(self) -> frozenset[str]:
        """The descriptions that any reference set of a language prefers."""
        files = sorted(self._folder.rglob(_LANGUAGE))
        rows = (row for file in files for row in self._rows(file, _LANGUAGE))
        return frozenset(row["referencedComponentId"] for row in rows if row["acceptabilityId"] == _PREFERRED)

    def _targets(self) -> dict[str, tuple[str, ...]]:
        """For each concept its one ICD-10-CM code; where the map names several, or one under a condition, none."""
        found: dict[str, set[str]] = {}
        for file in sorted(self._folder.rglob(_MAP)):
            for row in self._rows(file, _MAP):
                if row["refsetId"] == _ICD10CM:
                    certain = row["mapRule"] in ("TRUE", "OTHERWISE TRUE")
                    found.setdefault(row["referencedComponentId"], set()).add(row["mapTarget"] if certain else "")
        codes = {concept: stated_code(f"ICD10CM:{min(ids)}") for concept, ids in found.items() if len(ids) == 1}
        return {concept: (code,) for concept, code in codes.items() if code}

    def _rows(self, file: Path, kind: str) -> Iterator[dict[str, str]]:
        for _where, row in read_columns(file, _SNOMED_COLUMNS[kind], delimiter="\t"):
            if kind == SNOMED_CONCEPTS:
                self._release = max(self._release, row["effectiveTime"])
            if row["active"] == "1":
                yield row


_LOINC_COLUMNS = (
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
_LOINC_TYPES = {"1": ("Laboratory Procedure",), "2": ("Diagnostic Procedure",)}
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
            for _where, row in read_columns(self._path, _LOINC_COLUMNS, delimiter=",")
            if row["STATUS"] in _CURRENT and row["CLASSTYPE"] in _LOINC_TYPES
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
                yield Entry(f"LOINC:{row['LOINC_NUM']}", terms, _LOINC_TYPES[row["CLASSTYPE"]])


def _version(written: str) -> list[int]:
    parts = written.split(".")
    return [int(part) for part in parts] if all(part.isdigit() for part in parts) else []


HGNC_COLUMNS = ("hgnc_id", "symbol", "name", "locus_group", "status", "alias_symbol", "prev_symbol")
"""Columns without which it is not that table."""
_GENE = ("Gene or Genome",)
LOCUS_GROUPS = frozenset({"protein-coding gene", "non-coding RNA", "other"})
"""Locus groups that are taken."""
_SHORTEST_SYMBOL = 3


class Hgnc(Small):
    """Approved genes with their names, symbols, aliases and former symbols; pseudogenes and phenotypes are left out.

    A symbol or an alias that may be read as a word is no name: one with less than three letters and digits, and one
    that is not kept in its case (see `is_acronym`) and has no digit, no hyphen and no capital within it.

    Args:
        release: of which the file is, which it does not state itself.
    """

    def __init__(self, path: Path, *, release: str = "not stated"):
        self._path = path
        self._release = release

    def infos(self) -> tuple[SourceInfo, ...]:
        """HGNC; its file does not state its date."""
        return (SourceInfo("HGNC", self._release, "CC0", self._path.name),)

    def entries(self) -> Iterator[Entry]:
        """The genes.

        Raises:
            DictionaryError: naming file and line, for a file of other columns or a row of another length.
        """
        for _where, row in read_columns(self._path, HGNC_COLUMNS, delimiter="\t", quoted=True):
            if row["status"] != "Approved" or row["locus_group"] not in LOCUS_GROUPS:
                continue
            symbols = [row["symbol"], *_several(row, "alias_symbol"), *_several(row, "prev_symbol")]
            others = [row["name"], *_several(row, "alias_name"), *_several(row, "prev_name")]
            kept = [*filter(_is_name, symbols), *(name for name in others if name and not _is_one_word(name))]
            texts = dict.fromkeys(kept)
            if not texts:
                continue
            shown = next((text for text in (row["symbol"], row["name"]) if text in texts), kept[0])
            terms = tuple(Term(text, "HGNC", preferred=text == shown) for text in texts)
            same = tuple(f"OMIM:{number}" for number in _several(row, "omim_id"))
            yield Entry(row["hgnc_id"], terms, _GENE, (), same)


def _several(row: dict[str, str], column: str) -> list[str]:
    return [text.strip() for text in row.get(column, "").split("|") if text.strip()]


def _is_name(symbol: str) -> bool:
    letters, digits = sum(c.isalpha() for c in symbol), sum(c.isdigit() for c in symbol)
    compound = "-" in symbol or any(c.isupper() for c in symbol[1:])
    return letters > 0 and letters + digits >= _SHORTEST_SYMBOL and (is_acronym(symbol) or digits > 0 or compound)


def _is_one_word(name: str) -> bool:
    """Whether nothing but a word is left of a longer name: "protein S" is read as a plural."""
    return " " in name and " " not in normal_form(name)
