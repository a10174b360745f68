import boundaries
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.text.sentences import BlockKind, blocks, sentences


@pytest.mark.parametrize(("split", "most_cuts", "least_recall"), [("dev", 0.02, 0.98), ("test", 0.05, 0.94)])
def test_boundaries_of_clinical_text(split, most_cuts, least_recall):
    right = cuts = missed = 0
    for snippet in boundaries.load(split):
        spans = [(s.span.start, s.span.end) for s in sentences(snippet.text)]
        found = boundaries.compare(snippet, spans)
        right, cuts, missed = right + found[0], cuts + found[1], missed + found[2]
    assert cuts / (right + cuts) <= most_cuts
    assert right / (right + missed) >= least_recall


@pytest.mark.parametrize(
    "text",
    [
        "Seen by Dr. Müller today.",
        "Vit. B12 was low.",
        "Takes metoprolol 25 mg b.i.d. and aspirin.",
        "Hgb was 9.8 g/dL.",
        "1. Continue metoprolol.",
        "Mass of approx. 5 cm.",
        "A cough that has lasted for more than three weeks and which is worse\nat night.",
        "Acute pancreatitis due to\r\ngallstones.",
    ],
)
def test_one_sentence(text):
    assert [s.span.of(text) for s in sentences(text)] == [text]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("PLAN:\nrest", ["heading", "prose"]),
        ("- rest\n- ice", ["item", "item"]),
        ("2) rest\n   and ice", ["item"]),
        ("Na\t138\nK | 4.1\nCl   101\n-----", ["row", "row", "row", "row"]),
        ("(1) rest\n• ice\n[ ] sling\n# fracture", ["item"] * 4),
        ("2.5 mg was given", ["prose"]),
        ("A. fumigatus\n\ngrew", ["item", "prose"]),
    ],
)
def test_lines_are_told_apart(text, kinds):
    assert [block.kind for block in blocks(text)] == [BlockKind(kind) for kind in kinds]


def test_paragraphs_and_headings_are_marked():
    found = sentences("HISTORY:\nOld. Ill.\n\nStable.")
    assert [(s.heading, s.paragraph) for s in found] == [(True, True), (False, False), (False, False), (False, True)]


@given(st.lists(st.sampled_from(["Pain. ", "No", " fever.", "\n", "\r\n", "é 😀 ", "1. "]), max_size=30).map("".join))
def test_windows_line_ends_make_no_difference(text):
    text = text.replace("\r\n", "\n")
    other = text.replace("\n", "\r\n")
    plain = [s.span.of(text) for s in sentences(text)]
    assert [s.span.of(other).replace("\r\n", "\n") for s in sentences(other)] == plain
