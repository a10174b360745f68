"""Real replies of small models, and the failure forms that users of other tools report, each with what is read in it.

The files of tests/answers are named after the model that gave the answers; failure-forms.json holds answers written by
hand. Texts are made up.
"""

import json
from pathlib import Path

import pytest

from clinspan import formats
from clinspan.formats.fidelity import align_copy
from clinspan.labels import Label, LabelSet

FOLDER = Path(__file__).parent.parent / "answers"
CASES = [
    pytest.param(case, id=f"{path.stem}-{number}-{case['format']}")
    for path in sorted(FOLDER.glob("*.json"))
    for number, case in enumerate(json.loads(path.read_text(encoding="utf-8")), 1)
]


def test_there_are_enough_real_replies():
    assert sum("failure" not in str(case.id) for case in CASES) >= 60


@pytest.mark.parametrize("case", CASES)
def test_reads(case):
    answer, expected = case["answer"], case["expected"]
    labels = LabelSet("case", tuple(Label(name, "A kind.") for name in case["labels"]))
    reading = formats.by_name(case["format"]).parse(answer, labels)
    said = [[m.label, m.text, *([list(m.parts)] if m.parts else [])] for m in reading.mentions]
    assert said == expected["mentions"]
    assert [[u.start, u.text, u.reason, u.harmless] for u in reading.unread] == expected["unread"]
    assert sorted({repair.what for repair in reading.repairs}) == expected["repairs"]
    assert reading.refused == expected.get("refused", False)
    assert all(answer[u.start : u.end] == u.text for u in reading.unread)
    if "drift" in expected:
        assert align_copy(reading.copy, case["text"]).drift.kind == expected["drift"]


@pytest.mark.parametrize("case", CASES)
def test_no_failure_looks_like_an_empty_answer(case):
    """Where nothing is found, the answer says so, or what was not understood is returned, or the copy gives it away."""
    labels = LabelSet("case", tuple(Label(name, "A kind.") for name in case["labels"]))
    reading = formats.by_name(case["format"]).parse(case["answer"], labels)
    if reading.mentions or reading.refused or any(not u.harmless for u in reading.unread):
        return
    if case["format"] == "tanl":
        assert reading.copy is not None
        return
    bare = case["answer"].strip().strip("`jsno\n ")
    says_none = any(repair.what.endswith(("read as no mention", "the same answer again")) for repair in reading.repairs)
    assert bare in ("[]", "{}", "[ ]") or "<entity>" in bare or says_none
