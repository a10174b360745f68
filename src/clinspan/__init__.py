"""Finds the entities in clinical and biomedical text with language models, and verifies every one of them."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clinspan.corpora.tables import to_dataframe
    from clinspan.document import Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
    from clinspan.labels import Example, Label, LabelSet
    from clinspan.tagging.read import WindowRead
    from clinspan.tagging.settings import TagSettings
    from clinspan.tagging.tagger import Tagger

    __version__: str

__all__ = [
    "Concept",
    "Document",
    "Entity",
    "Example",
    "Label",
    "LabelSet",
    "MatchKind",
    "Span",
    "TagSettings",
    "Tagger",
    "WindowRead",
    "WindowReport",
    "WindowState",
    "__version__",
    "to_dataframe",
]

# ONNX Runtime reports its use to its maker, and keeps an id of the device, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Each name is imported when it is first used: a program that asks for the version needs no numpy.
_DOCUMENT = ("Concept", "Document", "Entity", "MatchKind", "Span", "WindowReport", "WindowState")
_PLACES = {
    "to_dataframe": "clinspan.corpora.tables",
    **dict.fromkeys(_DOCUMENT, "clinspan.document"),
    **dict.fromkeys(("Example", "Label", "LabelSet"), "clinspan.labels"),
    "TagSettings": "clinspan.tagging.settings",
    "WindowRead": "clinspan.tagging.read",
    "Tagger": "clinspan.tagging.tagger",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        found: object = import_module("importlib.metadata").version(__name__)
    elif name in _PLACES:
        found = getattr(import_module(_PLACES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
