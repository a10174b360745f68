"""Finds the entities in clinical and biomedical text with language models, and verifies every one of them."""

from clinspan.corpora.flat import to_dataframe
from clinspan.document import Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.labels import Example, Label, LabelSet
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.summary import WindowRead
from clinspan.tagging.tagger import Tagger

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
    "to_dataframe",
]
