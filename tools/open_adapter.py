"""The embedded LLM taught to read label definitions in its prompt: `train` an adapter, `score` it.

python tools/open_adapter.py train OUT --corpora ../shared/data --minutes 25
python tools/open_adapter.py score OUT --corpora ../shared/data [--alone] [--names] [--test]

It is the rival of the encoder that `open_labels.py` trains: the same passages and wordings teach it, and the same are
held out. A row of training is a chat. The definitions of a set's labels stand at its start, as the tagger writes them;
then come passages of the set, each answered in TANL. The loss is taken over what the constrained decoder chooses
between, in all answers; so the first is learned without an example, and the later ones with those before them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from clinspan.document import Entity, Span
from clinspan.errors import ClinspanError, LLMError
from clinspan.evaluation.score import Score
from clinspan.formats.tanl import Tanl
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import LLM
from clinspan.llms.embedded import DEFAULT_MODEL, EmbeddedLLM, EmbeddedSettings
from clinspan.messages import CopyConstraint, Message, Request
from clinspan.models.adapters import ADAPTER_FILE
from clinspan.models.registry import path_of
from clinspan.prompt import PromptSettings, build
from clinspan.tuning import export
from clinspan.tuning.base import Base, load_base
from clinspan.tuning.gold import Decision, PairTokens, TrainingPair, choice_pair, sequence
from clinspan.tuning.lora import Trainer, attach, load_checkpoint, save_checkpoint
from clinspan.tuning.run import CHECKPOINT, Card, LoraSettings, Schedule
from held_labels import Place, asked_of, compared, held_out, told_of
from open_labels import data_rows, taught
from passages import Group, Passage

FORM, PROMPT = Tanl(), PromptSettings()
_MOST_LABELS, _MOST_PASSAGES, _LONGEST = 5, 5, 1_200
"""Labels and passages of a row at most, and its tokens."""
_CHECKPOINT_SECONDS = 300


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    minutes: float = 25.0
    learning_rate: float = 1e-3
    rank: int = 16
    batch: int = 8
    open_corpora: float = 0.7
    """How often rows are drawn from the open corpora, beside how often by default."""
    seed: int = 11


def main() -> int:
    """The command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (("train", "trains and writes the adapter"), ("score", "scores it on what is held out")):
        command = commands.add_parser(name, help=told)
        command.add_argument("folder", help="the adapter's; to score the LLM as it comes: none")
        command.add_argument("--corpora", type=Path, required=True, help="where the open corpora lie")
    commands.choices["train"].add_argument("--minutes", type=float, default=Recipe.minutes)
    commands.choices["train"].add_argument("--start-from", type=Path, help="begin with this adapter's weights")
    commands.choices["train"].add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    commands.choices["score"].add_argument("--alone", action="store_true", help="ask for one label at a time")
    commands.choices["score"].add_argument("--names", action="store_true", help="tell names alone, no definitions")
    commands.choices["score"].add_argument("--test", action="store_true", help="the test parts")
    asked = parser.parse_args()
    try:
        if asked.command == "train":
            recipe = Recipe(minutes=asked.minutes)
            train(Path(asked.folder), asked.corpora, recipe, start=asked.start_from, resume=asked.resume)
        else:
            adapter = None if asked.folder == "none" else Path(asked.folder) / ADAPTER_FILE
            for line in scored(adapter, asked.corpora, alone=asked.alone, names=asked.names, test=asked.test):
                print(line, flush=True)
    except ClinspanError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


class Rows:
    """Draws chats from groups of passages."""

    def __init__(self, groups: Sequence[Group], base: Base, random: Random) -> None:
        self._groups, self._base, self._random = groups, base, random

    def drawn(self, count: int) -> list[PairTokens]:
        """Rows, fewer than `count` by those that are too long for one passage."""
        chosen = self._random.choices(self._groups, [group.weight for group in self._groups], k=count)
        return [row for row in (self._row(group) for group in chosen) if row is not None]

    def _row(self, group: Group) -> PairTokens | None:
        random = self._random
        if group.apart:
            number = random.choice(list(group.of_passage))
            known, passages = group.of_passage[number], [group.passages[number]]
        else:
            known, passages = list(group.wordings), self._passages(group)
        labels = self._asked(group, random.sample(known, min(len(known), random.randint(1, _MOST_LABELS))))
        if group.apart:
            labels = _without_overlaps(labels, passages[0])
        # Rows end with the last passage that still fits.
        made: PairTokens | None = None
        for passage in passages:
            longer = joined(made, self._pair(passage, labels), self._base)
            if len(longer.ids) > _LONGEST:
                return made
            made = longer
        return made

    def _passages(self, group: Group) -> list[Passage]:
        """Different passages, most of them with a mention; none of which a part is left open."""
        random = self._random
        whole = [number for number, passage in enumerate(group.passages) if not passage.masks]
        marked = [number for number in whole if group.passages[number].places] or whole
        count = random.randint(1, _MOST_PASSAGES)
        chosen = [random.choice(marked if random.random() < 0.8 else whole) for _ in range(count)] if whole else []
        return [group.passages[number] for number in dict.fromkeys(chosen)]

    def _asked(self, group: Group, known: Sequence[str]) -> dict[str, Label]:
        """What is asked for by the group's own names, each told in one of its wordings."""
        made: dict[str, Label] = {}
        for name in known:
            wording = group.wordings[name]
            shown, definition, guideline = (
                self._random.choice(one) for one in (wording.names, wording.definitions, wording.guidelines)
            )
            if any(mark in shown for mark in "[]|\\,") or shown in {label.name for label in made.values()}:
                shown = name
            made[name] = Label(shown, definition, guideline if self._random.random() < 0.7 else "")
        return made

    def _pair(self, passage: Passage, labels: dict[str, Label]) -> TrainingPair:
        asked = LabelSet("asked", tuple(labels.values()))
        entities = [
            Entity(Span(start, end), label.name, passage.text[start:end])
            for name, label in labels.items()
            for start, end in passage.places.get(name, ())
        ]
        messages = build(passage.text, labels=asked, form=FORM, settings=PROMPT)
        return choice_pair(passage.text, entities, labels=asked, messages=messages)


