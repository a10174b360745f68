"""Sentence boundaries of clinical text: clinspan's rules with each of several segmenters, and each segmenter alone.

The snippets are those of tests/text/boundaries.txt, marked by hand; a boundary is right when a sentence ends at that
very character. `cuts` counts boundaries that are not there: each may cut a mention, which costs more than a missed one.
`exact` is whether the segmenter's pieces stand in the text at the offsets found for them. Speed is of 100 KB of the
snippets joined, as a ratio to sentencex alone in the same run.

Rivals to install by hand: pip install pysbd syntok nupunkt blingfire nltk spacy medspacy (nltk also needs its data
package `punkt_tab`; what is missing is left out). Run: python benchmarks/segmenters.py [dev|test]
"""

import importlib
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "text"))
boundaries = importlib.import_module("boundaries")

from clinspan.text import sentences as clinical  # noqa: E402

Spans = list[tuple[int, int]]
Segmenter = Callable[[str], Spans]


def aligned(text: str, pieces: Iterable[str]) -> Spans:
    """Where the pieces stand, without outer white space; raises ValueError when one does not."""
    spans, at = [], 0
    for piece in pieces:
        if words := piece.strip():
            start = text.index(words, at)
            at = start + len(words)
            spans.append((start, at))
    return spans


def trimmed(text: str, spans: Iterable[tuple[int, int]]) -> Spans:
    found = []
    for start, end in spans:
        piece = text[start:end]
        if piece.strip():
            found.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return found


def use_sentencex() -> Segmenter:
    module = importlib.import_module("sentencex")
    return lambda text: aligned(text, module.segment("en", text))


def use_pysbd() -> Segmenter:
    segmenter = importlib.import_module("pysbd").Segmenter(language="en", clean=False, char_span=True)
    return lambda text: trimmed(text, ((s.start, s.end) for s in segmenter.segment(text)))


def use_syntok() -> Segmenter:
    module = importlib.import_module("syntok.segmenter")

    def split(text: str) -> Spans:
        found = (list(s) for paragraph in module.analyze(text) for s in paragraph)
        return [(s[0].offset, s[-1].offset + len(s[-1].value)) for s in found]

    return split


def use_nupunkt() -> Segmenter:
    module = importlib.import_module("nupunkt")
    return lambda text: trimmed(text, module.sent_spans(text))


def use_blingfire() -> Segmenter:
    module = importlib.import_module("blingfire")
    return lambda text: trimmed(text, module.text_to_sentences_and_offsets(text)[1])


def use_nltk() -> Segmenter:
    tokenizer = importlib.import_module("nltk.tokenize").PunktTokenizer("english")
    return lambda text: trimmed(text, tokenizer.span_tokenize(text))


def use_spacy() -> Segmenter:
    pipeline = importlib.import_module("spacy").blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.max_length = 10**7
    return lambda text: trimmed(text, ((s.start_char, s.end_char) for s in pipeline(text).sents))


def use_pyrush() -> Segmenter:
    # PyRuSH logs every token it looks at.
    importlib.import_module("loguru").logger.disable("PyRuSH")
    importlib.import_module("medspacy.sentence_splitting")
    pipeline = importlib.import_module("spacy").blank("en")
    pipeline.add_pipe("medspacy_pyrush")
    pipeline.max_length = 10**7
    return lambda text: trimmed(text, ((s.start_char, s.end_char) for s in pipeline(text).sents))


RIVALS: dict[str, Callable[[], Segmenter]] = {
    "sentencex": use_sentencex,
    "nupunkt": use_nupunkt,
    "syntok": use_syntok,
    "pysbd": use_pysbd,
    "blingfire": use_blingfire,
    "nltk punkt": use_nltk,
    "spaCy sentencizer": use_spacy,
    "medspaCy PyRuSH": use_pyrush,
}


def inside_clinspan(split: Segmenter) -> Segmenter:
    """Clinspan's reading of lines and abbreviations around another segmenter of running text."""

    def run(text: str) -> Spans:
        original = clinical._segment

        def ends(flat: str) -> Iterator[int]:
            yield from (end for _, end in split(flat))

        clinical._segment = ends
        try:
            return [(s.span.start, s.span.end) for s in clinical.sentences(text)]
        finally:
            clinical._segment = original

    return run


def measure(split: Segmenter, snippets: list[Any]) -> tuple[int, int, int, str]:
    right = wrong = missed = 0
    exact = "yes"
    for snippet in snippets:
        try:
            spans = split(snippet.text)
        except ValueError:
            exact, spans = "no", []
        a, b, c = boundaries.compare(snippet, spans)
        right, wrong, missed = right + a, wrong + b, missed + c
    return right, wrong, missed, exact


def seconds(split: Segmenter, text: str) -> float:
    start = time.perf_counter()
    split(text)
    return time.perf_counter() - start


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "test"
    warnings.simplefilter("ignore")
    snippets = boundaries.load(kind)
    joined = "\n\n".join(s.text for s in snippets)
    long = (joined + "\n\n") * (100_000 // len(joined))
    total = sum(len(s.ends) for s in snippets)
    print(f"{kind}: {len(snippets)} snippets, {total} boundaries; {len(long) / 1000:.0f} KB for speed\n")
    print("| segmenter | precision | recall | F1 | cuts | missed | exact | time / sentencex |")
    print("|---|---|---|---|---|---|---|---|")
    yardstick = 0.0
    for name, use in RIVALS.items():
        try:
            alone = use()
        except (ImportError, LookupError, ValueError) as error:
            why = "its data is missing" if isinstance(error, LookupError) else str(error)
            print(f"| {name} | left out: {why} | | | | | | |")
            continue
        for title, split in ((name, alone), (f"clinspan's lines + {name}", inside_clinspan(alone))):
            right, wrong, missed, exact = measure(split, snippets)
            precision, recall = right / (right + wrong or 1), right / (right + missed)
            f1 = 2 * right / (2 * right + wrong + missed)
            took = seconds(split, long) if exact == "yes" else float("nan")
            yardstick = yardstick or took
            print(
                f"| {title} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {wrong} | {missed} | {exact} "
                f"| {took / yardstick:.1f} |"
            )


if __name__ == "__main__":
    main()
