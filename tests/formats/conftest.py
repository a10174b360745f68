"""Random documents, and what every format must keep of them."""

from hypothesis import strategies as st

from clinspan.document import Entity, Span
from clinspan.labels import Label, LabelSet

SPECIAL = [
    "[", "]", "|", "\\", "[SEP]", "[sep]", "[...]", "<entity>", "<90", '"', "'", "“", "{", "}", ":", ",", "`", "```",
    " | ", "[ ", " ]", " [SEP] ", "\n", "\r\n", " ", "  ", "\t", "\u2028", "\u00a0", "-", "* ", "1. ", "#", "//",
    "None", "disease", "Mentions:", "The type is", "fever", "Crohn's disease", "İ", "é", "e\u0301", "糖尿病",
    "😀", "\\n", "\\s", "\x1c", "\x85", "\x00",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(SPECIAL), st.text(max_size=6)), min_size=1, max_size=24).map("".join)
names = st.lists(
    st.one_of(
        st.sampled_from(
            ["disease", "medical problem", "gene | protein", "[x]", "a\\b", 'the "kind"', "test:", "it's", "<entity>"]
        ),
        st.text(min_size=1, max_size=12).map(str.strip).filter(lambda n: n and n.isprintable()),
    ),
    min_size=1,
    max_size=3,
    unique_by=str.casefold,
)


@st.composite
def label_sets(draw):
    return LabelSet(
        "random", tuple(Label(n, draw(st.sampled_from(["A kind.", "Two\nlines: x."]))) for n in draw(names))
    )


@st.composite
def documents(draw, nested=False):
    """A text, entities in it that do not overlap (or only nest), and their label set."""
    labels = draw(label_sets())
    text = draw(texts.filter(bool))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=8)))
    entities = []

    def entity(start, end):
        entities.append(Entity(Span(start, end), draw(st.sampled_from(labels.names)), text[start:end]))

    if nested:
        while len(cuts) >= 2:
            if cuts[0] < cuts[-1]:
                entity(cuts[0], cuts[-1])
            cuts = cuts[1:-1] if draw(st.booleans()) else cuts[1:]
    else:
        for start, end in zip(cuts[::2], cuts[1::2], strict=False):
            if start < end:
                entity(start, end)
    return text, tuple(entities), labels
