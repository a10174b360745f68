"""How long it takes to ground 50 mentions in a note of 4,000 tokens, next to langextract.

Needs `pip install langextract`. Run: `python benchmarks/grounding.py`

The note is made up from sentences of clinical notes with a fixed seed. Both get the same 50 mentions: as written,
and, in a second row, with some in other case or spacing, some misspelt, one changed and one invented. Both start from
the bare text in every run; the median of the runs counts. Below, what each makes of the published conformance cases
and of our own is counted: exact spans, wrong ones, missed ones.
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from langextract.core.data import Extraction
from langextract.resolver import Resolver

from clinspan.formats.base import Mention
from clinspan.grounding import ground
from clinspan.text.windows import tokens

ROOT = Path(__file__).parent.parent
FINDINGS = """chest pain|shortness of breath|hypertension|type 2 diabetes mellitus|pneumonia|atrial fibrillation|acute
renal failure|left lower extremity edema|nausea and vomiting|gastroesophageal reflux disease|migraine|osteoarthritis of
the right knee|iron deficiency anemia|chronic obstructive pulmonary disease|urinary tract infection|hyperlipidemia"""
DRUGS = "metoprolol|lisinopril|aspirin|furosemide|warfarin|omeprazole|albuterol|prednisone|gabapentin|vancomycin"
FORMS = (
    "The patient reports {f} for the past {n} days, worse at night.",
    "{F} was treated with {d} {n} mg daily; no adverse effects were seen.",
    "On examination there were no signs of {f}.",
    "{D} {n} mg was continued for {f}.",
    "She denies {f} but admits to occasional {f} after meals.",
    "Laboratory results of day {n} were within normal limits.",
)


def make_note(length: int) -> tuple[str, list[str]]:
    """A note of about `length` tokens, and the mentions in it, in order."""
    choose = random.Random(4)
    findings, drugs = [" ".join(f.split()) for f in FINDINGS.split("|")], DRUGS.split("|")
    text, mentions = "", []
    while len(tokens(text)) < length:
        sentence, form = "", choose.choice(FORMS)
        while "{" in form:
            before, _, rest = form.partition("{")
            kind, form = rest[0], rest[2:]
            word = choose.choice(findings if kind in "fF" else drugs)
            if kind == "n":
                word = str(choose.randint(1, 100))
            else:
                word = word.capitalize() if kind.isupper() else word
                mentions.append(word)
            sentence += before + word
        text += sentence + form + (" " if choose.random() < 0.8 else "\n")
    return text, mentions


def disturb(mentions: Sequence[str]) -> list[str]:
    """Mentions as models write them: 8 in other case, 8 with doubled spaces or hyphens, 4 misspelt, 2 not there."""
    changed = list(mentions)
    for at in range(0, 24, 3):
        changed[at] = changed[at].upper()
    for at in range(1, 24, 3):
        changed[at] = changed[at].replace(" ", "-") + "."
    for at in range(24, 28):
        changed[at] = changed[at][:3] + changed[at][4:3:-1] + changed[at][5:]
    changed[28], changed[29] = "right lower extremity edema", "pulmonary embolism"
    return changed


def ours(text: str, mentions: Sequence[Mention]) -> set[tuple[str, int, int]]:
    return {(e.label, e.start, e.end) for e in ground(text, mentions).entities}


def langextract(text: str, mentions: Sequence[Mention]) -> set[tuple[str, int, int]]:
    said = [Extraction(mention.label, mention.text) for mention in mentions]
    found = set()
    for extraction in Resolver().align(said, text, 0):
        place = extraction.char_interval
        if place is not None and place.start_pos is not None and place.end_pos is not None:
            found.add((extraction.extraction_class, place.start_pos, place.end_pos))
    return found


def median_ms(ground_all: Callable[[], object], runs: int) -> float:
    ground_all()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        ground_all()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def speed() -> None:
    text, mentions = make_note(4000)
    step = len(mentions) // 50
    asked = mentions[::step][:50]
    print(f"{len(tokens(text))} tokens, {len(text)} characters, {len(asked)} mentions")
    print(f"{'mentions':<22}{'clinspan':>12}{'langextract':>14}{'ratio':>9}")
    for name, said in (("as written", asked), ("as models write them", disturb(asked))):
        given = [Mention("P", mention) for mention in said]
        mine = median_ms(partial(ours, text, given), 30)
        theirs = median_ms(partial(langextract, text, given), 3)
        print(f"{name:<22}{mine:>9.2f} ms{theirs:>11.0f} ms{theirs / mine:>8.0f}x")


def conformance() -> None:
    shared = Path(os.environ.get("CLINSPAN_SHARED", ROOT.parent / "shared"))
    print(f"\n{'cases':<22}{'spans':>7}{'clinspan exact/wrong/missed':>30}{'langextract':>16}")
    for path in (shared / "conformance" / "align.jsonl", ROOT / "tests" / "grounding" / "cases.jsonl"):
        if not path.exists():
            print(f"{path.name:<22} is not on this machine")
            continue
        cases = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        scores = []
        for tool in (ours, langextract):
            exact = wrong = missed = 0
            for case in cases:
                want = {(e["label"], e["start"], e["end"]) for e in case["expected"]}
                said = [Mention(a["label"], a["text"]) for a in case["answer"] if a["text"].strip(". ")]
                # langextract refuses an empty text and an empty mention with an error.
                got = tool(case["text"], said) if case["text"] and said else set()
                exact, wrong, missed = exact + len(got & want), wrong + len(got - want), missed + len(want - got)
            scores.append(f"{exact}/{wrong}/{missed}")
        spans = sum(len(case["expected"]) for case in cases)
        print(f"{path.name:<22}{spans:>7}{scores[0]:>30}{scores[1]:>16}")


if __name__ == "__main__":
    speed()
    conformance()
    sys.exit(0)
