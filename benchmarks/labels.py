"""Sentences a second of labels of one's own: `open-labels`, which reads a sentence for each label, beside an encoder
that was taught its labels and reads it once.

Run: python benchmarks/labels.py [--notes notes/text] [--limit 400]

Both tag the same sentences of our notes with five labels through a whole tagger: windows, reading, decoding, joining,
grounding, with no dictionary. Wall time counts, on both cores; the better of three runs.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
from clinspan.document import Document
from clinspan.labels import Label, LabelSet
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings, windows
from marked import read

FIVE = LabelSet(
    "five",
    (
        Label("symptom", "Something that the patient feels or that is seen on the patient and may point to a disease."),
        Label("drug", "A medicine by its generic or brand name, or its class, that the patient takes or may take."),
        Label("dose", "How much of a medicine is taken at a time, with its number and unit."),
        Label("body part", "A part of the body that something is said about, with its side."),
        Label("duration", "How long something has lasted or is to last, with its number and unit."),
    ),
)
SENTENCES = WindowSettings(max_tokens=64, max_sentences=1, overlap_sentences=0)


def sentences(folder: Path, limit: int) -> list[Document]:
    """The first sentences of our notes that have five words or more."""
    found: list[Document] = []
    for path in sorted(folder.glob("*.txt")):
        for note in read(path):
            for window in windows(note.text, SENTENCES, count=lambda part: len(part.split())):
                text = window.core.of(note.text).strip()
                if len(text.split()) >= 5:
                    found.append(Document(str(len(found)), text))
                if len(found) == limit:
                    return found
    return found


def seconds(tagger: Tagger, documents: list[Document]) -> float:
    """The best of three runs."""
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        for _ in tagger.tag_many(documents):
            pass
        taken.append(time.perf_counter() - begun)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=Path, default=Path(__file__).parent.parent / "notes" / "text")
    parser.add_argument("--limit", type=int, default=400)
    given = parser.parse_args()
    documents = sentences(given.notes, given.limit)
    words = sum(len(one.text.split()) for one in documents)
    print(f"{len(documents)} sentences, {words} words; five labels")
    rates = {}
    for name, labels in (("clinical-notes", "problem-treatment-test"), ("open-labels", FIVE)):
        with Tagger.open(None, labels=labels, dictionary=None, encoder=name, fused="none") as tagger:
            rates[name] = len(documents) / seconds(tagger, documents)
        print(f"{name:16}{rates[name]:8.1f} sentences/s {rates[name] / rates['clinical-notes']:8.3f}", flush=True)


if __name__ == "__main__":
    main()
