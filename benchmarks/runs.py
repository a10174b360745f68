"""What keeping a run costs: `python benchmarks/runs.py [--only ledger] [--pairs 40] [--delay 0.05] [--windows 3000]`.

1. The same notes to a local server that answers after a set delay, with and without a ledger (the rival is the run
   without one), by turns.
2. What a window takes outside the LLM, in time of the processor, with an LLM in this process that answers at once.
3. The memory of a long run, and what taking it up again takes when all is answered.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean

from slow_server import serving

from clinspan import samples
from clinspan.document import Document
from clinspan.llms.base import LLM, Traits, estimate_tokens
from clinspan.llms.openai import OpenAILLM, OpenAISettings
from clinspan.messages import Completion, Request
from clinspan.runs.folder import Description, RunFolder
from clinspan.runs.session import Session
from clinspan.tagging.tagger import Tagger


class Instant:
    """Repeats the text at once."""

    name = "instant"
    context: int | None = None
    constrains = False
    traits = Traits()

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            text = request.messages[-1].content if request.constraint is None else request.constraint.text
            yield Completion(text, prompt_tokens=500, completion_tokens=100)

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)  # as for every server


def notes(windows: int) -> Iterator[Document]:
    """Notes of one window each, no two alike."""
    texts = [document.text for document in samples.load()]
    pieces = [text[at : at + 600] for text in texts for at in range(0, len(text) - 600, 600)]
    for number in range(windows):
        yield Document(f"note-{number}", f"Case {number}. {pieces[number % len(pieces)]}")


def tag(
    llm: LLM,
    windows: int,
    folder: Path | None,
    dictionary: str = "none",
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, int]:
    """Seconds by the clock, and windows read."""
    tagger = Tagger.open(llm, dictionary=dictionary)
    run = RunFolder(folder) if folder is not None else None
    if run is not None:
        run.describe(Description({}, {}, [], "", []))
    session = Session(tagger.llm, folder=run)
    if run is not None:
        tagger = session.over(tagger)
    started, read = clock(), 0
    for document in tagger.tag_many(notes(windows)):
        session.finish(document)
        read += len(document.windows)
    session.end()
    if run is not None:
        run.close()
    return clock() - started, read


def with_and_without(windows: int, delay: float, concurrency: int, pairs: int, dictionary: str) -> None:
    """Short runs with and without a ledger by turns, in random order, through the same connections to one server.

    By the clock and by the processor: on a machine that is busy with other things only the second says much.
    """
    chance = random.Random(0)
    wall: list[tuple[float, float]] = []
    busy: list[tuple[float, float]] = []
    with (
        serving(delay) as url,
        tempfile.TemporaryDirectory() as folder,
        OpenAILLM("m", OpenAISettings(base_url=url, concurrency=concurrency)) as llm,
    ):
        tag(llm, windows, None, dictionary)
        for turn in range(pairs):
            took = {}
            for keeps in chance.sample((False, True), 2):
                before = time.process_time()
                run = Path(folder) / str(turn) if keeps else None
                seconds, read = tag(llm, windows, run, dictionary, time.perf_counter)
                took[keeps] = seconds / read * 1000, (time.process_time() - before) / read * 1000
            wall.append((took[False][0], took[True][0]))
            busy.append((took[False][1], took[True][1]))
    print(f"server, {delay * 1000:.0f} ms, {concurrency} at once, dictionary {dictionary}, {pairs} pairs of {windows}")
    for name, found in (("clock", wall), ("processor", busy)):
        share, low, high = more(found, chance)
        without, kept = (mean(pair[i] for pair in found) for i in (0, 1))
        print(
            f"  {name:9}   without ledger {without:.3f} ms a window, with {kept:.3f}   "
            f"more by {share:+.1%} ({low:+.1%} to {high:+.1%})"
        )


def more(pairs: Sequence[tuple[float, float]], chance: random.Random) -> tuple[float, float, float]:
    """How much the second of each pair is above the first: over all, with its 95 % interval by bootstrap over pairs."""

    def share(sample: Sequence[tuple[float, float]]) -> float:
        return sum(second for _, second in sample) / sum(first for first, _ in sample) - 1

    drawn = sorted(share(chance.choices(pairs, k=len(pairs))) for _ in range(2000))
    return share(pairs), drawn[50], drawn[-51]


def ledger(chosen: argparse.Namespace) -> None:
    for dictionary in ("none", "open"):
        with_and_without(400, chosen.delay, 64, chosen.pairs, dictionary)


def per_window(chosen: argparse.Namespace) -> None:
    windows = chosen.windows
    for dictionary in ("none", "open"):
        plain, read = min(tag(Instant(), windows, None, dictionary) for _ in range(2))
        with tempfile.TemporaryDirectory() as folder:
            kept, _ = min(tag(Instant(), windows, Path(folder) / str(turn), dictionary) for turn in range(2))
        print(
            f"outside the LLM, dictionary {dictionary}   without ledger {plain / read * 1000:.2f} ms a window   "
            f"with {kept / read * 1000:.2f} ms   ledger {(kept - plain) / read * 1000:.2f} ms"
        )


def long(chosen: argparse.Namespace) -> None:
    """In processes of their own, so that each one's peak is its own."""
    windows = chosen.long
    with tempfile.TemporaryDirectory() as folder:
        for name in ("new", "taken up"):
            command = [sys.executable, __file__, "--one", folder, "--long", str(windows)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            print(f"{windows:,} windows, {name:8}   {said}")
        size = (Path(folder) / "run" / "ledger.sqlite").stat().st_size
        print(f"the ledger takes {size / 1e6:.0f} MB, {size / windows:.0f} bytes a window")


def one(folder: Path, windows: int) -> None:
    took, read = tag(Instant(), windows, folder / "run")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{took:.0f} s of the processor, {took / read * 1000:.2f} ms a window, peak memory {peak:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("ledger", "windows", "long"), help="one of the three; all if not given")
    parser.add_argument("--windows", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=40, help="of short runs with and without a ledger")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that the server takes to answer")
    parser.add_argument("--long", type=int, default=100_000)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one is not None:
        one(chosen.one, chosen.long)
        return
    parts = {"ledger": ledger, "windows": per_window, "long": long}
    for name in [chosen.only] if chosen.only else parts:
        parts[name](chosen)


if __name__ == "__main__":
    main()
