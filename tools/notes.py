"""The corpus of notes: `check` it, `build` gold documents for each label set, and show how far two markings agree.

python tools/notes.py check
python tools/notes.py build OUT
python tools/notes.py pool
python tools/notes.py agree
python tools/notes.py differences
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz, process

sys.path.insert(0, str(Path(__file__).parent))
from marked import Mark, Note, NoteError, bare, drug_name, read
from markings import agree, list_differences

ROOT = Path(__file__).parent.parent / "notes"
POOL = ROOT.parent / "src" / "clinspan" / "examples" / "notes.jsonl"
SPLITS = ("train", "fit", "dev", "test")
"""Encoders learn from `train`; fused models and calibrations are fitted on `fit` and `dev`, which no encoder that finds
mentions learned from; what ships is chosen on `dev`."""
ALIKE = 80.0
"""Two sentences with a higher ratio by rapidfuzz are one sentence written twice."""
RUN = 8
"""Words in a row that no sentence shares with another corpus."""
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9\"'(])|\n\s*\n|\n(?=\s*(?:[-*•\[]|\d+[.)]|[A-Z][A-Za-z /]{2,40}:))")
_NOT_POOLED = re.compile(r"(?:n[3-8]|p[1-5]|q[1-6])-")
"""Notes that the pool leaves out: with three times as many it would be slow to search at first, and larger to ship."""
_WORD = re.compile(r"[a-z0-9]+")


def main() -> int:
    """The command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    check_ = commands.add_parser("check", help="marks, offsets, sentences alike, and words shared with other corpora")
    check_.add_argument("--beside", type=Path, help="a folder of other corpora (text in any file) to compare with")
    build_ = commands.add_parser("build", help="gold documents as JSON lines, a file for each label set and split")
    build_.add_argument("out", type=Path)
    commands.add_parser("pool", help="the pool that comes with clinspan, of notes of the training part")
    commands.add_parser("agree", help="strict and relaxed F1 of two markings, and kappa of the assertion")
    commands.add_parser("differences", help="where two markings differ, and what each difference was settled for")
    asked = parser.parse_args()
    try:
        notes = corpus(ROOT / "text")
    except NoteError as error:
        print(error, file=sys.stderr)
        return 1
    if asked.command == "build":
        build(notes, asked.out)
        return 0
    if asked.command == "pool":
        POOL.write_text(packed(notes), encoding="utf-8")
        return 0
    if asked.command == "agree":
        agree(corpus(ROOT / "first"), corpus(ROOT / "second"))
        return 0
    if asked.command == "differences":
        list_differences(notes, corpus(ROOT / "first"), corpus(ROOT / "second"))
        return 0
    return check(notes, asked.beside)


def corpus(folder: Path) -> list[Note]:
    """All notes of a folder.

    Raises:
        NoteError: with every fault of every file, ids that stand twice included.
    """
    notes: list[Note] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.txt")):
        try:
            notes += read(path)
        except NoteError as error:
            faults += error.faults
    places: dict[str, str] = {}
    for note in notes:
        if note.id in places:
            faults.append(f"{note.place}: the id {note.id!r} stands at {places[note.id]} too")
        places.setdefault(note.id, note.place)
    if faults:
        raise NoteError(faults)
    return notes


def split_of(notes: Sequence[Note]) -> Mapping[str, str]:
    """The split of each note, by `split.tsv`: an id, a tab, a split."""
    rows = (line.split("\t") for line in (ROOT / "split.tsv").read_text(encoding="utf-8").splitlines() if line)
    given: dict[str, str] = {row[0]: row[-1] for row in rows}
    missing = [note.id for note in notes if given.get(note.id) not in SPLITS]
    if missing:
        raise SystemExit(f"{ROOT / 'split.tsv'} has no split for {', '.join(missing[:5])}; expected one of {SPLITS}")
    return given


def sentences(note: Note) -> list[str]:
    """The note's sentences and list items of four words and more, white space as single blanks."""
    parts = (" ".join(part.split()) for part in _SENTENCE.split(note.text))
    return [part for part in parts if len(part.split()) >= 4]


# --- label sets -------------------------------------------------------------------------------------------------------


