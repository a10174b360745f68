"""The files of a pool and what is in them: written by `build`, opened by `pool`, described here alone.

A pool's folder holds `manifest.json` and one folder, the generation it names. Whatever changes a pool writes a new
generation beside the old one and then replaces the manifest, so that who opens the pool sees one or the other whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FORMAT = 1
"""Raised whenever the files or the meaning of their content change."""
MANIFEST = "manifest.json"
LOCK = ".lock"
GENERATION = "generation-"

STORE = "examples.sqlite"
"""Documents, examples, mentions: see `clinspan.examples.store`."""
TERMS = "terms.marisa"
TERM_STARTS = "term_starts.u64"
TERM_EXAMPLES = "term_examples.u32"
TERM_WEIGHTS = "term_weights.f32"
"""The lexical index: see `clinspan.examples.lexical`."""
VECTORS = "vectors.f32"
"""One vector after the other; see `clinspan.examples.index`."""
INDEX = "vectors.index"
"""The same in a graph that is searched approximately, in pools that have many."""


def is_pool(path: Path) -> bool:
    """Whether a pool's folder lies there, and not annotated documents."""
    return (path / MANIFEST).is_file()


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """The encoder whose vectors a pool holds.

    Attributes:
        name: as `Pool.retriever` takes it.
        source: what opens it again: `minilm`, `hf:NAME` or a folder.
        pooling: how a text's token vectors become one: mean, cls or pooler.
        identity: of weights and settings; an encoder of another identity cannot ask this pool.
        dimension: of its vectors.
    """

    name: str
    source: str
    pooling: str
    identity: str
    dimension: int


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """What a pool holds.

    Attributes:
        path: its folder.
        generation: the name of the generation that is open; every change of the pool makes a new one.
        built: when that was, as an ISO 8601 time in UTC.
        documents, examples: counts.
        empty: examples without an entity.
        mentions: how many entities of each label.
        window: in words, how documents were cut.
        encoder: None where the pool is searched by words alone.
        index: `exact`, or the name of the approximate index.
        bytes: size on disk.
    """

    path: Path
    generation: str
    built: str
    documents: int
    examples: int
    empty: int
    mentions: Mapping[str, int]
    window: str
    encoder: EncoderInfo | None
    index: str
    bytes: int
