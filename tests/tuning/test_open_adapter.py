"""The chats that teach the embedded LLM to read definitions."""

import sys
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from passages import Group, Passage, Wording

pytestmark = pytest.mark.model
TEXTS = ("Aspirin eased the gout.", "No ataxia [sic].", "On aspirin; gout again.")
TOLD = {
    "drug": Wording(("drug", "medicine | or drug"), ("What is taken.",), ("With the dose.",)),
    "disease": Wording(("disease",), ("What is wrong.",), ("",)),
}


def group(*, apart: bool = False) -> Group:
    passages = [
        Passage(TEXTS[0], {"drug": [(0, 7)], "disease": [(18, 22)]}),
        Passage(TEXTS[1], {"disease": [(3, 9)]}),
        Passage(TEXTS[2], {"drug": [(3, 10)], "disease": [(3, 16)]}),
    ]
    if apart:
        return Group("single:a", passages, TOLD, 1.0, {"drug": [2], "disease": [2]}, apart=True)
    return Group("set:a", passages[:2], TOLD, 1.0)


def test_a_chat_says_its_definitions_once_and_decides_in_each_answer(base):
    from open_adapter import Rows

    rows = Rows([group()], base, Random(3)).drawn(30)
    longest = max(rows, key=lambda row: len(row.ids))
    shown = base.tokenizer._tokenizer.decode(longest.ids)
    assert shown.count("Entity types:") == 1
    assert shown.count("<|im_start|>assistant\n") == shown.count("Text:\n") == 2
    assert all(row.ids[one.at + 1] == one.right for row in rows for one in row.decisions)
    assert all(one.at <= other.at for one, other in pairwise(longest.decisions))
    second = longest.ids.index(base.tokenizer.end, longest.prompt)
    assert min(one.at for one in longest.decisions) < second < max(one.at for one in longest.decisions)
    answers = {part.split("<|im_end|>")[0] for part in shown.split("<|im_start|>assistant\n")[1:]}
    assert any(answer.endswith("\\[sic\\].") for answer in answers)
    # A name that an answer cannot show is not told.
    assert "medicine" not in "".join(base.tokenizer._tokenizer.decode(row.ids) for row in rows)


def test_labels_whose_mentions_meet_are_not_asked_for_together(base):
    from open_adapter import Rows

    for row in Rows([group(apart=True)], base, Random(5)).drawn(10):
        shown = base.tokenizer._tokenizer.decode(row.ids)
        assert ("- drug:" in shown) != ("- disease:" in shown)