def entities(note: Note, labels: str) -> list[dict[str, Any]]:
    """The note's entities under a label set, in text order."""
    found = sorted(_projected(note, labels), key=lambda e: (e["start"], -e["end"]))
    kept: list[dict[str, Any]] = []
    for entity in found:
        if not kept or entity["start"] >= kept[-1]["end"]:
            kept.append(entity)
    return kept


def _projected(note: Note, labels: str) -> Iterator[dict[str, Any]]:
    return {
        "problem-treatment-test": _coarse,
        "medication": _medication,
        "disease": _disease,
        "chemical-disease": _chemical_disease,
    }[labels](note)


def _coarse(note: Note) -> Iterator[dict[str, object]]:
    for mark in note.marks:
        if mark.label != "detail":
            yield _entity(note, (mark.start, mark.end), mark.label, _attributes(mark))


def _medication(note: Note) -> Iterator[dict[str, object]]:
    for number, mark in enumerate(note.marks):
        if mark.kind == "drug":
            yield {"id": f"e{number + 1}", **_entity(note, drug_name(note, mark), "drug", {})}
        elif mark.of is not None and note.marks[mark.of].kind == "drug":
            of = {"of": f"e{mark.of + 1}"}
            yield {"id": f"e{number + 1}", **_entity(note, (mark.start, mark.end), mark.kind, of)}


def _disease(note: Note) -> Iterator[dict[str, object]]:
    for mark in note.marks:
        if mark.kind == "disease":
            yield _entity(note, bare(note.text, mark.start, mark.end), "disease", _attributes(mark))


def _chemical_disease(note: Note) -> Iterator[dict[str, object]]:
    for mark in note.marks:
        if mark.kind in ("disease", "symptom"):
            yield _entity(note, bare(note.text, mark.start, mark.end), "disease", _attributes(mark))
        elif mark.kind == "drug":
            yield _entity(note, drug_name(note, mark), "chemical", {})


def _attributes(mark: Mark) -> dict[str, str]:
    if mark.label != "problem":
        return {}
    assertion = "associated-with-someone-else" if mark.assertion == "other" else mark.assertion
    return {"assertion": assertion, "temporality": "past" if mark.past else "current"}


def _entity(note: Note, at: tuple[int, int], label: str, attributes: Mapping[str, str]) -> dict[str, object]:
    start, end = at
    made: dict[str, object] = {"start": start, "end": end, "label": label, "text": note.text[start:end]}
    return made | ({"attributes": dict(attributes)} if attributes else {})


LABEL_SETS = ("problem-treatment-test", "medication", "disease", "chemical-disease")


def build(notes: Sequence[Note], out: Path) -> None:
    """Writes `LABELS.SPLIT.jsonl` for every label set and split."""
    splits = split_of(notes)
    out.mkdir(parents=True, exist_ok=True)
    for labels in LABEL_SETS:
        for split in SPLITS:
            rows = [
                {"id": note.id, "text": note.text, "entities": entities(note, labels)}
                for note in notes
                if splits[note.id] == split
            ]
            path = out / f"{labels}.{split}.jsonl"
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            print(f"{path}: {len(rows)} notes, {sum(len(row['entities']) for row in rows)} entities")


def packed(notes: Sequence[Note]) -> str:
    """The pool's notes, a line each, with the places and labels of each label set's entities."""
    splits = split_of(notes)
    rows = (
        {
            "id": note.id,
            "text": note.text,
            "entities": {labels: [_row(one) for one in entities(note, labels)] for labels in LABEL_SETS},
        }
        for note in notes
        if splits[note.id] == "train" and not _NOT_POOLED.match(note.id)
    )
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def _row(entity: Mapping[str, Any]) -> list[object]:
    """As `codec.dump_rows` writes them; ids, and what refers to them, are left out."""
    said = {name: value for name, value in entity.get("attributes", {}).items() if name != "of"}
    return [entity["start"], entity["end"], entity["label"], *([[], said] if said else [])]


# --- checks -----------------------------------------------------------------------------------------------------------


