"""Marks of role-played visits: `pack` them without the text, `build` gold documents of them and the text.

python tools/visits.py pack MARKED
python tools/visits.py build OUT --texts acinotes.jsonl

The notes are those of ACI-Bench's training and validation parts and of PriMock57 (both CC BY 4.0), written by others
after role-played visits; we marked them under `notes/GUIDE.md`. `notes/visits/marks.jsonl` holds the places of the
marks alone, so whoever builds documents gives the text: lines of JSON with `id` and `text`. `build` writes
`OUT/LABELS.visits.jsonl` for each label set, for `clinspan tune-encoder --examples`.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from marked import Mark, Note
from notes import LABEL_SETS, corpus, entities

MARKS = Path(__file__).parents[1] / "notes" / "visits" / "marks.jsonl"
_KIND, _SPECIALTY, _STYLE = "clinic visit", "general", "role-played visit"


def main() -> int:
    """The command line; 1 when a text is missing or another than the one that was marked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="the places of the marks, out of a folder of marked notes")
    pack.add_argument("marked", type=Path)
    build = commands.add_parser("build", help="gold documents, a file for each label set")
    build.add_argument("out", type=Path)
    build.add_argument("--texts", type=Path, required=True, help="the notes without marks, as JSON lines")
    asked = parser.parse_args()
    if asked.command == "pack":
        rows = sorted((packed(note) for note in corpus(asked.marked)), key=lambda row: str(row["id"]))
        MARKS.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        print(f"{len(rows)} notes, {sum(len(row['marks']) for row in rows)} marks")
        return 0
    texts = (json.loads(line) for line in asked.texts.read_text(encoding="utf-8").splitlines())
    rows = [json.loads(line) for line in MARKS.read_text(encoding="utf-8").splitlines()]
    try:
        notes = list(unpacked(rows, {plain(one["id"]): one["text"] for one in texts}))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    asked.out.mkdir(parents=True, exist_ok=True)
    for labels in LABEL_SETS:
        made = [{"id": note.id, "text": note.text, "entities": entities(note, labels)} for note in notes]
        path = asked.out / f"{labels}.visits.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
        print(f"{path}: {len(made)} notes, {sum(len(row['entities']) for row in made)} entities")
    return 0


def plain(name: str) -> str:
    """The name as notes have it: letters, digits and hyphens."""
    return name.replace("_", "-")


def packed(note: Note) -> dict[str, Any]:
    """The note without its text: a digest of it, and for each mark start, end, kind, assertion, past and owner."""
    marks = [[m.start, m.end, m.kind, m.assertion, int(m.past), m.of] for m in note.marks]
    return {"id": note.id, "sha256": _digest(note.text), "marks": marks}


def unpacked(rows: Iterable[Mapping[str, Any]], texts: Mapping[str, str]) -> Iterator[Note]:
    """The notes again.

    Raises:
        ValueError: when a text is missing, or another than the one that was marked.
    """
    for row in rows:
        name = str(row["id"])
        text = texts.get(name, "").strip("\n").rstrip()
        if _digest(text) != row["sha256"]:
            said = "is another text than the one that was marked" if name in texts else "has no text"
            raise ValueError(f"{MARKS}: the note {name} {said}")
        marks = (Mark(start, end, kind, said, bool(past), of) for start, end, kind, said, past, of in row["marks"])
        yield Note(name, _KIND, _SPECIALTY, _STYLE, text, tuple(marks), str(MARKS))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
