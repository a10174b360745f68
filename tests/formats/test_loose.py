import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.formats import loose

values = st.recursive(
    st.one_of(st.text(), st.none(), st.booleans(), st.integers()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)
containers = st.one_of(st.lists(values, max_size=4), st.dictionaries(st.text(), values, max_size=4))


def plain(node):
    if node.kind == "object":
        return {key.text: plain(value) for key, value in node.pairs}
    if node.kind == "array":
        return [plain(item) for item in node.items]
    return node.text if node.kind == "string" else json.loads(node.text)


@given(containers, st.booleans(), st.sampled_from([None, 2]))
def test_valid_json_is_read_as_the_standard_says(value, ascii_only, indent):
    nodes, repairs = loose.values(json.dumps(value, ensure_ascii=ascii_only, indent=indent))
    assert [plain(node) for node in nodes] == [value]
    assert repairs == []


broken = st.sampled_from([*"[]{}():,;=\"'\\`\n “”‘’ab1", "null", "```", "\\u00e9", "\\ud83d"])


@given(st.lists(broken).map("".join))
def test_every_string_has_a_reading_with_exact_places(answer):
    def check(node, low, high):
        assert low <= node.start <= node.end <= high
        at = node.start
        inner = node.items + [part for pair in node.pairs for part in pair if part is not None]
        for child in inner:
            check(child, at, node.end)
            at = child.end

    nodes, repairs = loose.values(answer)
    at = 0
    for node in nodes:
        check(node, at, len(answer))
        at = node.end
    assert all(0 <= repair.start <= len(answer) for repair in repairs)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("['Crohn's disease', 'the patients' flu']", ["Crohn's disease", "the patients' flu"]),
        ('["the "bird" flu", "x"]', ['the "bird" flu', "x"]),
        ("[“flu”, ‘pox’, `mumps`]", ["flu", "pox", "mumps"]),
        ('["flu" "pox"]', ["flu", "pox"]),
        ('["chest\n pain"]', ["chest\n pain"]),
        ('["a\\\\b", "a\\qb", "\\u00e9\\ud83d\\ude00"]', ["a\\b", "a\\qb", "é😀"]),
        ("[flu, Crohn's disease]", ["flu", "Crohn's disease"]),
    ],
)
def test_strings_as_models_write_them(answer, expected):
    (node,), _ = loose.values(answer)
    assert [item.text for item in node.items] == expected
