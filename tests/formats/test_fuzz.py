"""No answer, however broken, makes a reader raise, hang, or lose its place.

CLINSPAN_FUZZ=100000 sets how many mutated answers are read; the default keeps the suite quick.
"""

import json
import os
import random
from pathlib import Path

import pytest

from clinspan import formats
from clinspan.formats.fidelity import align_copy
from clinspan.labels import Label, LabelSet

SEED = 20
COUNT = int(os.environ.get("CLINSPAN_FUZZ", "10000"))
FORMATS = ["tanl", "dice", "json", "mapping", "per-type:json"]
LABEL_SETS = [
    LabelSet("one", (Label("disease", "An illness."),)),
    LabelSet("three", tuple(Label(name, f"A kind of {name}.") for name in ("problem", "treatment", "test"))),
    LabelSet("odd", (Label("gene | protein", "x"), Label("[a]", "y"), Label('the "kind"', "z"))),
]
ANSWERS = [
    case["answer"]
    for path in sorted((Path(__file__).parent.parent / "answers").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
]
BITS = [
    "[", "]", "{", "}", "(", ")", "|", "\\", '"', "'", "`", "```", "“", "”", ":", ",", "\n", "\n\n", " ", "\t", "\r",
    "[SEP]", "[...]", "<entity>", " | disease ]", "[ ", "disease", "Mentions:", "The type is ", "- ", "1. ", "null",
    '{"text": "', '", "label": "', '"}', "\x00", "\ud800", "\u202e", "😀", "e\u0301", "\\u12", "\\ud83d", "=" * 9,
]  # fmt: skip


def mutated(rng):
    answer = rng.choice(ANSWERS)[:2000]
    for _ in range(rng.randrange(1, 7)):
        i, j = sorted((rng.randrange(len(answer) + 1), rng.randrange(len(answer) + 1)))
        kind = rng.randrange(6)
        if kind == 0:
            answer = answer[:i] + rng.choice(BITS) + answer[i:]
        elif kind == 1:
            answer = answer[:i] + answer[min(j, i + 9) :]
        elif kind == 2:
            answer = answer[:i]
        elif kind == 3:
            answer = answer[:i] + answer[i:j][:300] * 2 + answer[j:]
        elif kind == 4:
            answer = answer[:i] + rng.choice(ANSWERS)[:300] + answer[j:]
        else:
            answer = answer[:i] + rng.choice(BITS) * rng.randrange(1, 40) + answer[i:]
    return answer


def check(reading, answer, labels):
    assert all(mention.label in labels and mention.text for mention in reading.mentions)
    assert all(answer[u.start : u.end] == u.text for u in reading.unread)
    assert all(0 <= repair.start <= len(answer) for repair in reading.repairs)
    if reading.copy is not None:
        assert all(m.position.of(reading.copy) == m.text for m in reading.mentions)


def test_mutated_answers():
    rng = random.Random(SEED)
    for number in range(COUNT):
        answer, labels, name = mutated(rng), LABEL_SETS[number % 3], FORMATS[number % len(FORMATS)]
        reading = formats.by_name(name).parse(answer, labels)
        check(reading, answer, labels)
        if reading.copy is not None:
            text = rng.choice(ANSWERS)[:500]
            places = align_copy(reading.copy, text)
            spans = [places.span(mention.position) for mention in reading.mentions]
            assert all(span is None or span.end <= len(text) for span in spans)


@pytest.mark.parametrize("name", ["tanl", "dice", "json", "mapping"])
@pytest.mark.parametrize(
    "unit",
    [
     "[ ", "]", "[ a | disease ]", "[ a | ", "| ", "{", "[", '{"', '["a", ', '{"a": ', "'a ", '"', "\\", " ", "\n",
     "- a\n", "a [SEP] ", "The type is disease.\n", "Mentions: a\n", "disease: a\n", "```", "[ [ a | disease ] ",
     '"a" ', "**a** ", "a, ", "(", "I am sorry ", "no ", "{\"text\": \"a\", \"label\": \"disease\"}\n", "a'b ", "“a "],
)  # fmt: skip
def test_work_grows_with_the_length_alone(name, unit):
    """What a reader gives back stays in proportion to a long, repetitive answer: nothing is said of it twice."""
    answer = unit * (60_000 // len(unit))
    reading = formats.by_name(name).parse(answer, LABEL_SETS[0])
    check(reading, answer, LABEL_SETS[0])
    given_back = sum(len(m.text) for m in reading.mentions) + sum(len(u.text) for u in reading.unread)
    assert given_back <= 40 * len(answer)
    if reading.copy is not None:
        assert align_copy(reading.copy, "a b c " * 8_000).drift.reached <= 48_000
