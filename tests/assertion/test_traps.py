"""Traps: a class and a sentence with one mention in braces. Even lines are for development, odd ones for the test."""

from pathlib import Path

import pytest

from clinspan.assertion.assess import assess
from clinspan.assertion.lexicon import CLASSES, lexicon
from clinspan.assertion.scope import decided, said_of
from clinspan.document import Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.tagging.open import given_attributes

KINDS = {
    "A": "absent",
    "+": "present",
    "P": "possible",
    "C": "conditional",
    "H": "hypothetical",
    "S": "associated-with-someone-else",
}
MORE = [
    line
    for line in (Path(__file__).parent / "more_traps.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("# ")
]
TRAPS = (Path(__file__).parent / "traps.txt").read_text(encoding="utf-8").splitlines()


def holds(line: str) -> bool:
    text = line[2:].replace("\\n", "\n")
    span = Span(text.index("{"), text.index("}") - 1)
    (said,) = said_of(text.replace("{", "").replace("}", ""), [span], lexicon())
    return (decided(said, CLASSES) or "present") == KINDS[line[0]]


def test_there_are_traps_of_every_class():
    assert len(TRAPS) >= 200
    assert {line[0] for line in TRAPS} == set(KINDS)


def test_nine_of_ten_traps_that_were_held_back_are_told():
    held_back = TRAPS[1::2]
    assert sum(map(holds, held_back)) >= 0.9 * len(held_back)


def test_nearly_all_traps_that_were_written_before_the_rules_saw_them_are_told():
    """117 of 141 at first sight; since then the rules were mended with them."""
    assert len(MORE) >= 140
    assert sum(map(holds, MORE)) >= 0.97 * len(MORE)


@pytest.mark.parametrize(("name", "count", "least"), [("blind_traps", 288, 262), ("fresh_traps", 240, 222)])
def test_nine_of_ten_traps_that_nobody_mended_with_are_told_by_encoder_and_rules(name: str, count: int, least: int):
    """270 of 288, with which it was chosen how sure the encoder must be, and 229 of 240; the rules tell 223 and 203.

    Processors differ in the last bits of a product, so a few more or fewer may be right.
    """
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    labels = LabelSet.builtin("problem-treatment-test")
    reads = given_attributes(labels)
    assert reads is not None
    written = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in written if line and not line.startswith("# ")]
    right = 0
    for line in lines:
        text = line[2:].replace("\\n", "\n")
        span = Span(text.index("{"), text.index("}") - 1)
        bare = text.replace("{", "").replace("}", "")
        (entity,) = assess(Document("d", bare, (Entity(span, "problem", span.of(bare)),)), labels, reads=reads).entities
        right += entity.attribute("assertion") == KINDS[line[0]]
    assert len(lines) == count
    assert right >= least
    assert sum(map(holds, lines)) < right
