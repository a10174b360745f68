"""Shows a window as a note might: headings, list items and line breaks that abstracts do not have.

The public corpora an adapter can be trained on are abstracts in running text. Without this it would meet its first
line break in a user's note.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from clinspan.document import Entity, Span
from clinspan.text.sentences import sentences

_HEADINGS = (
    "Findings:",
    "HISTORY:",
    "Assessment and Plan:",
    "PAST MEDICAL HISTORY",
    "Results:",
    "Impression:",
    "Medications",
    "HOSPITAL COURSE:",
)
_JOINTS = ("\n", "\n- ", "\n\n", "\n* ", "\n  ")


def as_note(text: str, entities: Sequence[Entity], random: Random) -> tuple[str, tuple[Entity, ...]]:
    """The same sentences on lines of their own, sometimes as a list or under a heading, with the entities moved along.

    Entities that reach over two sentences are left out.
    """
    joint = random.choice(_JOINTS)
    shown = f"{random.choice(_HEADINGS)}\n" if random.random() < 0.4 else ""
    shown += joint.lstrip("\n ")
    moved: list[Entity] = []
    for number, sentence in enumerate(sentences(text)):
        shown += joint if number else ""
        by = len(shown) - sentence.span.start
        shown += sentence.span.of(text)
        moved += [
            replace(e, span=Span(e.start + by, e.end + by), fragments=tuple(f.shift(by) for f in e.fragments))
            for e in entities
            if sentence.span.contains(e.span)
        ]
    return shown, tuple(moved)
