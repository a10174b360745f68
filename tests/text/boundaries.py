"""Clinical snippets with their sentence boundaries marked by hand, written for this project.

In boundaries.txt a double bar stands behind each sentence, list item, table row and heading. Rules were made by looking
at the snippets called `dev`; those called `test` are for reporting.
"""

from dataclasses import dataclass
from pathlib import Path

MARK = "‖"


@dataclass(frozen=True)
class Snippet:
    split: str
    name: str
    text: str
    ends: frozenset[int]
    """Offsets at which a sentence ends, but for the last."""


def load(split: str) -> list[Snippet]:
    found = []
    for part in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").split("=== ")[1:]:
        title, _, marked = part.partition("\n")
        kind, name, *flags = title.split()
        marked = marked.rstrip("\n").replace("\n", "\r\n" if "crlf" in flags else "\n")
        if kind == split:
            found.append(Snippet(kind, name, marked.replace(MARK, ""), frozenset(_ends(marked))))
    return found


def _ends(marked: str) -> list[int]:
    ends, at = [], 0
    for piece in marked.split(MARK):
        at += len(piece)
        ends.append(at)
    return ends[:-2]  # the last sentence ends with the snippet


def compare(snippet: Snippet, spans: list[tuple[int, int]]) -> tuple[int, int, int]:
    """Boundaries found, found wrongly, and missed."""
    last = max((end for _, end in spans), default=0)
    given = {end for _, end in spans if end != last}
    return len(given & snippet.ends), len(given - snippet.ends), len(snippet.ends - given)
