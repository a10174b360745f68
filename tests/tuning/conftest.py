"""A corpus to tune on, and a base."""

from importlib.util import find_spec

import pytest

from tuning.sample import document, gold


@pytest.fixture
def corpus():
    diseases = ["ataxia", "gout", "colon cancer", "measles"]
    texts = [f"The patient had {{{d}}} and was treated. No {{{d}}} was seen. All was well." for d in diseases]
    return gold(*(document(str(i), text) for i, text in enumerate(texts)))


@pytest.fixture(scope="module")
def base(smollm2):
    """The embedded model as it is loaded for tuning."""
    for package in ("torch", "transformers", "peft", "gguf"):
        if find_spec(package) is None:
            pytest.skip(f"needs the extra 'train' ({package} is not installed)")
    from clinspan.tuning.base import load_base

    return load_base(smollm2, bfloat16=False)