def check(notes: Sequence[Note], beside: Path | None) -> int:
    """Counts the corpus and lists what should be looked at; 1 when two sentences are alike, words are shared or a
    drug has no name."""
    counts(notes)
    alike = list(_alike(notes))
    for first, second, ratio in alike:
        print(f"alike ({ratio:.0f}): {first[0]}: {first[1]!r} and {second[0]}: {second[1]!r}")
    shared = list(_shared(notes, beside)) if beside is not None else []
    for name, words, where in shared:
        print(f"shared with {where}: {name}: {words!r}")
    looked = list(_unequal(notes))
    print(f"{len(looked)} strings are marked in one place and not, or otherwise, in another; the most frequent:")
    for said, rows in looked[:40]:
        print(f"  {said!r}: {', '.join(f'{what} {count}' for what, count in rows.most_common())}")
    nameless = [
        f"{note.place}: the drug {note.text[mark.start : mark.end]!r} is nothing but its details"
        for note in notes
        for mark in note.marks
        if mark.kind == "drug" and len(set(drug_name(note, mark))) < 2
    ]
    print(*nameless, sep="\n", end="\n" if nameless else "")
    return 1 if alike or shared or nameless else 0


def counts(notes: Sequence[Note]) -> None:
    """Prints what the corpus holds."""
    total = sum(len(sentences(note)) for note in notes)
    marks = Counter(mark.label for note in notes for mark in note.marks)
    print(f"{len(notes)} notes, {total} sentences, {sum(marks.values())} marks: {dict(marks.most_common())}")
    print("kinds:", dict(Counter(mark.kind for note in notes for mark in note.marks).most_common()))
    said = Counter(mark.assertion for note in notes for mark in note.marks if mark.assertion)
    past = sum(mark.past for note in notes for mark in note.marks)
    print(f"assertions: {dict(said.most_common())}; past: {past}")
    print(f"{len({note.kind for note in notes})} kinds of notes, {len({note.specialty for note in notes})} specialties")


def _alike(notes: Sequence[Note]) -> Iterator[tuple[tuple[str, str], tuple[str, str], float]]:
    rows = [(note.id, said) for note in notes for said in sentences(note) if len(said.split()) >= 6]
    texts = [said.casefold() for _, said in rows]
    for at in range(0, len(texts), 500):
        ratios = process.cdist(texts[at : at + 500], texts, scorer=fuzz.ratio, score_cutoff=ALIKE, workers=-1)
        for i, j in zip(*ratios.nonzero(), strict=True):
            if at + i < j and rows[at + i][0] != rows[j][0]:
                yield rows[at + i], rows[j], float(ratios[i, j])


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    yield from (tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))


def _shared(notes: Sequence[Note], beside: Path) -> Iterator[tuple[str, str, str]]:
    ours = {run: note.id for note in notes for said in sentences(note) for run in _runs(said)}
    for path in sorted(p for p in beside.rglob("*") if p.suffix in (".jsonl", ".txt", ".csv", ".bio", ".in", ".tsv")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix in (".bio", ".tsv"):
            text = " ".join(line.split()[0] for line in text.splitlines() if line.split())
        seen: set[tuple[str, ...]] = set()
        for run in _runs(text):
            if run in ours and run not in seen:
                seen.add(run)
                yield ours[run], " ".join(run), path.name


def _unequal(notes: Sequence[Note]) -> list[tuple[str, Counter[str]]]:
    """Marked strings of four letters and more that stand elsewhere unmarked or under another label."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for note in notes:
        for mark in note.marks:
            start, end = bare(note.text, mark.start, mark.end)
            said = note.text[start:end].casefold()
            if len(said) > 3 and mark.label != "detail":
                labels[said][mark.label] += 1
    pattern = re.compile(r"[\w'-]+(?:[ /][\w'-]+){0,4}")
    for note in notes:
        covered = [False] * len(note.text)
        for mark in note.marks:
            covered[mark.start : mark.end] = [True] * (mark.end - mark.start)
        for free in _free(note.text, covered):
            words = free.casefold()
            for found in pattern.finditer(words):
                if found.group() in labels:
                    labels[found.group()]["unmarked"] += 1
            for word in re.findall(r"[\w'-]+", words):
                if word in labels and " " in words:
                    labels[word]["unmarked"] += 1
    rows = [(said, found) for said, found in labels.items() if len(found) > 1]
    return sorted(rows, key=lambda row: -min(count for _, count in row[1].most_common(2)))


def _free(text: str, covered: Sequence[bool]) -> Iterator[str]:
    start = 0
    for at in range(len(text) + 1):
        if at == len(text) or covered[at]:
            if start < at:
                yield text[start:at]
            start = at + 1


if __name__ == "__main__":
    sys.exit(main())
