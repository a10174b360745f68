"""HGNC's complete set of human genes (hgnc_complete_set.txt), as genenames.org publishes it."""

from collections.abc import Iterator
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.normalise import is_acronym, normal_form
from clinspan.dictionary.sources.tabular import read_columns

NEEDED = ("hgnc_id", "symbol", "name", "locus_group", "status", "alias_symbol", "prev_symbol")
"""Columns without which it is not that table."""
_TYPES = ("Gene or Genome",)
GROUPS = frozenset({"protein-coding gene", "non-coding RNA", "other"})
"""Locus groups that are taken."""
_SHORTEST = 3


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
        for _where, row in read_columns(self._path, NEEDED, delimiter="\t", quoted=True):
            if row["status"] != "Approved" or row["locus_group"] not in GROUPS:
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
            yield Entry(row["hgnc_id"], terms, _TYPES, (), same)


def _several(row: dict[str, str], column: str) -> list[str]:
    return [text.strip() for text in row.get(column, "").split("|") if text.strip()]


def _is_name(symbol: str) -> bool:
    letters, digits = sum(c.isalpha() for c in symbol), sum(c.isdigit() for c in symbol)
    compound = "-" in symbol or any(c.isupper() for c in symbol[1:])
    return letters > 0 and letters + digits >= _SHORTEST and (is_acronym(symbol) or digits > 0 or compound)


def _is_one_word(name: str) -> bool:
    """Whether nothing but a word is left of a longer name: "protein S" is read as a plural."""
    return " " in name and " " not in normal_form(name)
