"""The encoder that finds what a label's definition says: `check` its label sets, `train` it, take a `mean`, `score` it.

python tools/open_labels.py check
python tools/open_labels.py train OUT --corpora ../shared/data
python tools/open_labels.py mean OUT FIRST SECOND
python tools/open_labels.py score FOLDER --corpora ../shared/data [--names] [--test]

A row of training is a label, told in one of several ways, and a passage in which it is marked, another label is, or
nothing is. Nothing of bionlp13cg, phee and ctp, and nothing of the label sets in `HELD`, is trained on.
"""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from clinspan.classifier.model import TokenClassifier, after
from clinspan.classifier.scheme import ASKED, Head, segments
from clinspan.document import Entity, Span
from clinspan.llms.encoder import MOST_OTHERS, beside
from clinspan.models.registry import sha256_of
from clinspan.tuning.base import DEFAULT_ENCODER, EncoderBase, find_base
from clinspan.tuning.run import Card
from encoder_training import Training, batches
from held_labels import HELD, scored
from passages import (
    BLIND,
    SETS,
    SINGLE,
    Group,
    Passage,
    SetError,
    Wording,
    everything,
    own_set,
    single,
)

_LONGEST_TOLD, _LONGEST_PASSAGE = 120, 192
_CODES = ("X", "label", "L2", "T7", "class A")
_IGNORED = -100
_OWN = ("set:", "single:", "notes")
_KINDS = {"set": "label-sets/sets", "single": "label-sets/single"}

Row = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    rows: int = 110_000
    minutes: float = 90.0
    """It ends after so many at the latest; the learning rate falls by whichever of the two comes first."""
    open_corpora: float = 1.0
    """How often rows are drawn from the open corpora, beside how often by default; their rows are long."""
    batch: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    seed: int = 11


