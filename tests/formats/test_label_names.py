import pytest

from clinspan.formats.named import LabelNames
from clinspan.labels import Label, LabelSet


def names(*labels):
    return LabelNames(LabelSet("set", tuple(Label(label, "A kind.") for label in labels)))


@pytest.mark.parametrize(
    ("labels", "written", "meant"),
    [
        (("disease",), "disease", "disease"),
        (("disease",), " DISEASE ", "disease"),
        (("disease",), '"Disease".', "disease"),
        (("disease",), "**diseases**", "disease"),
        (("disease",), "diesase", "disease"),
        (("disease",), "desease", "disease"),
        (("disease",), "decease", None),
        (("disease",), "virus", None),
        (("disease",), "non-disease", None),
        (("disease",), "not a disease", None),
        (("disease",), "", None),
        (("disease",), "disease " * 50, None),
        (("drug class",), "Drug_Class", "drug class"),
        (("drug class",), "drug-classes", "drug class"),
        (("body part", "test"), "tests", "test"),
        (("test",), "text", None),
        (("gene", "genre"), "genes", "gene"),
        (("grade 1",), "grade 2", None),
        (("grade 1", "grade 2"), "grades 2", "grade 2"),
        (("allergy",), "allergies", "allergy"),
        (("diagnosis",), "Diagnosis", "diagnosis"),
        (("marker one", "marker ome"), "marker ore", None),
        (("a-b", "a b"), "A B", None),
        (("a-b", "a b"), "a b", "a b"),
        (("[x]",), "[x]", "[x]"),
    ],
)
def test_the_nearest_label_by_rule(labels, written, meant):
    assert names(*labels).find(written) == meant
