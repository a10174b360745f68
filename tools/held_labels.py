"""What is held out of the teaching of labels by their definitions, and the scores there of what was taught.

Held out are three whole corpora (bionlp13cg, phee and ctp), the label sets of ours in `HELD`, which are developed on,
and those that lie in `label-sets/blind`: they were written after all others, and score a finished encoder once.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from clinspan.classifier.folder import load
from clinspan.classifier.model import TokenClassifier
from clinspan.document import Document, Entity, Span
from clinspan.evaluation.match import Rule
from clinspan.evaluation.score import Score, intervals, score
from clinspan.labels import Label, LabelSet
from clinspan.llms.encoder import DescribedEncoder
from clinspan.messages import Completion, CopyConstraint, Request
from passages import BLIND, Group, Passage, Places, own_set, own_sets, wordings

HELD = (
    "anaesthesia-record",
    "caregiver-and-household",
    "infection-exposure-and-travel",
    "laboratory-methods-and-instruments",
    "medication-changes",
    "pain-description",
    "pathology-report",
    "social-determinants",
)
"""Our label sets that are developed on: drawn over the four writers and over clinical and other fields."""

Place = tuple[int, int, str]


def held_out(corpora: Path, *, test: bool) -> list[Group]:
    """What the encoder was never taught on: our held-out label sets, and three whole corpora."""
    groups = [own_set(folder) for folder in sorted(BLIND.iterdir())] if test else own_sets(HELD, 1.0)
    for name, file in (
        ("phee", f"phee.{'test' if test else 'dev'}.jsonl"),
        ("bionlp13cg", f"bionlp13cg.{'test' if test else 'dev'}.jsonl"),
        ("ctp", "ctp.test.jsonl"),
    ):
        passages = []
        for line in (corpora / "open" / file).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            places: Places = defaultdict(list)
            for one in record["entities"]:
                places[one["label"]].append((one["start"], one["end"]))
            passages.append(Passage(record["text"], dict(places)))
        # ctp has one file: its first 300 lines are developed on.
        part = passages[300:1300] if test and name == "ctp" else passages[:1000] if test else passages[:300]
        groups.append(Group(name, part, wordings(name), 1.0))
    return groups


def scored(folder: Path, corpora: Path, *, names: bool, once: bool, test: bool) -> Iterator[str]:
    """A line for each held-out group, then one over our own label sets."""
    card, classifier = load(folder)
    reworded = card.reworded and not once
    groups = held_out(corpora, test=test)
    return told_of((group, tagged(classifier, group, names=names, reworded=reworded)) for group in groups)


def told_of(found: Iterable[tuple[Group, tuple[Score, Score]]]) -> Iterator[str]:
    """A line for each group with its strict and relaxed score, then one over our own label sets."""
    own: list[tuple[Score, Score]] = []
    for group, (strict, relaxed) in found:
        if group.name.startswith("set:"):
            own.append((strict, relaxed))
        each = ", ".join(f"{name} {figures.f1:.2f}" for name, figures in strict.by_label.items())
        yield f"{group.name}: {_said(strict, relaxed)}; {each}"
    if own:
        yield f"our {len(own)} label sets together: {_said(*map(together, zip(*own, strict=True)))}"


def _said(strict: Score, relaxed: Score) -> str:
    between = intervals(strict)[0].f1
    return f"strict {strict.micro.f1:.3f} ({between.low:.3f}-{between.high:.3f}), relaxed {relaxed.micro.f1:.3f}"


def together(scores: Sequence[Score]) -> Score:
    """The score of several groups as one, all labels alike."""
    ids = tuple(f"{number}:{name}" for number, one in enumerate(scores) for name in one.ids)
    counts = np.concatenate([one.counts.sum(axis=1, keepdims=True) for one in scores])
    return Score(scores[0].rule, ("all",), ids, counts, "")


def tagged(classifier: TokenClassifier, group: Group, *, names: bool, reworded: bool) -> tuple[Score, Score]:
    """The strict and the relaxed score of the encoder on a group's passages, all labels asked together."""
    labels = asked_of(group, names=names)
    encoder = DescribedEncoder(classifier, labels, reworded=reworded)
    requests = [Request((), constraint=CopyConstraint(p.text, labels.names)) for p in group.passages]
    read: list[tuple[Passage, set[Place]]] = []
    for passage, answer in zip(group.passages, encoder.complete(requests), strict=True):
        # A passage that is longer than the encoder's context has no answer: what it holds is missed.
        spans = (answer.spans if isinstance(answer, Completion) else None) or ()
        read.append((passage, {(one.span.start, one.span.end, one.label) for one in spans}))
    return compared(read, labels)


def asked_of(group: Group, *, names: bool) -> LabelSet:
    """A group's labels as a user would ask for them, in their first wordings; `names`: with names alone."""
    return LabelSet(
        group.name.replace(":", "-"),
        tuple(
            Label(name, w.names[0] if names else w.definitions[0], "" if names else w.guidelines[0])
            for name, w in group.wordings.items()
        ),
    )


def compared(read: Sequence[tuple[Passage, set[Place]]], labels: LabelSet) -> tuple[Score, Score]:
    """The strict and the relaxed score of what was found in passages."""
    gold: list[Document] = []
    mine: list[Document] = []
    for number, (passage, found) in enumerate(read):
        wanted = {(s, e, name) for name in labels.names for s, e in passage.places.get(name, ())}
        for into, places in ((gold, wanted), (mine, found)):
            entities = tuple(Entity(Span(s, e), name, passage.text[s:e]) for s, e, name in sorted(places))
            into.append(Document(str(number), passage.text, entities))
    return score(gold, mine, labels=labels.names), score(gold, mine, labels=labels.names, rule=Rule.RELAXED)
