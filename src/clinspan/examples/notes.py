"""The training notes of clinspan's own corpus as pools of examples, one for each label set, built on first use."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from clinspan.codec import parse_rows
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples.build import build
from clinspan.examples.pool import Pool
from clinspan.examples.store import FORMAT
from clinspan.files import MANIFEST, cache_folder
from clinspan.labels import LabelSet

NAME = "notes"
"""Names the pool where a pool or annotated documents are named; a folder of that name is `./notes`."""
SETS = ("disease", "chemical-disease", "medication", "problem-treatment-test")
"""The label sets that the notes were annotated for."""
_FILE = "notes.jsonl"


def set_for(names: Sequence[str]) -> str | None:
    """The label set of the notes that has these labels, the smallest of several; None where there is none."""
    found = [name for name in SETS if set(names) <= set(LabelSet.builtin(name).names)]
    return min(found, key=lambda name: len(LabelSet.builtin(name).names), default=None)


def taught_for(labels: LabelSet) -> bool:
    """Whether the notes were annotated for what these labels mean: they are those of a set, definitions and all."""
    known = set_for(labels.names)
    if known is None:
        return False
    own = LabelSet.builtin(known)
    return all(own[label.name].definition == label.definition for label in labels.labels)


def documents(name: str) -> Iterator[Document]:
    """The notes with the entities of one of `SETS`."""
    for line in _packaged().splitlines():
        row = json.loads(line)
        yield Document(row["id"], row["text"], parse_rows(json.dumps(row["entities"][name]), row["text"]))


def pool(names: Sequence[str]) -> Pool:
    """The pool of the notes for these labels; it is built in the cache folder where it is not there yet.

    Raises:
        ConfigError: when the notes were not annotated for the labels.
        OutputError: when the cache folder cannot be written.
    """
    known = set_for(names)
    if known is None:
        raise ConfigError(
            f"the notes that come with clinspan were not annotated for {', '.join(names)}",
            where=f"--examples {NAME}",
            expected="labels of one of the sets " + ", ".join(SETS),
            fix=f"Name a pool or annotated documents of your own (./{NAME} for a folder of that name).",
        )
    folder = _home() / f"{known}-{hashlib.sha256(_packaged().encode()).hexdigest()[:12]}-{FORMAT}"
    if not (folder / MANIFEST).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        build(documents(known), folder, labels=LabelSet.builtin(known).names)
    return Pool.open(folder)


def is_own(pool: Pool) -> bool:
    """Whether a pool is one of the notes'."""
    return pool.info.path.parent == _home().absolute()


def is_named(path: Path | str | None) -> bool:
    """Whether the pool of the notes is meant by a name."""
    return str(path) == NAME


def _home() -> Path:
    return cache_folder() / "notes"


def _packaged() -> str:
    return (resources.files("clinspan.examples") / _FILE).read_text(encoding="utf-8")
