"""What tells n2c2 2018 track 2 from other brat standoff: it is read and written by `clinspan.corpora.brat`.

The two differ in one thing: n2c2 parts an entity where a line ends, and means one entity all the same.
"""

import re
from collections.abc import Iterable

CENTRE = "Drug"
LABELS = frozenset(
    {CENTRE, "ADE", "Dosage", "Duration", "Form", "Frequency", "Reason", "Route", "Strength"},
)
"""The track's labels. Each but the first is related to a drug, by a relation that is named after it."""
_ENTITY = re.compile(r"T\d+\t(\S+) \d+ \d+(?:;\d+ \d+)*\t")
_RELATION = re.compile(rf"R\d+\t(\S+)-{CENTRE} Arg1:T\d+ Arg2:T\d+\s*")


def looks_like(lines: Iterable[str]) -> bool:
    """Whether lines of `.ann` files are the track's.

    There must be drugs and another of its labels, and nothing but entities with its labels and its relations: brat
    itself has attributes, notes and other types besides, and `Drug` alone is anybody's label.
    """
    seen: set[str] = set()
    for line in lines:
        if not line.strip():
            continue
        entity = _ENTITY.match(line)
        found = entity or _RELATION.fullmatch(line)
        if found is None or found[1] not in LABELS or (entity is None and found[1] == CENTRE):
            return False
        if entity:
            seen.add(found[1])
    return CENTRE in seen and len(seen) > 1
