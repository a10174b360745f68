"""Whole cases: a text, the mentions a model named, and the only spans that may come of them."""

import json
from pathlib import Path

import pytest

from clinspan.formats.base import Mention
from clinspan.grounding import ground


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def spans_of(case):
    found = ground(case["text"], [Mention(said["label"], said["text"]) for said in case["answer"]])
    assert all(entity.span.of(case["text"]) == entity.text for entity in found.entities)
    assert len(found.entities) + len(found.ungrounded) == len(case["answer"])
    return sorted((entity.label, entity.start, entity.end) for entity in found.entities)


HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "case", read(HERE / "cases.jsonl") + read(HERE / "cases_second.jsonl"), ids=lambda case: case["name"]
)
def test_own_cases(case):
    assert spans_of(case) == sorted((e["label"], e["start"], e["end"]) for e in case["expected"])


def test_published_cases(shared):
    wrong = []
    for case in read(shared("conformance/align.jsonl")):
        if spans_of(case) != sorted((e["label"], e["start"], e["end"]) for e in case["expected"]):
            wrong.append(case["name"])
    assert wrong == []
