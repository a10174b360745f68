"""What may be wrong with a user's definitions, for a model that finds what they say."""

from collections.abc import Iterator

import regex

from clinspan.labels import LabelSet

_COMMON = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
        "this",
        "to",
        "was",
        "what",
        "which",
        "who",
        "with",
    ]
)
_MANY = 12


def hints(labels: LabelSet) -> Iterator[str]:
    """What may be wrong with the definitions of a set, for a model that finds what they say, and what to do."""
    told: dict[str, str] = {}
    for label in labels.labels:
        words = regex.findall(r"\w+", label.definition.casefold())
        names = regex.findall(r"\w+", label.name.casefold())
        if len(words) < 4 or set(words) <= {*names, *_COMMON}:
            yield (
                f"the definition of {label.name!r} says little more than its name; say what it is, and what looks "
                "alike and is not meant: 'A substance that the patient reacted to; a drug that is only taken is none.'"
            )
        elif not _COMMON & set(words):
            yield f"the definition of {label.name!r} does not look like English, which is all that this model reads"
        same = " ".join(words)
        if same in told:
            yield f"{told[same]!r} and {label.name!r} have one definition; each mention can be of one of them only"
        told.setdefault(same, label.name)
    if len(labels.labels) > _MANY:
        yield f"{len(labels.labels)} labels are read one by one, in about {len(labels.labels)} times the time of one"
