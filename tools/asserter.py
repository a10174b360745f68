"""The encoder that says the assertion of marked mentions: `train` it, `score` it.

python tools/asserter.py train OUT --gold GOLD
python tools/asserter.py score FOLDER --gold GOLD [--test] [--traps FILE ...]

GOLD is what `tools/notes.py build GOLD` wrote. It learns from the train part of the notes and from the passages in
`notes/assertion`, and from nothing else; traps are lines as in `tests/assertion/traps.txt`.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from clinspan.assertion.assess import assess
from clinspan.assertion.lexicon import CLASSES
from clinspan.classifier.marked import WINDOWS, Asserter
from clinspan.classifier.scheme import AttributeHead, attribute_heads
from clinspan.codec import parse
from clinspan.document import Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings
from clinspan.tuning.base import DEFAULT_ENCODER, find_base
from clinspan.tuning.run import Card
from encoder_training import Training, batches

PASSAGES = Path(__file__).parent.parent / "notes" / "assertion"
TIMES = ("current", "past")
_TRAPS = {"A": "absent", "+": "present", "P": "possible", "C": "conditional", "H": "hypothetical", "S": CLASSES[4]}
_LETTERED = re.compile(r"\{([A+PCHS]):([^{}]+)\}")
_MARK = re.compile(r"\[\[([^\[\]|]+)\|([a-z-]+)(?:\|(past))?\]\]")

VALUES = tuple(name for name in CLASSES if name != "past")

Target = tuple[int, int, int]
"""Of a marked mention its first marker, its assertion and its time."""
Row = tuple[list[int], list[Target]]
"""The ids of a window, and its marked mentions."""


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    passes: int = 10
    batch: int = 16
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    tokens: tuple[int, ...] = (40, 80, 128)
    """A window has at most so many, drawn for each document and pass."""
    partly: float = 0.4
    """The share of documents of which only some mentions are marked in a pass."""
    seed: int = 5


def main() -> int:
    """The command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (("train", "trains and writes the encoder"), ("score", "scores it beside the rules")):
        command = commands.add_parser(name, help=told)
        command.add_argument("folder", type=Path)
        command.add_argument("--gold", type=Path, required=True, help="what tools/notes.py build wrote")
    commands.choices["train"].add_argument("--passes", type=int, default=Recipe.passes)
    commands.choices["train"].add_argument("--base", default=DEFAULT_ENCODER)
    commands.choices["score"].add_argument("--test", action="store_true", help="the test part, not the dev part")
    commands.choices["score"].add_argument("--traps", type=Path, nargs="*", default=())
    asked = parser.parse_args()
    if asked.command == "train":
        train(asked.folder, asked.gold, asked.base, Recipe(passes=asked.passes))
    else:
        for line in scored(asked.folder, asked.gold, "test" if asked.test else "dev", asked.traps):
            print(line, flush=True)
    return 0


def notes(gold: Path, split: str) -> list[Document]:
    """The notes of a split, with their problems alone."""
    found = []
    for line in (gold / f"problem-treatment-test.{split}.jsonl").read_text(encoding="utf-8").splitlines():
        note = parse(line, where=split)
        found.append(Document(note.id, note.text, tuple(e for e in note.entities if e.label == "problem")))
    return found


