"""What is asked of the LLM about one window."""

from dataclasses import dataclass

from clinspan.labels import LabelSet
from clinspan.messages import Request


@dataclass(frozen=True, slots=True)
class Question:
    """One request about one window, and the labels it asks for."""

    request: Request
    labels: LabelSet
