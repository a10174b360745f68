"""Matching speed and plain F1 of the dictionary beside other matchers: same strings, same texts, one run.

    pip install pyahocorasick spacy mmlite      # the rivals, by hand
    python benchmarks/dictionary.py

Reads the Disease Ontology and the NCBI-disease test abstracts from $CLINSPAN_SHARED (else `shared` beside the
repository). Each matcher is loaded before it is timed; the time is the processor's, in the best of five passes over the
abstracts. For F1 each tags whatever it matches, of overlapping matches the longest, and is scored by exact spans
against the gold mentions: a test of matching, not of a tuned tagger.

The last table is the tagger of `--llm none` on the packaged open vocabularies, as it is (no NCBI annotation used) and
with a decision learned from the training documents.
"""

import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from clinspan.corpora.catalogue import read
from clinspan.dictionary.build import build, open_default, resolve
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.tag import Tagger
from clinspan.document import Document, Entity, Span
from clinspan.evaluation import intervals, score
from clinspan.labels import LabelSet

SHARED = Path(os.environ.get("CLINSPAN_SHARED", Path(__file__).parent.parent.parent / "shared"))
NCBI = SHARED / "data" / "ncbi_disease"
DOID = SHARED / "vocab" / "doid.jsonl"
PASSES = 5

Matcher = Callable[[str], Iterable[tuple[int, int]]]


def documents(split: str) -> list[Document]:
    (file,) = (NCBI / split).iterdir()
    kinds = ("SpecificDisease", "DiseaseClass", "Modifier", "CompositeMention")
    found = read(file, format="pubtator", labels=dict.fromkeys(kinds, "disease"), lenient=True)
    return [document for document in found if isinstance(document, Document)]


def clinspan_matcher(folder: Path, _names: list[str]) -> Matcher:
    build(resolve(str(DOID)), folder / "clinspan")
    dictionary = Dictionary.open(folder / "clinspan")
    return lambda text: [(m.span.start, m.span.end) for m in dictionary.scan(text)]


def ahocorasick_matcher(_folder: Path, names: list[str]) -> Matcher:
    automaton = importlib.import_module("ahocorasick").Automaton()
    for name in names:
        automaton.add_word(name.lower(), len(name))
    automaton.make_automaton()

    def match(text: str) -> Iterable[tuple[int, int]]:
        for last, length in automaton.iter(text.lower()):
            start, end = last + 1 - length, last + 1
            if not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
                yield start, end

    return match


def spacy_matcher(_folder: Path, names: list[str]) -> Matcher:
    spacy = importlib.import_module("spacy")
    nlp = spacy.blank("en")
    matcher = importlib.import_module("spacy.matcher").PhraseMatcher(nlp.vocab, attr="LOWER")
    matcher.add("T", list(nlp.pipe(names)))
    return lambda text: [(s.start_char, s.end_char) for s in matcher(nlp(text), as_spans=True)]


def mmlite_matcher(folder: Path, names: list[str]) -> Matcher:
    with (folder / "MRCONSO.RRF").open("w") as conso, (folder / "MRSTY.RRF").open("w") as sty:
        for number, name in enumerate(names, 1):
            cui, clean = f"C{number:07}", name.replace("|", " ")
            conso.write(f"{cui}|ENG|P|L{number:07}|PF|S{number:07}|Y|A{number:07}||||DOID|PT|{cui}|{clean}|0|N||\n")
            sty.write(f"{cui}|T047|B2.2.1.2.1|Disease or Syndrome|AT{number:07}||\n")
    mmlite = importlib.import_module("mmlite")
    index = importlib.import_module("mmlite.index.build")
    index.build_index(folder / "MRCONSO.RRF", folder / "MRSTY.RRF", folder / "ivf")
    settings = importlib.import_module("mmlite.config").Settings(
        index_directory=folder / "ivf", enable_postagging=False
    )
    engine = mmlite.MetaMapLite(settings)
    return lambda text: [(e.start, e.start + e.length) for e in engine.process_text(text)]


MATCHERS = {
    "clinspan scan": clinspan_matcher,
    "pyahocorasick": ahocorasick_matcher,
    "spaCy PhraseMatcher": spacy_matcher,
    "mmlite": mmlite_matcher,
}


def apart(spans: Iterable[tuple[int, int]]) -> list[Span]:
    kept: list[Span] = []
    for start, end in sorted(set(spans), key=lambda span: (span[0] - span[1], span[0])):
        span = Span(start, end)
        if not any(span.overlaps(other) for other in kept):
            kept.append(span)
    return kept


def tagged(gold: list[Document], matcher: Matcher) -> list[Document]:
    return [
        Document(d.id, d.text, tuple(Entity(s, "disease", s.of(d.text)) for s in apart(matcher(d.text)))) for d in gold
    ]


def milliseconds(gold: list[Document], call: Callable[[str], Iterable[object]]) -> float:
    best = float("inf")
    for _ in range(PASSES):
        start = time.process_time()
        for document in gold:
            list(call(document.text))
        best = min(best, time.process_time() - start)
    return best / len(gold) * 1000


def main() -> None:
    gold = documents("test")
    rows = [json.loads(line) for line in DOID.read_text().splitlines()]
    names = sorted({name for row in rows for name in (row["name"], *row["synonyms"])})
    console = Console()
    table = Table("matcher", "ms a document", "ratio to clinspan", "P", "R", "F1", title=f"{len(names)} DOID strings")
    own = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, make in MATCHERS.items():
            try:
                matcher = make(Path(folder), names)
            except ImportError as error:
                table.add_row(name, f"not installed ({error.name})", "", "", "", "")
                continue
            spent = milliseconds(gold, matcher)
            own = own or spent
            found = score(gold, tagged(gold, matcher)).micro
            figures = (found.precision, found.recall, found.f1)
            table.add_row(name, f"{spent:.3f}", f"{spent / own:.1f}", *(f"{value:.3f}" for value in figures))
    console.print(table)

    plain = Tagger(open_default(), LabelSet.builtin("disease"))
    table = Table("tagger on the open vocabularies", "P", "R", "F1", "95 %", "ms a document", title="NCBI-disease test")
    for title, tagger in (("as it is", plain), ("learned from train", plain.learned(documents("train")))):
        result = score(gold, [Document(d.id, d.text, tagger.tag(d.text)) for d in gold])
        interval = intervals(result)[0].f1
        found = result.micro
        figures = (found.precision, found.recall, found.f1)
        spent = milliseconds(gold, tagger.tag)
        bounds = f"{interval.low:.3f} to {interval.high:.3f}"
        table.add_row(title, *(f"{value:.3f}" for value in figures), bounds, f"{spent:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
