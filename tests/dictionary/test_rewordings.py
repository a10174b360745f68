"""Names in other words, and several names in one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dictionary.conftest import Listed, entry

from clinspan.dictionary.build import build
from clinspan.dictionary.link import Linker
from clinspan.dictionary.normalise import parts, rewordings
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, Entity, Span
from clinspan.labels import Label, LabelSet

LABELS = LabelSet(
    "l",
    (
        Label("disease", "An illness.", semantic_types=("Disease or Syndrome",)),
        Label("chemical", "A substance.", semantic_types=("Pharmacologic Substance",)),
    ),
)
NAMES = [
    entry("T:1", "hypertension"),
    entry("T:2", "kidney stone"),
    entry("T:3", "von Willebrand disease"),
    entry("T:4", "breast cancer", "cancer of the breast"),
    entry("T:5", "ovarian cancer", "cancer of the ovary"),
    entry("T:6", "C5 deficiency"),
    entry("T:7", "multiorgan failure"),
    entry("T:8", "hereditary breast and ovarian cancer syndrome"),
    entry("T:9", "renal colic", types=("Pharmacologic Substance",)),
    entry("T:10", "kidney disease"),
    entry("T:11", "edema"),
    entry("T:12", "hemolysis"),
]


@pytest.fixture(scope="module")
def linker(tmp_path_factory):
    path = tmp_path_factory.mktemp("d")
    build([Listed(NAMES)], path)
    return Linker(Dictionary.open(path), LABELS)


def linked(linker, text, place=None):
    start = text.rindex(place) if place else 0
    said = text[start:]
    (entity,) = linker.link(Document("d", text, (Entity(Span(start, len(text)), "disease", said),))).entities
    return [(concept.id, concept.reason) for concept in entity.concepts]


@pytest.mark.parametrize(
    ("said", "concepts"),
    [
        ("hypertensive", [("T:1", "reworded")]),
        ("renal stones", [("T:2", "reworded")]),
        ("von Willebrand", [("T:3", "reworded")]),
        ("C5-deficient", [("T:6", "reworded")]),
        ("deficiency of the C5", [("T:6", "word order")]),
        ("multi-organ failure", [("T:7", "reworded")]),
        ("kidney involvement", [("T:10", "reworded")]),
        ("advanced kidney stones", [("T:2", "reworded")]),
        ("edematous", [("T:11", "reworded")]),
        ("hemolytic", [("T:12", "reworded")]),
        ("breast and ovarian cancers", [("T:4", "part"), ("T:5", "part")]),
        ("breast and/or ovarian cancer", [("T:4", "part"), ("T:5", "part")]),
        ("breast, ovarian, and ovarian cancer", [("T:4", "part"), ("T:5", "part")]),
        ("cancer of the breast or ovary", [("T:4", "part"), ("T:5", "part")]),
        ("hereditary breast and ovarian cancer", [("T:8", "reworded")]),
        ("breast and thumb cancer", []),
        ("kidney colic", []),  # a substance here, which goes against the label
        ("hypertension", [("T:1", "exact")]),
    ],
)
def test_what_the_dictionary_lacks_is_said_in_other_words(linker, said, concepts):
    assert linked(linker, said) == concepts


def test_a_definition_may_be_reworded_too(linker):
    assert linked(linker, "von Willebrand (VW) and VW", "VW") == [("T:3", "short form")]


@given(st.text(alphabet="aebrik -,/and or", max_size=40))
def test_any_text_has_rewordings_in_normal_form_and_parts_that_are_names(text):
    assert all(other == " ".join(other.split()) for other in rewordings(text))
    known = {"a", "b a", "e"}
    assert set(parts(text, known.__contains__)) <= known