def main() -> int:
    """The command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="marks, labels, and what each set holds")
    for name, told in (("train", "trains and writes the encoder"), ("score", "scores an encoder on what is held out")):
        command = commands.add_parser(name, help=told)
        command.add_argument("folder", type=Path)
        command.add_argument("--corpora", type=Path, required=True, help="where the open corpora lie")
    mean = commands.add_parser(
        "mean", help="the mean of the weights of trained encoders, of which one goes on from the other"
    )
    mean.add_argument("folder", type=Path)
    mean.add_argument("parts", type=Path, nargs="+")
    commands.choices["train"].add_argument("--rows", type=int, default=Recipe.rows)
    commands.choices["train"].add_argument("--minutes", type=float, default=Recipe.minutes)
    commands.choices["train"].add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    commands.choices["train"].add_argument(
        "--open-corpora",
        type=float,
        default=Recipe.open_corpora,
        help="how often they are drawn from, beside how often by default",
    )
    commands.choices["train"].add_argument("--base", default=DEFAULT_ENCODER, help="as for clinspan tune-encoder")
    commands.choices["score"].add_argument("--once", action="store_true", help="tell each label in one way")
    commands.choices["score"].add_argument("--names", action="store_true", help="tell names alone, no definitions")
    commands.choices["score"].add_argument("--test", action="store_true", help="the test parts of the held-out corpora")
    asked = parser.parse_args()
    if asked.command == "check":
        return check()
    if asked.command == "mean":
        averaged(asked.folder, asked.parts)
    elif asked.command == "train":
        pace = {"minutes": asked.minutes, "learning_rate": asked.learning_rate, "open_corpora": asked.open_corpora}
        train(asked.folder, asked.corpora, asked.base, Recipe(rows=asked.rows, **pace))
    else:
        for line in scored(asked.folder, asked.corpora, names=asked.names, once=asked.once, test=asked.test):
            print(line, flush=True)
    return 0


def check() -> int:
    """Reads every label set and says what is in it; 1 where one has a fault."""
    total: Counter[str] = Counter()
    try:
        for folder in sorted([*SETS.iterdir(), *BLIND.iterdir()]):
            group = own_set(folder)
            marks = {label: sum(len(p.places.get(label, ())) for p in group.passages) for label in group.wordings}
            empty = sum(not p.places for p in group.passages)
            print(f"{folder.name}: {len(group.passages)} passages, {empty} without marks; {marks}")
            total.update(sets=1, passages=len(group.passages), labels=len(marks), marks=sum(marks.values()))
        for path in sorted(SINGLE.glob("*.txt")):
            alone = single(path)
            marks = {label: len(alone.passages[at].places.get(label, ())) for label, (at,) in alone.holding.items()}
            print(f"{path.name}: {len(alone.passages)} passages, {len(marks)} labels, {sum(marks.values())} marks")
            total.update(files=1, passages=len(alone.passages), labels=len(marks), marks=sum(marks.values()))
    except SetError as error:
        print(error, file=sys.stderr)
        return 1
    print(", ".join(f"{count} {what}" for what, count in total.items()))
    return 0


def told(wording: Wording, random: Random, shown: Sequence[str], others: Sequence[str] = ()) -> str:
    """A label in one of the ways in which users put it: with a guideline or without, by its name alone or without.

    Args:
        shown: mentions of it.
        others: names of labels that are asked for beside it.
    """
    name, definition, guideline = (
        random.choice(one) for one in (wording.names, wording.definitions, wording.guidelines)
    )
    # A definition of a few words says too little without the name.
    way = random.random() if len(definition.split()) > 5 else 0.0
    if way < 0.38:
        said = f"{name}: {definition}"
    elif way < 0.76:
        said = f"{name}: {definition} {guideline}"
    elif way < 0.80:
        said = f"{definition} {guideline}"
    elif way < 0.86:
        said = definition
    elif way < 0.92:
        said = name
    else:
        said = f"{random.choice(_CODES)}: {definition} {guideline}"
    if shown and random.random() < 0.15:
        said = f"{said} For example: {', '.join(shown)}."
    return beside(said, others) if random.random() < 0.6 else said


class Rows:
    """Draws rows from groups of passages."""

    def __init__(self, groups: Sequence[Group], classifier: TokenClassifier, random: Random) -> None:
        self._groups, self._classifier, self._random = groups, classifier, random
        self._head = Head((ASKED,))
        self._encoded: dict[int, Any] = {}

    def drawn(self, count: int) -> list[Row]:
        """Rows, fewer than `count` by those whose passage is too long."""
        random, found = self._random, []
        for group in random.choices(self._groups, [group.weight for group in self._groups], k=count):
            # A label with many passages is asked for more often, but not as much more.
            often = [min(400, len(group.holding[label])) ** 0.5 for label in group.labels]
            (label,) = random.choices(group.labels, often)
            passage = self._passage(group, label)
            description = self._classifier.tokens(
                told(group.wordings[label], random, self._shown(group, label, passage), self._others(group, label))
            )
            row = self._row(description[:_LONGEST_TOLD], passage, label)
            if row is not None:
                found.append(row)
        return found

    def _passage(self, group: Group, label: str) -> Passage:
        way = self._random.random()
        # A label that was made for one passage is seldom found in another.
        if way < (0.72 if group.apart else 0.62):
            return group.passages[self._random.choice(group.holding[label])]
        if not group.apart and way < 0.90 and len(group.labels) > 1:
            return group.passages[self._random.choice(group.holding[self._random.choice(group.labels)])]
        return self._random.choice(group.passages)

    def _shown(self, group: Group, label: str, without: Passage) -> list[str]:
        if group.apart or self._random.random() >= 0.3:
            return []
        holding = group.holding[label]
        others = [group.passages[i] for i in self._random.sample(holding, min(4, len(holding)))]
        texts = [p.text[start:end] for p in others if p is not without for start, end in p.places[label][:2]]
        return list(dict.fromkeys(texts))[:5]

    def _others(self, group: Group, label: str) -> list[str]:
        """Names of some labels that are asked for together with this one."""
        if group.apart:
            number = group.holding[label][0]
            known = [one for one in group.of_passage[number] if one != label]
        else:
            known = [one for one in group.wordings if one != label]
        chosen = self._random.sample(known, min(len(known), self._random.randint(1, MOST_OTHERS)))
        return [self._random.choice(group.wordings[one].names) for one in chosen]

    def _row(self, description: Sequence[int], passage: Passage, label: str) -> Row | None:
        key = id(passage)
        if key not in self._encoded:
            self._encoded[key] = self._classifier.encode(passage.text)
        window = self._encoded[key]
        if len(window[0]) > _LONGEST_PASSAGE:
            return None
        ids, units = after(description, window)
        places = passage.places.get(label, ())
        entities = [Entity(Span(start, end), ASKED, passage.text[start:end]) for start, end in places]
        targets = [_IGNORED] * len(ids)
        for unit, output in zip(units, self._head.encode(segments(units, entities), len(units)), strict=True):
            hidden = any(start < unit.span.end and end > unit.span.start for start, end in passage.masks)
            if unit.token is not None and (output or not hidden):
                targets[unit.token] = output
        return ids, targets


def taught(corpora: Path, often: float) -> list[Group]:
    """All that is taught on, with the open corpora drawn from so many times as often as by default."""
    groups = everything(corpora, seed=7, held=HELD)
    return [group if group.name.startswith(_OWN) else group.drawn(often) for group in groups]


def train(output: Path, corpora: Path, where: str, recipe: Recipe) -> None:
    """Trains the encoder and writes its folder, as `clinspan export-encoder` takes it."""
    base = find_base(where)
    random = Random(recipe.seed)
    groups = taught(corpora, recipe.open_corpora)
    classifier = base.classifier((Head((ASKED,)),), seed=recipe.seed)
    steps = recipe.rows // recipe.batch
    pace = {"learning_rate": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    training = Training(classifier, **pace, steps=steps, kept=0.99)

    def done() -> float:
        return max(training.step / steps, training.minutes / recipe.minutes)

    training.pace(lambda _: min(1.0, (done() + 1e-4) / 0.04) * max(0.02, 1 - done()))
    rows = Rows(groups, classifier, random)
    while done() < 1:
        for batch in batches(rows.drawn(recipe.batch * 200), recipe.batch, random)[: steps - training.step]:
            if done() >= 1:
                break
            training.learn([row[0] for row in batch], partial(_loss, [row[1] for row in batch]))
    write(output, classifier, base, groups, recipe, minutes=training.minutes)


def _loss(targets: Sequence[Sequence[int]], logits: Any, longest: int) -> Any:
    """The cross entropy of the tags of all units that are not hidden."""
    from torch import tensor
    from torch.nn.functional import cross_entropy

    wanted = tensor([[*row, *[_IGNORED] * (longest - len(row))] for row in targets])
    return cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED)


def data_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """What a card says of the data: a row for each corpus, and one for all of our label sets, or single passages."""
    kinds: dict[str, list[Group]] = {}
    for group in groups:
        kind = group.name.partition(":")[0]
        kinds.setdefault(_KINDS.get(kind, group.name), []).append(group)
    rows = []
    for name, parts in kinds.items():
        labels = [label for group in parts for label in group.labels]
        rows.append(
            {
                "name": name,
                "split": "train",
                "labels": labels if len(labels) < 40 else [f"{len(labels)} labels"],
                "documents": sum(len(group.passages) for group in parts),
                "left_out": 0,
                "mentions": sum(
                    len(p.places.get(label, ())) for group in parts for p in group.passages for label in group.labels
                ),
                "sha256": "",
                "weight": round(sum(group.weight for group in parts), 3),
            }
        )
    return rows


def write(
    output: Path, classifier: Any, base: EncoderBase, groups: Sequence[Group], recipe: Recipe, *, minutes: float
) -> None:
    """Writes weights, tokenizer and card."""
    output.mkdir(parents=True, exist_ok=True)
    classifier.model.save_pretrained(output)
    classifier.tokenizer.save_pretrained(output)
    Card(
        name="open-labels",
        base={"name": base.name, "sha256": base.sha256},
        label_sets=[[ASKED]],
        data=data_rows(groups),
        settings=asdict(recipe) | {"sentences": 3},
        progress={"minutes": round(minutes, 1)},
        about={
            "kind": "token classifier",
            "scheme": "BIOES",
            "described": True,
            "reworded": True,
            "parameters": classifier.parameters,
        },
        scores=[],
        limits=(
            "It reads English. Each label is read by itself, so many labels take many times the time of one.",
            "It was taught to read definitions; how often it is right differs much between label sets it never saw.",
            "Its scores are of no known meaning until they are calibrated on documents with the labels in question.",
        ),
    ).write(output, part="weights", file="model.safetensors")


def averaged(output: Path, parts: Sequence[Path]) -> None:
    """Writes the encoder whose weights are the mean of some parts of one training (Wortsman et al. 2022).

    The card is the last part's.
    """
    from safetensors.torch import load_file, save_file

    weights = [load_file(part / "model.safetensors") for part in parts]
    shutil.copytree(parts[-1], output)
    mean = {name: sum(one[name] for one in weights) / len(weights) for name in weights[0]}
    file = output / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in mean.items()}, str(file), metadata={"format": "pt"})
    card = json.loads((output / "card.json").read_text(encoding="utf-8"))
    said = (output / "README.md").read_text(encoding="utf-8").replace(card["weights"]["sha256"], sha256_of(file))
    (output / "README.md").write_text(said, encoding="utf-8")
    card["weights"] |= {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    (output / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
