"""Seconds from the start of a process to its first verified entity, with the sample notes, and where they go.

Run: python benchmarks/start.py SECONDS [LABELS], SECONDS being the monotonic clock when this process was started;
`python benchmarks/tag.py --only start` does so. Everything is imported late, since importing is measured too.
"""

import json
import sys
import time
from contextlib import suppress
from typing import Any


class Found(Exception):
    """The first entity is there."""


def start(spawned: float, labels: str) -> dict[str, float]:
    """In this process, which is new."""
    python = time.monotonic()
    from clinspan import samples
    from clinspan.cli import main  # noqa: F401 (what the command `clinspan` imports)
    from clinspan.tagging.tagger import Tagger

    imported = time.monotonic()
    tagger = Tagger.open("embedded", labels=labels)
    opened = time.monotonic()

    def look(read: Any) -> None:
        if read.entities:
            raise Found

    with suppress(Found):
        for _ in tagger.tag_many(samples.load(), progress=look):
            pass
    found = time.monotonic()
    return {
        "Python": python - spawned,
        "imports": imported - python,
        "model and dictionary": opened - imported,
        "to the first entity": found - opened,
        "in all": found - spawned,
        "of processor time, all threads": time.process_time(),
    }


if __name__ == "__main__":
    print(json.dumps(start(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "problem-treatment-test")))
