"""Draft-by-copy against grammar-constrained generation of the same answers: same model, machine and threads.

    python benchmarks/decoding.py [--sentences 30] [--threads 2] [--adapter ADAPTER.gguf] [--open-bias B]

The rival is llama.cpp's own server, run by xllamacpp (of the extra `embedded`) and given the grammar of each sentence.
Both get the same prompt and the same bias on opening a bracket. Only what comes after prompt processing is timed, for
the server by its own clock. Where the two answers differ, the server's time is scaled to the length of ours, so that
both are of the same answers. Sentences are NCBI-disease development sentences where the optional corpora are at hand
(CLINSPAN_SHARED), else a few of our own.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clinspan.decoding import Plan, answer_pieces, compile_plan
from clinspan.decoding.draft import DraftSettings, decode
from clinspan.document import Entity
from clinspan.formats.tanl import Tanl
from clinspan.formats.tanl_marks import render
from clinspan.labels import LabelSet
from clinspan.llms.chat import chat_prompt
from clinspan.llms.embedded import DEFAULT_MODEL
from clinspan.llms.llama import Llama
from clinspan.llms.openai import answer_grammar
from clinspan.llms.weights import requantised
from clinspan.messages import CopyConstraint
from clinspan.models.registry import path_of, sha256_of
from clinspan.prompt import PromptSettings, build

OWN = (
    "Mutations in this gene cause familial breast cancer and ovarian cancer in young women.",
    "He denies chest pain, fever or chills, but has had type 2 diabetes mellitus for eleven years.",
    "CT of the head showed no bleeding; the left frontal meningioma is unchanged since 2019.",
    "Continue metoprolol 25 mg twice a day and follow up for atrial fibrillation in three weeks.",
    "Two brothers had a mild form of the disease with late onset of ataxia and hearing loss.",
    "The deletion was found in all families with retinoblastoma and in none of the controls.",
)
LABELS = LabelSet.builtin("disease")
CONTEXT = 2048
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "decoding"))
decode_greedily = importlib.import_module("greedy").decode_greedily


@dataclass
class Row:
    """One sentence's answer by draft-by-copy, and what it took."""

    text: str
    prompt: list[int]
    answer: str
    seconds: float
    tokens: int
    passes: int
    read: int
    agreed: int
    words: int


Answered = tuple[str, float, int]