def _without_overlaps(labels: dict[str, Label], passage: Passage) -> dict[str, Label]:
    """The labels without those whose mentions meet another's: an answer in TANL cannot show both."""
    kept: dict[str, Label] = {}
    taken: list[tuple[int, int]] = []
    for name, label in labels.items():
        places = passage.places.get(name, [])
        if not any(start < end_of and end > start_of for start, end in places for start_of, end_of in taken):
            kept[name] = label
            taken += places
    return kept


def joined(before: PairTokens | None, pair: TrainingPair, base: Base) -> PairTokens:
    """A chat with one more question and its answer; the system message is said once."""
    made = sequence(pair, base.tokenizer)
    if before is None:
        return made
    # What the system message takes is what the chat shares with the one that has another question.
    other = base.tokenizer.chat((pair.messages[0], Message("user", "")))
    system = next(at for at, (one, two) in enumerate(zip(made.ids, other, strict=False)) if one != two)
    start = max(at for at in range(system) if made.ids[at] == made.ids[0])
    link = (base.tokenizer.end, *base.tokenizer.piece("\n"))
    by = len(before.ids) + len(link) - start
    decisions = (Decision(one.at + by, one.right, one.others) for one in made.decisions)
    return PairTokens((*before.ids, *link, *made.ids[start:]), before.prompt, (*before.decisions, *decisions))


def train(output: Path, corpora: Path, recipe: Recipe, *, start: Path | None, resume: bool) -> None:
    """Trains the adapter and writes its folder, with checkpoints that `resume` goes on from."""
    base = load_base(path_of(DEFAULT_MODEL), name=DEFAULT_MODEL)
    groups = taught(corpora, recipe.open_corpora)
    settings = LoraSettings(rank=recipe.rank, batch=recipe.batch, tokens=4096, seed=recipe.seed)
    trainer = Trainer(attach(base.model, settings), settings, Schedule(recipe.learning_rate, minutes=recipe.minutes))
    run = {"base": base.sha256, "recipe": asdict(recipe), "groups": len(groups)}
    output.mkdir(parents=True, exist_ok=True)
    if resume:
        load_checkpoint(trainer, output / CHECKPOINT, run=run)
    elif start is not None:
        trainer.put(export.from_gguf(start / ADAPTER_FILE, shape=base.shape, alpha=settings.alpha))

    def rows(number: int) -> list[PairTokens]:
        return Rows(groups, base, Random(recipe.seed + number)).drawn(recipe.batch * 100)

    saved = trainer.progress.seconds
    for progress in trainer.train(rows):
        if progress.step % 20 == 0:
            said = f"step {progress.step}, loss {progress.loss:.4f}, {progress.tokens} tokens"
            print(f"{said}, {progress.seconds:.0f} s", flush=True)
        if progress.seconds - saved > _CHECKPOINT_SECONDS:
            save_checkpoint(trainer, output / CHECKPOINT, run=run)
            saved = progress.seconds
    path = output / ADAPTER_FILE
    export.to_gguf(trainer.arrays(), path, shape=base.shape, alpha=settings.alpha, name="open-labels")
    write_card(output, base, groups, recipe, trainer)


def write_card(output: Path, base: Base, groups: Sequence[Group], recipe: Recipe, trainer: Trainer) -> None:
    """Writes the card."""
    progress = trainer.progress
    Card(
        name="open-labels",
        base={"name": base.name, "sha256": base.sha256},
        label_sets=[],
        data=data_rows(groups),
        settings=asdict(recipe),
        progress={"steps": progress.step, "minutes": round(progress.seconds / 60, 1), "tokens": progress.tokens},
        about={"format": FORM.name, "prompt_style": PROMPT.style, "facts": False, "attributes": False},
        limits=("It was taught to read definitions, to be compared with the encoder that does.",),
    ).write(output, part="adapter", file=ADAPTER_FILE)


def scored(adapter: Path | None, corpora: Path, *, alone: bool, names: bool, test: bool) -> Iterator[str]:
    """A line for each held-out group, then one over our own label sets."""
    groups = held_out(corpora, test=test)
    with EmbeddedLLM(path_of(DEFAULT_MODEL), EmbeddedSettings(adapter=adapter)) as llm:
        yield from told_of((group, tagged(llm, group, alone=alone, names=names)) for group in groups)


def tagged(llm: LLM, group: Group, *, alone: bool, names: bool) -> tuple[Score, Score]:
    """The strict and the relaxed score on a group's passages, all labels asked together or each `alone`."""
    labels = asked_of(group, names=names)
    found: list[set[Place]] = [set() for _ in group.passages]
    for asked in [labels.only(name) for name in labels.names] if alone else [labels]:
        requests = [
            Request(
                build(passage.text, labels=asked, form=FORM, settings=PROMPT),
                constraint=CopyConstraint(passage.text, asked.names),
            )
            for passage in group.passages
        ]
        for places, answer in zip(found, llm.complete(requests), strict=True):
            if isinstance(answer, LLMError):
                raise answer
            mentions = FORM.parse(answer.text, replace(asked, examples=())).mentions
            places |= {(m.position.start, m.position.end, m.label) for m in mentions if m.position is not None}
    return compared(list(zip(group.passages, found, strict=True)), labels)


if __name__ == "__main__":
    sys.exit(main())
