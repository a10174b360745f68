"""SNOMED CT as its release format 2 has it: concepts, descriptions, and the maps to ICD-10 where they are there."""

import re
from collections.abc import Iterator
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.sources.equivalents import stated_code
from clinspan.dictionary.sources.tabular import read_columns
from clinspan.errors import DictionaryError

CONCEPTS = "sct2_Concept_Snapshot_*.txt"
DESCRIPTIONS = "sct2_Description_Snapshot*.txt"
_LANGUAGE = "der2_cRefset_LanguageSnapshot*.txt"
_MAP = "der2_iisssccRefset_ExtendedMapSnapshot*.txt"
_NEEDED = {
    CONCEPTS: ("id", "effectiveTime", "active"),
    DESCRIPTIONS: ("id", "active", "conceptId", "languageCode", "typeId", "term"),
    _LANGUAGE: ("active", "refsetId", "referencedComponentId", "acceptabilityId"),
    _MAP: ("active", "refsetId", "referencedComponentId", "mapGroup", "mapRule", "mapTarget"),
}
_FULL_NAME = "900000000000003001"
_PREFERRED = "900000000000548007"
_ICD10CM = "6011000124106"
"""The reference set of the map to ICD-10-CM that the edition of the United States has."""
_TAG = re.compile(r"\s*\(([^()]+)\)$")
_TYPES = {
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
        self._concepts = self._file(CONCEPTS)
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
        active = {row["id"] for row in self._rows(self._concepts, CONCEPTS)}
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
            types = _TYPES.get(tag.group(1), ()) if tag else ()
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
        for _where, row in read_columns(file, _NEEDED[kind], delimiter="\t"):
            if kind == CONCEPTS:
                self._release = max(self._release, row["effectiveTime"])
            if row["active"] == "1":
                yield row
