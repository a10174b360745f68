"""Sentences a processor's second of a tuned encoder on one thread, beside transformers' own pipeline.

`python benchmarks/encoder.py FOLDER CORPUS --labels disease [--limit 300]`; FOLDER is one that
`clinspan tune-encoder` made. Both read the same sentences with the same weights; ours also decodes, scores and writes
the answers that the tagger reads, the pipeline joins its tags into groups. Processor time is counted, which a busy
machine disturbs little.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import pipeline

from clinspan.classifier.folder import load_torch
from clinspan.classifier.scheme import head_for
from clinspan.corpora import catalogue
from clinspan.document import Document
from clinspan.labels import LabelSet
from clinspan.llms.encoder import EncoderLLM, EncoderSettings
from clinspan.messages import CopyConstraint, Message, Request
from clinspan.text.windows import WindowSettings, windows

SENTENCES = WindowSettings(max_tokens=128, max_sentences=1, overlap_sentences=0)


def seconds(work: Callable[[Any], Iterable[object]], given: Any) -> float:
    """The better of two runs, the first of which also warms up."""
    taken = []
    for _ in range(2):
        started = time.process_time()
        list(work(given))
        taken.append(time.process_time() - started)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--limit", type=int, default=300)
    given = parser.parse_args()
    torch.set_num_threads(1)
    labels = LabelSet.load(given.labels).names
    card, classifier = load_torch(given.folder)
    llm = EncoderLLM(classifier, name=card.name)
    head_for(llm.classifier.heads, labels)
    texts = []
    for doc in catalogue.read(given.corpus, lenient=True):
        if isinstance(doc, Document):
            texts += [w.span.of(doc.text) for w in windows(doc.text, SENTENCES, count=llm.count_tokens)]
    texts = texts[: given.limit]
    requests = [Request((Message("user", t),), constraint=CopyConstraint(t, labels)) for t in texts]
    print(f"{len(texts)} sentences, {classifier.parameters:,} weights")
    print(f"{'':28}{'sentences/s':>12}{'ratio':>8}")
    for batch in (1, 16):
        ours = EncoderLLM(llm.classifier, EncoderSettings(batch=batch))
        rival = pipeline(
            "token-classification",
            model=classifier.model,
            tokenizer=classifier.tokenizer,
            aggregation_strategy="first",
            batch_size=batch,
        )
        base = len(texts) / seconds(rival, texts)
        mine = len(texts) / seconds(ours.complete, requests)
        print(f"{f'transformers, batch {batch}':28}{base:12.1f}{1:8.2f}")
        print(f"{f'clinspan, batch {batch}':28}{mine:12.1f}{mine / base:8.2f}")


if __name__ == "__main__":
    main()
