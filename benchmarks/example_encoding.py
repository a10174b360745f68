"""How MiniLM is quickest on a processor: by how many tokens go into a batch, and by whether threads share one.

    python benchmarks/example_encoding.py train.pubtator --sentences 400

The sentences are the first of a corpus. Batches hold sentences of about one length. Beside the rate by the clock stands
what a sentence costs the processor, which other programs disturb less.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers
from rich.console import Console
from rich.table import Table

from clinspan.corpora import catalogue
from clinspan.document import Document
from clinspan.examples.embed import batches
from clinspan.examples.store import cut
from clinspan.models.registry import path_of

MODEL = "all-minilm-l6-v2"
BATCH_TOKENS = (1, 128, 256, 512, 1024)


def session(threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path_of(MODEL)), options, providers=["CPUExecutionProvider"])


def encode(model: onnxruntime.InferenceSession, ids: Sequence[list[int]], tokens: int, side_by_side: int) -> None:
    def run(batch: Sequence[int]) -> None:
        rows = np.zeros((len(batch), max(len(ids[i]) for i in batch)), np.int64)
        mask = np.zeros_like(rows)
        for row, i in enumerate(batch):
            rows[row, : len(ids[i])] = ids[i]
            mask[row, : len(ids[i])] = 1
        model.run(None, {"input_ids": rows, "attention_mask": mask, "token_type_ids": np.zeros_like(rows)})

    with ThreadPoolExecutor(side_by_side) as threads:
        list(threads.map(run, batches([len(one) for one in ids], tokens)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    found = (d for d in catalogue.read(arguments.corpus, lenient=True) if isinstance(d, Document))
    texts = [e.text for e in islice((e for d in found for e in cut(d)), arguments.sentences)]
    tokenizer = tokenizers.Tokenizer.from_file(str(path_of(MODEL, "tokenizer.json")))
    tokenizer.no_padding()
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    alone, shared = session(1), session(arguments.threads)
    ways = (
        ("one thread", alone, 1),
        (f"{arguments.threads} threads in a batch", shared, 1),
        (f"{arguments.threads} batches side by side", alone, arguments.threads),
    )
    table = Table("tokens in a batch", "", "sentences a second", "ms of the processor for one")
    for tokens in BATCH_TOKENS:
        for name, model, side_by_side in ways:
            encode(model, ids[:20], tokens, side_by_side)
            started, cpu = time.perf_counter(), time.process_time()
            encode(model, ids, tokens, side_by_side)
            clock, cpu = time.perf_counter() - started, time.process_time() - cpu
            row = [f"{tokens}" if tokens > 1 else "one sentence", name]
            table.add_row(*row, f"{len(ids) / clock:.0f}", f"{cpu / len(ids) * 1e3:.1f}")
    print(f"{len(ids)} sentences of {np.mean([len(one) for one in ids]):.0f} tokens")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
