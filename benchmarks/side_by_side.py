"""Sentences a second of the embedded model that answers several requests at once, beside one after the other.

`python benchmarks/side_by_side.py CORPUS [--threads 2] [--limit 100] [--rounds 2]`. Both have the same threads, model,
adapter and prompts (no facts); the rival shares all threads in each pass, ours gives each request one. The runs take
turns, and the answers are compared.
"""

import argparse
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from clinspan.corpora import catalogue
from clinspan.document import Document
from clinspan.errors import LLMError
from clinspan.formats.tanl import Tanl
from clinspan.labels import LabelSet
from clinspan.llms.embedded import EmbeddedLLM, EmbeddedSettings
from clinspan.messages import CopyConstraint, Request
from clinspan.models import adapters
from clinspan.prompt import PromptSettings, build
from clinspan.text.windows import WindowSettings, windows

SENTENCES = WindowSettings(max_tokens=128, max_sentences=1, overlap_sentences=0)


def requests(corpus: Path, labels: LabelSet, limit: int, count: Callable[[str], int]) -> list[Request]:
    found = []
    for doc in catalogue.read(corpus, lenient=True):
        if isinstance(doc, Document):
            found += [w.span.of(doc.text) for w in windows(doc.text, SENTENCES, count=count)]
    style = PromptSettings(style="brief")
    return [
        Request(build(t, labels=labels, form=Tanl(), settings=style), constraint=CopyConstraint(t, labels.names))
        for t in islice(found, limit)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    labels = LabelSet.load("disease")
    (adapter,) = (one for one in adapters.shipped() if one.name == "disease-chemical")
    ways = {"one after the other": 1, "side by side": given.threads}
    seconds = dict.fromkeys(ways, float("inf"))
    answers: dict[str, list[object]] = {}
    for _ in range(given.rounds):
        for way, lanes in ways.items():
            settings = EmbeddedSettings(threads=given.threads, side_by_side=lanes, adapter=adapter.path)
            with EmbeddedLLM.pulled(settings=settings) as llm:
                asked = requests(given.corpus, labels, given.limit, llm.count_tokens)
                started = time.perf_counter()
                answers[way] = [
                    one if isinstance(one, LLMError) else (one.text, one.spans) for one in llm.complete(asked)
                ]
                seconds[way] = min(seconds[way], time.perf_counter() - started)
    rival = seconds["one after the other"]
    print(f"{len(asked)} sentences, {given.threads} threads, the better of {given.rounds} rounds")
    for way, taken in seconds.items():
        print(f"{way:24}{len(asked) / taken:8.2f} a second{rival / taken:8.2f}")
    print("answers and scores", "the same" if len({tuple(a) for a in answers.values()}) == 1 else "DIFFER")


if __name__ == "__main__":
    main()
