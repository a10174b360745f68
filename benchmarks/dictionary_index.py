"""Which structure holds the normal forms: finding all keys that start at a place of a text, and what that costs.

    python benchmarks/dictionary_index.py [keys]

The keys are those of `dictionary_scale`; each place of 200 notes of 300 words is asked for the keys that start there.
SQLite and the dict are asked for each run of up to nine words, since they know no prefixes. Each runs in a process of
its own; memory is what it grew by.
"""

import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import marisa_trie
from dictionary_scale import names, notes, resident
from rich.console import Console
from rich.table import Table

LONGEST = 9
Ask = Callable[[list[str]], int]


def make_marisa(folder: Path, keys: list[str]) -> None:
    marisa_trie.Trie(key + " " for key in keys).save(str(folder / "keys"))


def open_marisa(folder: Path) -> Ask:
    trie = marisa_trie.Trie()
    trie.mmap(str(folder / "keys"))

    def ask(words: list[str]) -> int:
        line = " ".join(words) + " "
        place = found = 0
        for word in words:
            found += sum(1 for _ in trie.iter_prefixes_with_ids(line[place : place + 160]))
            place += len(word) + 1
        return found

    return ask


def runs(words: list[str]) -> list[str]:
    return [
        " ".join(words[at:end]) for at in range(len(words)) for end in range(at + 1, min(len(words), at + LONGEST) + 1)
    ]


def make_sqlite(folder: Path, keys: list[str]) -> None:
    with sqlite3.connect(folder / "keys") as connection:
        connection.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.executemany("INSERT OR IGNORE INTO keys VALUES (?)", ((key,) for key in keys))


def open_sqlite(folder: Path) -> Ask:
    cursor = sqlite3.connect(f"file:{folder / 'keys'}?mode=ro", uri=True).cursor()
    query = "SELECT 1 FROM keys WHERE key = ?"
    return lambda words: sum(cursor.execute(query, (run,)).fetchone() is not None for run in runs(words))


def make_dict(folder: Path, keys: list[str]) -> None:
    (folder / "keys").write_text("\n".join(keys))


def open_dict(folder: Path) -> Ask:
    known = {key: number for number, key in enumerate((folder / "keys").read_text().split("\n"))}
    return lambda words: sum(run in known for run in runs(words))


STRUCTURES = {
    "marisa-trie, mapped": (make_marisa, open_marisa),
    "SQLite": (make_sqlite, open_sqlite),
    "dict": (make_dict, open_dict),
}


def measured(name: str, count: int, folder: str) -> dict[str, Any]:
    _, load = STRUCTURES[name]
    texts = [text.split() for text in notes(count)[0]]
    before = resident()
    start = time.perf_counter()
    ask = load(Path(folder))
    opening = time.perf_counter() - start
    start = time.process_time()
    found = sum(ask(words) for words in texts)
    spent = (time.process_time() - start) / len(texts)
    disk = (Path(folder) / "keys").stat().st_size / 1e6
    return {"open": opening * 1000, "ms": spent * 1000, "grown": resident() - before, "disk": disk, "found": found}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_500_000
    keys = sorted(set(names(count)))
    table = Table(
        "structure", "disk MB", "open ms", "memory MB", "ms a note", "ratio", "found", title=f"{len(keys)} keys"
    )
    first = 0.0
    for name, (make, _) in STRUCTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), keys)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                got = pool.apply(measured, (name, count, folder))
        first = first or got["ms"]
        figures = (got["disk"], got["open"], got["grown"])
        row = (f"{value:.1f}" for value in figures)
        table.add_row(name, *row, f"{got['ms']:.3f}", f"{got['ms'] / first:.1f}", str(got["found"]))
    Console().print(table)


if __name__ == "__main__":
    main()
