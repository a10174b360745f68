"""A corpus to tune on."""

import pytest

from tuning.sample import document, gold


@pytest.fixture
def corpus():
    diseases = ["ataxia", "gout", "colon cancer", "measles"]
    texts = [f"The patient had {{{d}}} and was treated. No {{{d}}} was seen. All was well." for d in diseases]
    return gold(*(document(str(i), text) for i, text in enumerate(texts)))
