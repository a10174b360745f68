"""Scores of codes: on entities that both sides have, and end to end."""

from clinspan.document import Concept, Document, Entity, Span
from clinspan.evaluation import pair
from clinspan.evaluation.breakdown import link_score

TEXT = "gout, asthma, ache"


def entity(text: str, *concepts: Concept) -> Entity:
    start = TEXT.index(text)
    return Entity(Span(start, start + len(text)), "disease", text, concepts=concepts)


def test_any_id_of_gold_and_any_equivalent_counts() -> None:
    gold = Document(
        "d",
        TEXT,
        (
            entity("gout", Concept("D006073", "gout", "MESH")),
            entity("asthma", Concept("D1", "asthma", "MESH"), Concept("D2", "asthma", "MESH")),
            entity("ache", Concept("D010146", "ache", "MESH")),
        ),
    )
    predicted = Document(
        "d",
        TEXT,
        (
            entity("gout", Concept("MONDO:0005393", "gout", "MONDO", equivalents=("MESH:D006073",))),
            entity("asthma", Concept("MESH:D2", "asthma", "MeSH")),
            entity("ache"),
        ),
    )
    score = link_score(pair([gold], [predicted]))
    assert score is not None
    assert (score.gold, score.predicted, score.matched, score.linked, score.right) == (3, 2, 3, 2, 2)
    assert (score.accuracy, score.precision, score.f1) == (2 / 3, 1.0, 0.8)


def test_without_codes_there_is_no_score() -> None:
    bare = Document("d", TEXT, (entity("gout"),))
    assert link_score(pair([bare], [bare])) is None