def passages() -> list[Document]:
    """The passages in `notes/assertion`, each as a document."""
    found = []
    for path in sorted(PASSAGES.glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            if line.strip() and not line.startswith("#"):
                found.append(_passage(f"{path.stem}-{number}", line.replace(" ⏎ ", "\n")))
    return found


def _passage(name: str, marked: str) -> Document:
    text, at, entities = "", 0, []
    for mark in _MARK.finditer(marked):
        text += marked[at : mark.start()]
        value = CLASSES[4] if mark[2] == "other" else mark[2]
        if value not in VALUES:
            raise SystemExit(f"{name}: {value!r} is no assertion; expected one of {', '.join(VALUES)}")
        span = Span(len(text), len(text) + len(mark[1]))
        told = {"assertion": value, "temporality": "past" if mark[3] else "current"}
        entities.append(Entity(span, "problem", mark[1], attributes=told))
        text += mark[1]
        at = mark.end()
    return Document(name, text + marked[at:], tuple(entities))


def traps(path: Path) -> list[Document]:
    """A file of traps: a letter for the class, and a sentence with its mention in braces.

    A sentence of several mentions has the letter in each brace: "{+:The drug} did not induce {A:apoptosis}."
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if _LETTERED.search(line) and not line.startswith("#"):
            marked = _LETTERED.sub(lambda mark: f"[[{mark[2]}|{_TRAPS[mark[1]]}]]", line)
            found.append(_passage(str(number), marked))
        elif line[:2] in {f"{letter} " for letter in _TRAPS}:
            text = line[2:].replace("\\n", "\n")
            start, end = text.index("{"), text.index("}") - 1
            text = text.replace("{", "").replace("}", "")
            entity = Entity(Span(start, end), "problem", text[start:end], attributes={"assertion": _TRAPS[line[0]]})
            found.append(Document(str(number), text, (entity,)))
    return found


def rows(documents: Sequence[Document], asserter: Asserter, recipe: Recipe, random: Random) -> Iterator[Row]:
    """The windows of a pass: cut and marked anew for each."""
    for document in documents:
        entities = list(document.entities)
        if random.random() < recipe.partly and len(entities) > 1:
            entities = random.sample(entities, random.randint(1, len(entities) - 1))
        cut = WindowSettings(max_tokens=random.choice(recipe.tokens), overlap_sentences=WINDOWS.overlap_sentences)
        for window in asserter.windows(document.text, [entity.span for entity in entities], cut):
            told = [(at, entities[number].attributes) for number, at in window.mentions]
            targets = [(at, VALUES.index(a["assertion"]), TIMES.index(a["temporality"])) for at, a in told]
            if targets:
                yield window.ids, targets


def train(output: Path, gold: Path, where: str, recipe: Recipe) -> None:
    """Trains the encoder and writes its folder, as `clinspan export-encoder` takes it."""
    random, base = Random(recipe.seed), find_base(where)
    told = [AttributeHead("assertion", VALUES, ("problem", "disease"), 0)]
    told.append(AttributeHead("temporality", TIMES, ("problem", "disease"), 0))
    first, second = attribute_heads(told, 0)
    classifier = base.classifier((), (first, second), seed=recipe.seed)
    asserter = Asserter(classifier, LabelSet.builtin("problem-treatment-test"))
    corpora = {"notes": notes(gold, "train"), "notes/assertion": passages()}
    documents = [document for part in corpora.values() for document in part]
    shown = [list(rows(documents, asserter, recipe, random)) for _ in range(recipe.passes)]
    steps = sum(-(-len(each) // recipe.batch) for each in shown)
    pace = {"learning_rate": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    training = Training(classifier, **pace, steps=steps, kept=0.98)
    training.pace(lambda at: min(1.0, (at + 1) / (steps * 0.06)) * max(0.02, 1 - at / steps))
    for each in shown:
        for batch in batches(each, recipe.batch, random):
            targets = [row[1] for row in batch]
            training.learn([row[0] for row in batch], partial(_loss, targets, first, second))
    write(output, classifier, base, corpora, recipe, minutes=training.minutes)


def _loss(targets: Sequence[Sequence[Target]], first: AttributeHead, second: AttributeHead, logits: Any, _: int) -> Any:
    """The cross entropy of the assertion, and half of that of the time, at the first marker of each mention."""
    from torch import stack, tensor
    from torch.nn.functional import cross_entropy

    picked = stack([logits[row, at] for row, each in enumerate(targets) for at, _, _ in each])
    wanted = tensor([target[1:] for each in targets for target in each])
    loss = cross_entropy(picked[:, first.first : first.end].float(), wanted[:, 0])
    return loss + 0.5 * cross_entropy(picked[:, second.first : second.end].float(), wanted[:, 1])


def write(
    output: Path,
    classifier: Any,
    base: Any,
    corpora: Mapping[str, Sequence[Document]],
    recipe: Recipe,
    *,
    minutes: float,
) -> None:
    """Writes weights, tokenizer and card."""
    output.mkdir(parents=True, exist_ok=True)
    classifier.model.save_pretrained(output)
    classifier.tokenizer.save_pretrained(output)
    data = [
        {
            "name": name,
            "split": "train",
            "labels": ["problem"],
            "documents": len(part),
            "left_out": 0,
            "mentions": sum(len(document.entities) for document in part),
            "sha256": "",
        }
        for name, part in corpora.items()
    ]
    about: dict[str, Any] = {"kind": "token classifier", "marked": True, "parameters": classifier.parameters}
    about["attributes"] = [
        {"name": head.name, "values": head.values, "labels": head.labels} for head in classifier.attributes
    ]
    Card(
        name=output.name,
        base={"name": base.name, "sha256": base.sha256},
        label_sets=[],
        data=data,
        settings=asdict(recipe),
        progress={"minutes": round(minutes, 1)},
        about=about,
        scores=[],
        limits=(
            "It reads English, and says nothing of mentions that nobody found.",
            "It was taught on synthetic notes that no clinician marked.",
        ),
    ).write(output, part="weights", file="model.safetensors")


def scored(folder: Path, gold: Path, split: str, files: Sequence[Path]) -> Iterator[str]:
    """A line for each part and source: accuracy, then recall and precision of each class."""
    labels = LabelSet.builtin("problem-treatment-test")
    asserter = Asserter.opened(folder, labels)
    tagger = Tagger.open(labels=labels, dictionary=None)
    for name, documents in [(split, notes(gold, split)), *((path.stem, traps(path)) for path in files)]:
        wanted = [entity.attributes["assertion"] for document in documents for entity in document.entities]
        by_encoder = [asserter(document) for document in documents]
        said = [told["assertion"] for each in by_encoder for told in each]
        bare = [_bare(document) for document in documents]
        ruled = [e.attributes["assertion"] for document in bare for e in assess(document, labels).entities]
        default = [e.attributes["assertion"] for document in bare for e in tagger.assess(document).entities]
        yield f"{name}: by default, whatever the folder {_figures(wanted, default)}"
        yield f"{name}: encoder {_figures(wanted, [value for value, _ in said])}"
        yield f"{name}: rules {_figures(wanted, ruled)}"
        for sure in (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
            both = [value if p >= sure else rule for (value, p), rule in zip(said, ruled, strict=True)]
            yield f"{name}: encoder from {sure:.2f}, else rules {_figures(wanted, both, short=True)}"
        times = [e.attributes.get("temporality") for document in documents for e in document.entities]
        if any(times):
            seen = [told["temporality"][0] for each in by_encoder for told in each]
            rule = [e.attributes["temporality"] for document in bare for e in assess(document, labels).entities]
            yield f"{name}: past by encoder {_one('past', times, seen)}, by rules {_one('past', times, rule)}"


def _bare(document: Document) -> Document:
    return Document(document.id, document.text, tuple(Entity(e.span, e.label, e.text) for e in document.entities))


def _figures(wanted: Sequence[str], said: Sequence[str], *, short: bool = False) -> str:
    right = sum(a == b for a, b in zip(wanted, said, strict=True))
    line = f"accuracy {right / len(wanted):.3f} of {len(wanted)}"
    return line if short else line + "; " + ", ".join(_one(name, wanted, said) for name in Counter(wanted))


def _one(name: str, wanted: Sequence[Any], said: Sequence[Any]) -> str:
    both = sum(a == b == name for a, b in zip(wanted, said, strict=True))
    f1 = 2 * both / max(1, sum(a == name for a in wanted) + sum(b == name for b in said))
    return f"{name} F1 {f1:.3f} ({sum(a == name for a in wanted)})"


if __name__ == "__main__":
    sys.exit(main())
