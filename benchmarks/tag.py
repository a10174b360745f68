"""Speed and memory of `clinspan tag`, beside the same model, prompts and proposals behind llama.cpp's own server.

Run: python benchmarks/tag.py [--words 2000] [--longest 50000]

Each case is a process of its own, so that memory is that of one run. Prints where the time goes from the start of a
process to its first verified entity, with the sample notes; words a minute and their ratio to the server's; and the
cost of a word and the most memory resident for notes from 100 to 50,000 words. One sentence is tagged before the clock
starts, except where the start itself is measured. Needs the extra `embedded` and the model `smollm2-135m-instruct`.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from clinspan import samples
from clinspan.document import Document
from clinspan.errors import LLMError
from clinspan.llms.base import Traits
from clinspan.messages import Completion, Request
from clinspan.tagging.tagger import Tagger

LENGTHS = (100, 1_000, 10_000, 50_000)
START = Path(__file__).with_name("start.py")
WARM_UP = "She has pneumonia."


def note(words: int) -> Document:
    """A note of about so many words: the sample notes' sections over and over, so that content does not change."""
    text = "\n\n".join(document.text.replace("\r\n", "\n") for document in samples.load())
    parts = text.split(" ")
    return Document(f"{words} words", " ".join(itertools.islice(itertools.cycle(parts), words)))


def measure(tagger: Tagger, document: Document) -> dict[str, float]:
    """One document in this process."""
    tagger.tag(WARM_UP)
    begun = time.perf_counter()
    done = tagger.tag(document)
    seconds = time.perf_counter() - begun
    words = len(document.text.split())
    return {
        "words": words,
        "seconds": seconds,
        "per_minute": words / seconds * 60,
        "windows": len(done.windows),
        "asked": sum(window.asked for window in done.windows),
        "entities": len(done.entities),
        "failed": sum(window.state not in ("ok", "empty") for window in done.windows),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


class Server:
    """llama.cpp's own server in this process, asked with a grammar: what draft-by-copy is compared with."""

    name = "llama.cpp server with a grammar"
    context: int | None = None
    constrains = True
    traits = Traits()

    def __init__(self, tagger: Tagger):
        import xllamacpp

        from clinspan.llms.openai import answer_grammar
        from clinspan.models.registry import path_of

        params = xllamacpp.CommonParams()
        params.model.path = str(path_of("smollm2-135m-instruct"))
        params.n_ctx, params.n_parallel, params.warmup = 4096, 1, False
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
        self._server = xllamacpp.Server(params)
        self._grammar = answer_grammar
        self.count_tokens = tagger.llm.count_tokens if tagger.llm else len

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        for request in requests:
            assert request.constraint is not None
            answer = self._server.handle_chat_completions(
                {
                    "messages": [{"role": m.role, "content": m.content} for m in request.messages],
                    "max_tokens": request.max_tokens,
                    "temperature": 0,
                    "grammar": self._grammar(request.constraint),
                }
            )
            if "choices" not in answer:
                yield LLMError(str(answer)[:200])
            else:
                yield Completion(answer["choices"][0]["message"]["content"], constrained=True)


def case(name: str, labels: str) -> Tagger:
    """The tagger that a case measures."""
    if name == "none":
        return Tagger.open(None, labels=labels)
    embedded = Tagger.open("embedded", labels=labels)
    return Tagger.open(Server(embedded), labels=labels, settings=embedded.settings) if name == "server" else embedded


def python(*arguments: object) -> dict[str, float]:
    """What another Python process prints."""
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    printed: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return printed


def child(name: str, words: int, labels: str) -> dict[str, float]:
    """Measures in a process of its own."""
    return python(__file__, "--case", name, "--words", words, "--labels", labels)


def compare(words: int, labels: str) -> None:
    """The server, the embedded LLM and the dictionary alone."""
    found = {name: child(name, words, labels) for name in ("server", "embedded", "none")}
    print(f"{words} words, {labels}")
    for name, title in (("server", "server with grammar"), ("embedded", "embedded"), ("none", "dictionary alone")):
        one = found[name]
        ratio = one["per_minute"] / found["server"]["per_minute"]
        print(
            f"  {title:22s} {one['per_minute']:10,.0f} words a minute, ratio {ratio:8.1f}, "
            f"{one['megabytes']:.0f} MB resident, {one['entities']} entities, {one['failed']} windows not read"
        )


def main() -> None:
    """Runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case")
    parser.add_argument("--words", type=int, default=2_000)
    parser.add_argument("--labels", default="problem-treatment-test")
    parser.add_argument("--longest", type=int, default=50_000)
    parser.add_argument("--only", choices=("start", "compare", "lengths"), help="one of the tables")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(case(options.case, options.labels), note(options.words))))
    else:
        tables(options)


def tables(options: argparse.Namespace) -> None:
    """All tables, or the one that was asked for."""
    if options.only in (None, "start"):
        print("seconds from the start of the process to the first entity")
        for name, seconds in python(START, time.monotonic(), options.labels).items():
            print(f"  {name:30s} {seconds:5.1f}")
    if options.only in (None, "compare"):
        compare(options.words, options.labels)
    if options.only in (None, "lengths"):
        for length in LENGTHS:
            if length <= options.longest:
                found = child("embedded", length, options.labels)
                print(
                    f"  {length:6d} words: {found['seconds'] / found['words'] * 1000:6.1f} ms a word, "
                    f"{found['asked'] / found['windows']:.2f} of windows asked, {found['megabytes']:.0f} MB resident",
                    flush=True,
                )


if __name__ == "__main__":
    main()
