from clinspan.document import Document, Entity, Span
from clinspan.evaluation.breakdown import MISSING, attribute_scores
from clinspan.evaluation.match import pair


def document(*values: str | None) -> Document:
    entities = [
        Entity(Span(at, at + 1), "problem", "x", attributes={"assertion": value} if value else {})
        for at, value in enumerate(values)
    ]
    return Document("d", "x" * 9, tuple(entities))


def test_values_are_compared_on_the_entities_that_both_have():
    (found,) = attribute_scores(
        pair([document("absent", "absent", "present", "present")], [document("absent", "present", None)])
    )
    assert found.confusion == {("absent", "absent"): 1, ("absent", "present"): 1, ("present", MISSING): 1}
    assert found.accuracy == 1 / 3
    assert found.f1("absent") == 2 / 3
    assert found.f1("present") == 0
    assert found.together_f1 == 2 / 6


def test_gold_without_attributes_has_no_table():
    assert attribute_scores(pair([document(None)], [document("absent")])) == ()
