"""The similarity of named examples is that by which they are found."""

import numpy as np
import pytest

from clinspan.document import Document
from clinspan.examples.build import temporary
from clinspan.examples.retrieve import EncoderRetriever, ExactVectors

TEXTS = ["She has gout.", "He was well.", "Gout of the toe and gout of the foot.", "No one came."]


def documents() -> list[Document]:
    return [Document(f"{n}", text) for n, text in enumerate(TEXTS)]


class Letters:
    """Counts letters, and how many texts it was given."""

    name = identity = source = pooling = "letters"
    dimension = 26

    def __init__(self):
        self.encoded = 0

    def encode(self, texts):
        self.encoded += len(texts)
        counts = np.array([[t.lower().count(chr(97 + i)) for i in range(26)] for t in texts], np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def test_by_words() -> None:
    retriever = temporary(documents(), labels=("disease",)).retriever("lexical")
    found = {hit.index: hit.similarity for hit in retriever.nearest(["gout in the toe"], 4)[0]}
    given = retriever.similarities("gout in the toe", [3, 2, 0])
    assert given.tolist() == pytest.approx([0.0, found[2], found[0]])


def test_by_an_encoder_that_is_asked_once_for_each_text(tmp_path) -> None:
    encoder = Letters()
    encoder.encode(TEXTS).tofile(tmp_path / "vectors")
    retriever = EncoderRetriever(encoder, ExactVectors(tmp_path / "vectors", 26))
    before = encoder.encoded
    (hits,) = retriever.nearest(["gout"], 4)
    given = retriever.similarities("gout", [hit.index for hit in hits])
    assert given.tolist() == pytest.approx([hit.similarity for hit in hits])
    assert retriever.nearest(["gout", "toe", "gout"], 1)[0] == hits[:1]
    assert encoder.encoded - before == 2
