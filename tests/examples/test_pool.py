import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError
from clinspan.examples.build import build
from clinspan.examples.pool import Pool
from clinspan.examples.retrieve import best
from clinspan.examples.store import cut
from clinspan.text.windows import WindowSettings


def marked(id: str, text: str, *mentions: tuple[str, str]) -> Document:
    entities = tuple(
        Entity(Span(text.index(mention), text.index(mention) + len(mention)), label, mention)
        for mention, label in mentions
    )
    return Document(id, text, entities)


DOCUMENTS = (
    marked("a", "She has gout. No fever was seen. Colchicine was given.", ("gout", "disease"), ("Colchicine", "drug")),
    marked("b", "Gouts of the toe and renal failure.", ("Gouts", "disease"), ("renal failure", "disease")),
    marked("c", "He is well."),
)


@pytest.fixture
def pool(tmp_path):
    build(DOCUMENTS, tmp_path / "pool", labels=("disease", "drug"))
    return Pool.open(tmp_path / "pool")


def test_the_windows_of_the_documents_are_the_examples(pool):
    assert [(e.document, e.start, e.text) for e in pool] == [
        ("a", 0, "She has gout."),
        ("a", 14, "No fever was seen."),
        ("a", 33, "Colchicine was given."),
        ("b", 0, "Gouts of the toe and renal failure."),
        ("c", 0, "He is well."),
    ]
    assert [(e.start, e.label, e.text) for e in pool[2].entities] == [(0, "drug", "Colchicine")]
    with pytest.raises(IndexError, match="5 examples"):
        pool[5]


def test_info_counts_what_is_there(pool):
    info = pool.info
    assert (info.documents, info.examples, info.empty) == (3, 5, 2)
    assert info.mentions == {"disease": 3, "drug": 1}
    assert pool.labels == ("disease", "drug")
    assert info.encoder is None


def test_mentions_are_found_by_their_normal_form(pool):
    assert pool.examples_with("gout") == (0, 3)
    assert pool.examples_with("gout", "drug") == ()
    assert {(m.text, m.label, m.examples) for m in pool.mentions()} == {
        ("gout", "disease", (0, 3)),
        ("renal failure", "disease", (3,)),
        ("Colchicine", "drug", (2,)),
    }


def bm25(query: str, text: str, texts: list[str]) -> float:
    """By the formula, one term at a time."""
    words = {t: t.lower().replace(".", "").split() for t in texts}
    mean = sum(map(len, words.values())) / len(texts)
    score = most = 0.0
    for term in set(query.lower().split()):
        having = sum(term in w for w in words.values())
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        tf = words[text].count(term)
        score += idf * tf / (tf + 1.2 * (0.25 + 0.75 * len(words[text]) / mean))
        most += idf
    return score / most


def test_words_find_examples_by_bm25(pool):
    texts = [example.text for example in pool]
    query = "was fever seen and renal"
    expected = {i: bm25(query, text, texts) for i, text in enumerate(texts)}
    order = sorted((i for i in expected if expected[i] > 0), key=lambda i: -expected[i])
    (hits,) = pool.retriever().nearest([query], 9)
    assert [hit.index for hit in hits] == order
    assert [hit.similarity for hit in hits] == pytest.approx([expected[i] for i in order])
    (kept,) = pool.retriever("lexical").nearest([query], 9, allowed=lambda i: i != order[0])
    assert [hit.index for hit in kept] == order[1:]
    assert pool.retriever().nearest(["zzz"], 3) == [[]]


def test_examples_resemble_themselves_most(pool):
    between = pool.retriever().between([0, 3, 4])
    assert between.shape == (3, 3)
    assert np.allclose(between, between.T)
    assert np.allclose(np.diagonal(between), 1)
    assert between[0, 1] > between[0, 2] == 0


def test_a_retriever_that_is_not_there_is_an_error(pool):
    with pytest.raises(ConfigError, match="lexical"):
        pool.retriever("minilm")


def test_a_folder_without_a_pool_is_an_error(tmp_path):
    with pytest.raises(InputError, match="clinspan examples build"):
        Pool.open(tmp_path)


def test_a_pool_goes_to_another_process_as_its_folder(pool):
    assert list(pickle.loads(pickle.dumps(pool))) == list(pool)


def test_a_mention_across_two_windows_joins_them():
    document = Document(
        "d", "Seen by Dr. Marfan. Syndrome of long limbs.", (Entity(Span(12, 28), "x", "Marfan. Syndrome"),)
    )
    (example,) = cut(document)
    assert [entity.text for entity in example.entities] == ["Marfan. Syndrome"]


@given(st.text(alphabet="ab. \n,İ😀", max_size=200), st.data())
def test_no_mention_is_lost_or_moved_by_cutting(text, data):
    spans = data.draw(
        st.lists(st.tuples(st.integers(0, max(0, len(text) - 1)), st.integers(1, 20)), max_size=5 if len(text) else 0)
    )
    entities = []
    for start, length in spans:
        end = min(len(text), start + length)
        if text[start:end].strip() == text[start:end]:
            entities.append(Entity(Span(start, end), "x", text[start:end]))
    document = Document("d", text, tuple(entities))
    settings = WindowSettings(max_tokens=data.draw(st.integers(4, 12)), overlap_sentences=0)
    found = [entity.shift(example.start) for example in cut(document, settings) for entity in example.entities]
    assert sorted(found, key=lambda e: e.span) == sorted(entities, key=lambda e: e.span)


@given(st.lists(st.integers(0, 5), max_size=300), st.integers(0, 40), st.sets(st.integers(0, 300)))
def test_the_best_are_those_of_a_full_sort(scores, k, refused):
    expected = sorted((-s, i) for i, s in enumerate(scores) if i not in refused and s > 1)[:k]
    found = best(np.array(scores, np.float32), k, allowed=lambda i: i not in refused, above=1)
    assert [(-hit.similarity, hit.index) for hit in found] == expected
