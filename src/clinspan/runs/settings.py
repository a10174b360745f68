"""Everything that a tagger's results depend on, by name, so that two runs can be told apart and the difference said."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum

from clinspan.examples.pool import Pool
from clinspan.pipeline.recipe import TaggerRecipe
from clinspan.pipeline.tagger import Tagger

_PACE = frozenset({"ahead"})
"""Settings that change how fast results come, and not what they are."""


def settings_of(tagger: Tagger, recipe: TaggerRecipe) -> dict[str, str]:
    """The tagger's parts and settings as text.

    Args:
        tagger: what tags.
        recipe: what it was made of.
    """
    dictionary = "none"
    if tagger.dictionary is not None:
        info = tagger.dictionary.info
        dictionary = f"{', '.join(f'{s.name} {s.version}' for s in info.sources)} (built {info.built})"
    examples = f"documents {digest(recipe.pool)}" if recipe.pool else "none"
    if recipe.examples is not None:
        about = Pool.open(recipe.examples).info
        examples = f"pool of {about.examples} ({about.generation}, built {about.built})"
    return {
        "model": tagger.llm.name if tagger.llm is not None else "none",
        "labels": f"{tagger.labels.name} ({', '.join(tagger.labels.names)}; {digest(tagger.labels)})",
        "format": tagger.form.name,
        "dictionary": dictionary,
        "calibration": digest(tagger.calibration),
        "examples": examples,
        "taught by examples": str(recipe.teach),
        **{name: value for name, value in _flat("", asdict(tagger.settings)) if name not in _PACE},
    }


def digest(value: object) -> str:
    """A short hash of what a value's parts are."""
    return hashlib.sha256(repr(value).encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _flat(name, asdict(value))
    else:
        yield name, str(value.value if isinstance(value, Enum) else value)
