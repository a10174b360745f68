"""Agreement of two reviewers, against figures worked out by hand and scikit-learn's kappa."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError
from clinspan.review.loop import agreement, kappa

TEXT = "gout and asthma and fever"


def doc(id: str, *marked: tuple[int, int, str, str | None]) -> Document:
    entities = tuple(
        Entity(Span(start, end), label, TEXT[start:end], attributes={"assertion": said} if said else {})
        for start, end, label, said in marked
    )
    return Document(id, TEXT, entities)


def test_two_people() -> None:
    ann = [
        doc("a", (0, 4, "problem", "present"), (9, 15, "problem", "absent"), (20, 25, "problem", "present")),
        doc("b"),
    ]
    ben = [
        doc("a", (0, 4, "problem", "present"), (9, 15, "problem", "present"), (18, 25, "problem", "present")),
        doc("b", (0, 4, "drug", None)),
        doc("c", (0, 4, "drug", None)),
    ]
    found = agreement(ann, ben)
    assert found.notes == 2
    # Three and four entities; two in the same place, three that overlap.
    assert found.strict.micro.f1 == pytest.approx(2 * 2 / 7)
    assert found.relaxed.micro.f1 == pytest.approx(2 * 3 / 7)
    assert set(found.strict.labels) == {"problem", "drug"}
    (told,) = found.attributes
    assert (told.name, told.entities, told.same) == ("assertion", 2, 1)
    assert told.kappa == pytest.approx(0.0)
    turned = agreement(ben, ann)
    assert turned.strict.micro.f1 == found.strict.micro.f1
    with pytest.raises(InputError, match="both"):
        agreement(ann, [doc("z")])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_kappa_is_scikit_learns(pairs) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    table = {pair: pairs.count(pair) for pair in set(pairs)}
    one, other = zip(*pairs, strict=True)
    if len(set(one)) == len(set(other)) == 1 and one[0] == other[0]:
        assert kappa(table) is None
        return
    assert kappa(table) == pytest.approx(metrics.cohen_kappa_score(one, other))
