"""How well the rules, and the encoder with them, tell negated phrases in BioScope's abstracts, where nothing was tuned.

python benchmarks/bioscope.py BIOSCOPE.jsonl

BioScope marks cues of negation and their scopes, and no problems. So each sentence is probed with its phrases: runs of
words between marks of punctuation, function words and cues of negation, without verb forms at their ends. A phrase is
negated when a scope of negation holds all of it; one that a scope's edge cuts is left out. The figure is the F1 of
"absent" over the phrases. The clinical part of BioScope is not asked about.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import regex

from clinspan.assertion.assess import Reads, assess
from clinspan.document import Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.tagging.open import given_attributes

LABELS = LabelSet.builtin("problem-treatment-test")
_WORD = regex.compile(r"[^\W_][\w'/.-]*[^\W_]|[^\W_]|\S")
# fmt: off
_FUNCTION = frozenset([
    "a", "an", "the", "of", "in", "on", "at", "by", "for", "from", "to", "with", "without", "and", "or", "but", "nor",
    "as", "than", "that", "which", "who", "whose", "where", "when", "while", "if", "whether", "because", "although",
    "though", "since", "after", "before", "during", "between", "among", "into", "onto", "upon", "over", "under",
    "via", "through", "not", "no", "neither", "either", "both", "all", "any", "some", "each", "this", "these",
    "those", "it", "its", "they", "their", "them", "we", "our", "he", "she", "his", "her", "there", "here", "is",
    "are", "was", "were", "be", "been", "being", "has", "have", "had", "having", "do", "does", "did", "can", "could",
    "may", "might", "must", "will", "would", "shall", "should", "also", "only", "however", "thus", "therefore",
    "hence", "such", "other", "more", "most", "less", "least", "very", "so", "too", "then", "yet", "still", "even",
    "just", "cannot", "rather", "instead",
])
# fmt: on
_VERB_FORM = regex.compile(r"\w{3,}(?:ed|ing|ly)")


def probes(text: str, cues: Sequence[Span]) -> Iterator[Span]:
    """The phrases of a sentence."""
    run: list[Span] = []
    for found in [*_WORD.finditer(text), None]:
        span = Span(*found.span()) if found is not None else None
        word = span.of(text).lower() if span is not None else ""
        if span is not None and word[0].isalnum() and word not in _FUNCTION and not _within(span, cues, touches=True):
            run.append(span)
            continue
        while run and _VERB_FORM.fullmatch(run[-1].of(text).lower()):
            run.pop()
        while run and _VERB_FORM.fullmatch(run[0].of(text).lower()):
            run.pop(0)
        if run:
            yield Span(run[0].start, run[-1].end)
        run = []


def _within(span: Span, others: Sequence[Span], *, touches: bool = False) -> bool:
    if touches:
        return any(span.start < other.end and other.start < span.end for other in others)
    return any(other.start <= span.start and span.end <= other.end for other in others)


def score(records: Sequence[Mapping[str, Any]], reads: Reads | None) -> Counter[str]:
    """True and false positives and negatives over the phrases of all sentences."""
    counts: Counter[str] = Counter()
    for record in records:
        text = record["text"]
        marked = {kind: _spans(record["entities"], f"negation {kind}") for kind in ("cue", "scope")}
        phrases = list(probes(text, marked["cue"]))
        given = Document(record["id"], text, tuple(Entity(phrase, "problem", phrase.of(text)) for phrase in phrases))
        for phrase, entity in zip(phrases, assess(given, LABELS, reads=reads).entities, strict=True):
            gold = _within(phrase, marked["scope"])
            if not gold and _within(phrase, marked["scope"], touches=True):
                continue
            counts[_cell(gold, told=entity.attribute("assertion") == "absent")] += 1
    return counts


def _cell(gold: bool, *, told: bool) -> str:
    return {(True, True): "hit", (True, False): "missed", (False, True): "wrong", (False, False): "rest"}[gold, told]


def _spans(entities: Sequence[Mapping[str, Any]], label: str) -> list[Span]:
    found = []
    for entity in entities:
        if entity["label"] == label:
            parts = entity.get("fragments") or [[entity["start"], entity["end"]]]
            found += [Span(*part) for part in parts]
    return found


def main() -> int:
    """The command line."""
    path = Path(sys.argv[1]) if len(sys.argv) == 2 else None
    if path is None or not path.exists():
        print(f"no file {path}; usage: python benchmarks/bioscope.py BIOSCOPE.jsonl", file=sys.stderr)
        return 2
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record["id"].startswith("abstracts-")]
    for name, reads in (("rules", None), ("encoder and rules", given_attributes(LABELS))):
        counts = score(records, reads)
        right, missed, wrong = counts["hit"], counts["missed"], counts["wrong"]
        print(f"{name}: {len(records)} sentences, {sum(counts.values())} phrases, {right + missed} negated, ", end="")
        print(f"precision {right / (right + wrong):.3f}, recall {right / (right + missed):.3f}, ", end="")
        print(f"F1 {2 * right / (2 * right + missed + wrong):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