def sentences(count: int) -> list[str]:
    root = Path(os.environ.get("CLINSPAN_SHARED", Path(__file__).parents[2] / "shared"))
    file = root / "data/ncbi_disease/conll/devel.tsv"
    if not file.exists():
        return list((OWN * count)[:count])
    blocks = file.read_text(encoding="utf-8").split("\n\n")
    texts = [" ".join(line.split("\t")[0] for line in block.splitlines() if line.strip()) for block in blocks]
    texts = [text for text in texts if 12 <= len(text.split()) <= 50]
    return texts[:: max(1, len(texts) // count)][:count]


def tags(plan: Plan, found: Iterable[Any]) -> list[Any]:
    """What each word is: the mention it lies in, or nothing."""
    inside: dict[int, Any] = {}
    for mention in found:
        inside.update(dict.fromkeys(range(mention.span.start, mention.span.end), (mention.span, mention.label)))
    return [inside.get(slot.word.start) for slot in plan.slots]


def draft_by_copy(arguments: argparse.Namespace, path: Path) -> tuple[list[Row], list[list[Any]]]:
    model = Llama.load(path, context=CONTEXT, threads=arguments.threads, adapter=arguments.adapter)
    settings = DraftSettings(arguments.draft_tokens, max(arguments.draft_tokens, 64), ends=arguments.ends)
    style = PromptSettings(style="brief" if arguments.adapter else "full")
    rows = []
    for text in sentences(arguments.sentences):
        chat = build(text, labels=LABELS, form=Tanl(), examples=LABELS.examples, settings=style)
        prompt = list(chat_prompt(model, chat).tokens)
        plan = compile_plan(CopyConstraint(text, LABELS.names, open_bias=arguments.open_bias), model.tokenize)
        model.evaluate(prompt, [])
        passes, read, start = model.passes, model.evaluated, time.perf_counter()
        found = decode(model, prompt, plan, settings=settings)
        seconds, passes, read = time.perf_counter() - start, model.passes - passes, model.evaluated - read
        entities = [Entity(m.span, m.label, m.span.of(text)) for m in found]
        tokens = sum(len(model.tokenize(piece)) for piece in answer_pieces(text, entities))
        stepwise = decode_greedily(model, prompt, plan)
        agreed = sum(a == b for a, b in zip(tags(plan, found), tags(plan, stepwise), strict=True))
        answer = render(text, entities)
        rows.append(Row(text, prompt, answer, seconds, tokens, passes, read, agreed, len(plan.slots)))
    brackets = [[model.tokenize(piece)[0], arguments.open_bias] for piece in (" [", "[")]
    model.close()
    return rows, brackets


def grammar_server(
    arguments: argparse.Namespace, path: Path, rows: list[dict[str, Any]], logit_bias: list[list[Any]]
) -> list[Answered]:
    """For each sentence the server's answer, the seconds it took after the prompt, and its number of tokens."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.n_gpu_layers, params.verbosity = CONTEXT, 1, 0, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    if arguments.adapter:
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = str(arguments.adapter), 1.0
        params.lora_adapters = [adapter]
    server = xllamacpp.Server(params)
    answers = []
    for row in rows:
        grammar = answer_grammar(CopyConstraint(row["text"], LABELS.names))
        reply = server.handle_completions(
            {
                "prompt": row["prompt"],
                "n_predict": 1000,
                "temperature": 0,
                "grammar": grammar,
                "logit_bias": logit_bias if arguments.open_bias else [],
            }
        )
        timings = reply["timings"]
        answers.append((reply["choices"][0]["text"], timings["predicted_ms"] / 1000, timings["predicted_n"]))
    return answers


def run_rival(rows: list[Row], logit_bias: list[list[Any]]) -> list[Answered]:
    """In a process of its own, so that neither side's threads and memory weigh on the other's."""
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder, "question.json"), Path(folder, "answer.json")
        question.write_text(json.dumps([[asdict(row) for row in rows], logit_bias]))
        command = [sys.executable, __file__, *sys.argv[1:], "--rival", str(question), str(answer)]
        # Threads spin as briefly as ours do, which on a busy machine is a gift to the rival and on a quiet one nothing.
        environment = {"GOMP_SPINCOUNT": "1000", **os.environ}
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=environment)
        answered: list[Answered] = json.loads(answer.read_text())
        return answered


def report(rows: list[Row], answers: list[Answered], memory: float) -> None:
    both = list(zip(rows, answers, strict=True))
    ours, tokens = sum(row.seconds for row in rows), sum(row.tokens for row in rows)
    theirs, generated = sum(answer[1] for answer in answers), sum(answer[2] for answer in answers)
    same = sum(seconds if text == row.answer else seconds * row.tokens / count for row, (text, seconds, count) in both)
    mentions = sum(row.answer.count(" | ") for row in rows)
    print(f"{len(rows)} sentences, {sum(row.words for row in rows)} words, {mentions} mentions in our answers\n")
    print(f"{'':22}{'seconds':>9}{'tokens':>8}{'tokens/s':>10}{'passes':>8}{'read':>7}")
    passes, read = sum(row.passes for row in rows), sum(row.read for row in rows)
    print(f"{'draft-by-copy':22}{ours:9.2f}{tokens:8}{tokens / ours:10.0f}{passes:8}{read:7}")
    print(f"{'server with grammar':22}{theirs:9.2f}{generated:8}{generated / theirs:10.0f}{generated:8}{generated:7}")
    equal = sum(text == row.answer for row, (text, _, _) in both)
    faithful = sum(Tanl().parse(text, LABELS).copy == row.text for row, (text, _, _) in both)
    print(f"\nratio for the same answers: {same / ours:.2f}")
    print(f"answers equal to the server's: {equal} of {len(rows)}; the server's copies faithful: {faithful}")
    agreed, words = sum(row.agreed for row in rows), sum(row.words for row in rows)
    print(f"words decided as token by token: {agreed} of {words} ({100 * agreed / words:.2f} %)")
    print(f"resident memory of draft-by-copy: {memory:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--open-bias", type=float, default=0.0)
    parser.add_argument("--ends", choices=("joint", "greedy"), default="joint")
    parser.add_argument("--draft-tokens", type=int, default=DraftSettings().draft_tokens)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--as-shipped", action="store_true", help="do not requantise")
    parser.add_argument("--rival", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    path = arguments.model or path_of(DEFAULT_MODEL)
    if not arguments.as_shipped:
        path = requantised(path, sha256_of(path))
    if arguments.rival:
        question, answer = arguments.rival
        answer.write_text(json.dumps(grammar_server(arguments, path, *json.loads(question.read_text()))))
        return
    rows, logit_bias = draft_by_copy(arguments, path)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report(rows, run_rival(rows, logit_bias), memory)


if __name__ == "__main__":
    main()
