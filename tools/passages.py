"""Passages with the labels that may be asked of each: our own label sets, our notes, and open corpora with definitions.

Our label sets lie in `label-sets/sets`, our definitions of the corpora's types in `label-sets/corpora`; the corpora
themselves are read from a folder that is named, and nothing of them is kept.
"""

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from clinspan.text.windows import WindowSettings, windows
from marked import Mark, read

ROOT = Path(__file__).parent.parent
SETS, CORPORA, NOTES = ROOT / "label-sets" / "sets", ROOT / "label-sets" / "corpora", ROOT / "notes"
SINGLE = ROOT / "label-sets" / "single"
BLIND = ROOT / "label-sets" / "blind"
"""Label sets that score and teach nothing."""
REWORDED = ROOT / "label-sets" / "wordings.jsonl"
MARK = re.compile(r"\[\[([^\[\]|]+)\|([^\[\]|]+)\]\]")
WORDS = 42
"""In a passage cut from a longer text, at most."""

Places = dict[str, list[tuple[int, int]]]


@dataclass(slots=True)
class Passage:
    """A text, its mentions by label, and what may not be taken as outside.

    Attributes:
        masks: stretches that the corpus leaves open.
    """

    text: str
    places: Places
    masks: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wording:
    """How a label may be told: names, definitions and guidelines that mean the same."""

    names: tuple[str, ...]
    definitions: tuple[str, ...]
    guidelines: tuple[str, ...]


@dataclass(slots=True)
class Group:
    """Passages that mark the same labels completely.

    Attributes:
        weight: how often a row is drawn from it, beside the other groups.
        apart: each label may be asked of its own passage alone.
        holding: by label, the numbers of the passages that have a mention; where `apart`, the passage it belongs to.
        of_passage: where `apart`, the labels of each passage by its number.
    """

    name: str
    passages: Sequence[Passage]
    wordings: Mapping[str, Wording]
    weight: float
    holding: dict[str, list[int]] = field(default_factory=dict)
    apart: bool = False
    of_passage: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.apart:
            for label, (number,) in self.holding.items():
                self.of_passage.setdefault(number, []).append(label)
            return
        for number, passage in enumerate(self.passages):
            for label in passage.places:
                if label in self.wordings:
                    self.holding.setdefault(label, []).append(number)

    def drawn(self, often: float) -> "Group":
        """The same passages, with rows drawn from them so many times as often."""
        made = copy(self)
        made.weight *= often
        return made

    @property
    def labels(self) -> list[str]:
        """The labels that have a mention."""
        return [label for label in self.wordings if label in self.holding]


class SetError(Exception):
    """Faults of a label set, each with its place."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))


def own_set(folder: Path, weight: float = 1.0) -> Group:
    """One of our label sets, with its passages.

    Raises:
        SetError: with every fault.
    """
    faults: list[str] = []
    told = tomllib.loads((folder / "labels.toml").read_text(encoding="utf-8"))["labels"]
    again = _reworded().get(folder.name, {})
    wordings = {
        one["name"]: Wording(
            (one["name"], *again.get(one["name"], {}).get("names", ())),
            (one["definition"], *again.get(one["name"], {}).get("definitions", ())),
            (one.get("guideline", ""),),
        )
        for one in told
    }
    for name in again.keys() - wordings.keys():
        faults.append(f"{REWORDED.name}: the set {folder.name} has no label {name!r}")
    passages = []
    for number, marked in _numbered(folder / "passages.txt"):
        bare, places, at = "", defaultdict(list), 0
        for mark in MARK.finditer(marked):
            bare += marked[at : mark.start()]
            if mark[2] not in wordings or mark[1] != mark[1].strip():
                faults.append(f"{folder.name}, passage {number}: {mark[0]}")
            places[mark[2]].append((len(bare), len(bare) + len(mark[1])))
            bare += mark[1]
            at = mark.end()
        bare += marked[at:]
        if "[[" in bare or "]]" in bare:
            faults.append(f"{folder.name}, passage {number}: a mark does not close")
        passages.append(Passage(bare, dict(places)))
    if faults:
        raise SetError(faults)
    return Group(f"set:{folder.name}", passages, wordings, weight)


@cache
def _reworded() -> dict[str, dict[str, dict[str, list[str]]]]:
    """Other names and definitions of labels of our sets, by set and label."""
    found: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(dict)
    for one in _jsonl(REWORDED):
        found[one["set"]][one["label"]] = one
    return found


def single(path: Path, weight: float = 1.0) -> Group:
    """Passages that each have labels of their own, as `label-sets/README.md` tells; a group for a file.

    Raises:
        SetError: with every fault.
    """
    faults: list[str] = []
    passages: list[Passage] = []
    told: dict[str, Wording] = {}
    holding: dict[str, list[int]] = {}
    for number, said in _numbered(path):
        text, _, listed = said.partition("\n--\n")
        places: Places = {}
        for line in filter(None, map(str.strip, listed.splitlines())):
            parts = [part.strip() for part in line.removeprefix("-").split("|")]
            at = f"{path.name}, passage {number}: {line[:60]!r}"
            if not line.startswith("- ") or len(parts) != 3 or not all(parts):
                faults.append(f"{at}: expected '- name | definition | mention; mention' or '-' for no mention")
                continue
            key = f"{number}:{parts[0]}"
            if key in told:
                faults.append(f"{at}: the passage has this label twice")
            told[key] = Wording((parts[0],), (parts[1],), ("",))
            holding[key] = [len(passages)]
            mentions = [] if parts[2] == "-" else [one.strip() for one in parts[2].split(";")]
            found = [place for one in mentions for place in _places(text, one, at, faults)]
            if any(a[1] > b[0] for a, b in pairwise(sorted(found))):
                faults.append(f"{at}: two mentions overlap")
            if found:
                places[key] = sorted(found)
        if not places:
            faults.append(f"{path.name}, passage {number}: no label has a mention")
        passages.append(Passage(text, places))
    if faults:
        raise SetError(faults)
    return Group(f"single:{path.stem}", passages, told, weight, holding, apart=True)


def _numbered(path: Path) -> Iterator[tuple[str, str]]:
    parts = re.split(r"(?m)^# (\d+)\n", path.read_text(encoding="utf-8"))
    for number, said in zip(parts[1::2], parts[2::2], strict=True):
        yield number, said.rstrip("\n")


def _places(text: str, mention: str, at: str, faults: list[str]) -> list[tuple[int, int]]:
    """Where a mention stands: `gout`, or of several the second `gout#2`, or all of them `gout#*`."""
    words, _, which = mention.partition("#") if re.search(r"#(\d+|\*)$", mention) else (mention, "", "")
    found = [one.span() for one in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text)]
    if not found:
        faults.append(f"{at}: {words!r} is not in the passage")
        return []
    if which == "*":
        return found
    if which and 1 <= int(which) <= len(found):
        return [found[int(which) - 1]]
    if which or len(found) > 1:
        faults.append(f"{at}: {words!r} stands {len(found)} times; write {words}#1, {words}#2, or {words}#* for all")
        return []
    return found


def own_sets(names: Iterable[str], share: float) -> list[Group]:
    """Some of our label sets, each with its part of `share`."""
    known = list(names)
    return [own_set(SETS / name, share / max(1, len(known))) for name in known]


def wordings(corpus: str) -> dict[str, Wording]:
    """Our definitions of a corpus's types; types that are poor questions are left out."""
    found = {}
    for line in (CORPORA / f"{corpus}.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if "skip" not in one:
            found[one["label"]] = Wording(*(tuple(one[key]) for key in ("names", "definitions", "guidelines")))
    return found


Entities = list[tuple[int, int, str]]


def cut(text: str, entities: Entities, masks: Sequence[tuple[int, int]], random: Random, most: int) -> list[Passage]:
    """A longer text as passages of at most `most` sentences; a mention that an edge cuts is masked."""
    found = []
    settings = WindowSettings(max_tokens=WORDS, max_sentences=random.randint(1, most), overlap_sentences=0)
    for window in windows(text, settings, count=lambda part: len(part.split())):
        shown = window.core.of(text)
        start = window.core.start + len(shown) - len(shown.lstrip())
        end = start + len(shown.strip())
        if end - start < 3:
            continue
        places = defaultdict(list)
        open_ = [(max(s, start) - start, min(e, end) - start) for s, e in masks if s < end and e > start]
        for first, last, label in entities:
            if start <= first and last <= end:
                places[label].append((first - start, last - start))
            elif first < end and last > start:
                open_.append((max(first, start) - start, min(last, end) - start))
        found.append(Passage(text[start:end], dict(places), open_))
    return found


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _whole(record: Mapping[str, Any]) -> tuple[Entities, list[tuple[int, int]]]:
    """The entities of a record, and what is masked: its flagged stretches and the hulls of discontinuous mentions."""
    entities: Entities = []
    masks = [(start, end) for start, end, _ in record.get("flags", ())]
    for one in record["entities"]:
        if "fragments" in one:
            masks.append((one["start"], one["end"]))
        else:
            entities.append((one["start"], one["end"], one["label"]))
    return entities, masks


def corpus(
    folder: Path, name: str, files: Sequence[str], weight: float, random: Random, *, most: int = 3, keep: int = 12000
) -> Group:
    """An open corpus in the common JSONL layout, with our definitions of its types."""
    passages: list[Passage] = []
    for file in files:
        for record in _jsonl(folder / "open" / file):
            entities, masks = _whole(record)
            passages += cut(record["text"], entities, masks, random, most)
    if len(passages) > keep:
        random.shuffle(passages)
    return Group(name, passages[:keep], wordings(name), weight)


def mentions_of_medmentions(folder: Path, random: Random) -> list[Group]:
    """MedMentions: each split marks types of its own and must be asked for these alone."""
    told, groups = wordings("medmentions"), []
    for split, weight in (("train", 4.0), ("dev", 1.0), ("test", 1.0)):
        passages = []
        for record in _jsonl(folder / "open" / f"medmentions.{split}.jsonl"):
            places = defaultdict(list)
            for one in record["entities"]:
                places[one["label"]].append((one["start"], one["end"]))
            passages.append(Passage(record["text"], dict(places)))
        if split == "train":
            random.shuffle(passages)
        types = {label for passage in passages for label in passage.places}
        known = {label: wording for label, wording in told.items() if label in types}
        groups.append(Group(f"medmentions:{split}", passages[:9000], known, weight))
    return groups


_NAMED = (
    "Every word or phrase that names it or a kind of it, without articles; adjectives count.",
    "Names of its kinds count as well. Leave out articles.",
)


def craft(folder: Path, random: Random) -> list[Group]:
    """CRAFT: nine types with our definitions, and ontology classes with their official ones."""
    paragraphs: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    for path in sorted((folder / "open").glob("craft_*.jsonl")):
        for record in _jsonl(path):
            paragraphs.setdefault(record["id"], (record["text"], []))[1].extend(record["entities"])
    listed = json.loads((folder / "open" / "craft_classes.json").read_text(encoding="utf-8"))
    classes: dict[str, Wording] = {}
    of_concept: dict[str, list[str]] = defaultdict(list)
    for one in listed if isinstance(listed, list) else listed.values():
        if one.get("definition") and 40 <= one["mentions"] <= 4000:
            classes[f"class:{one['id']}"] = Wording((one["name"],), (one["definition"],), _NAMED)
            for concept in one["concepts"]:
                of_concept[concept].append(f"class:{one['id']}")
    passages: list[Passage] = []
    for text, marked in paragraphs.values():
        masks = [(one["start"], one["end"]) for one in marked if "fragments" in one]
        found: set[tuple[int, int, str]] = set()
        for one in marked:
            if "fragments" not in one:
                of = of_concept.get(one.get("attributes", {}).get("concept"), ())
                found |= {(one["start"], one["end"], label) for label in (one["label"], *of)}
        passages += cut(text, sorted(found), masks, random, 2)
    return [Group("craft", passages, wordings("craft"), 4.0), Group("craft classes", passages, classes, 8.0)]


def genes(folder: Path) -> Group:
    """BC2GM's training part; its offsets count no spaces."""
    source = folder / "bc2gm" / "original" / "train"
    marked: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in (source / "GENE.eval").read_text(encoding="utf-8").splitlines():
        sentence, offsets, _ = line.split("|", 2)
        first, last = map(int, offsets.split())
        marked[sentence].append((first, last))
    passages = []
    for line in (source / "train.in").read_text(encoding="utf-8").splitlines():
        sentence, text = line.split(" ", 1)
        at = [place for place, character in enumerate(text) if not character.isspace()]
        found = [(at[first], at[last] + 1) for first, last in marked.get(sentence, ())]
        passages.append(Passage(text, {"gene": found} if found else {}))
    return Group("bc2gm", passages, wordings("bc2gm"), 8.0)


def abstracts(path: Path, name: str, weight: float, random: Random, label: str | None = None) -> Group:
    """A corpus in PubTator form; `label` stands for all its types."""
    texts: dict[str, str] = defaultdict(str)
    entities: dict[str, Entities] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if found := re.match(r"(\d+)\|[ta]\|(.*)", line):
            texts[found[1]] += found[2] + "\n"
        elif len(fields) >= 5 and fields[1].isdigit():
            entities[fields[0]].append((int(fields[1]), int(fields[2]), label or fields[4].lower()))
    passages = [one for key, text in texts.items() for one in cut(text, entities[key], (), random, 3)]
    return Group(name, passages, wordings(name), weight)


def notes(random: Random, weight: float) -> Group:
    """The train part of our notes: its kinds, and narrower labels made of kind, assertion and time."""
    told = wordings("notes")
    narrower = {
        one["label"]: (Wording(*(tuple(one[key]) for key in ("names", "definitions", "guidelines"))), one["where"])
        for one in _jsonl(CORPORA / "narrower.jsonl")
    }
    split = dict(line.split("\t")[:2] for line in (NOTES / "split.tsv").read_text(encoding="utf-8").splitlines())
    passages: list[Passage] = []
    for path in sorted((NOTES / "text").glob("*.txt")):
        for note in read(path):
            if split.get(note.id) != "train":
                continue
            entities = set()
            for mark in note.marks:
                names = {mark.kind, mark.label} & told.keys()
                names |= {name for name, (_, where) in narrower.items() if _meets(mark, where, note.marks)}
                entities |= {(mark.start, mark.end, name) for name in names}
            passages += cut(note.text, sorted(entities), (), random, 2)
    return Group("notes", passages, told | {name: wording for name, (wording, _) in narrower.items()}, weight)


def _meets(mark: Mark, where: Mapping[str, Sequence[Any]], marks: Sequence[Mark]) -> bool:
    of = marks[mark.of].kind if mark.of is not None else ""
    has = {"label": mark.label, "kind": mark.kind, "assertion": mark.assertion, "past": mark.past, "of": of}
    return all(has[key] in allowed for key, allowed in where.items())


def everything(folder: Path, *, seed: int, held: Iterable[str]) -> list[Group]:
    """All that the open-label encoder is taught on.

    Args:
        folder: where the corpora lie.
        held: our label sets that are not used.
    """
    random, out = Random(seed), set(held)
    groups = own_sets(sorted(path.name for path in SETS.iterdir() if path.name not in out), 120.0)
    alone = [single(path) for path in sorted(SINGLE.glob("*.txt"))]
    labels = sum(len(group.wordings) for group in alone)
    groups += [replace(group, weight=60.0 * len(group.wordings) / labels) for group in alone]
    groups.append(notes(random, 12.0))
    for name, files, weight, most in (
        ("maccrobat", ("maccrobat.jsonl",), 8.0, 3),
        ("chia", ("chia.jsonl",), 7.0, 3),
        ("lct", ("lct.jsonl",), 7.0, 3),
        ("wlp", ("wlp.train.jsonl",), 4.0, 3),
        ("bionlp13pc", ("bionlp13pc.train.jsonl", "bionlp13pc.dev.jsonl"), 1.5, 1),
        ("bionlp11id", ("bionlp11id.train.jsonl", "bionlp11id.dev.jsonl"), 1.5, 1),
    ):
        groups.append(corpus(folder, name, files, weight, random, most=most))
    for domain in ("ai", "literature", "music", "politics", "science"):
        parts = [f"crossner_{domain}.{split}.jsonl" for split in ("train", "dev", "test")]
        groups.append(corpus(folder, f"crossner_{domain}", parts, 1.6, random, most=1))
    groups += mentions_of_medmentions(folder, random)
    groups += craft(folder, random)
    groups.append(genes(folder))
    train = folder / "ncbi_disease" / "train" / "NCBItrainset_corpus.txt"
    groups.append(abstracts(train, "ncbi_disease", 2.0, random, "disease"))
    groups.append(abstracts(folder / "bc5cdr" / "CDR_TrainingSet.PubTator.txt", "bc5cdr", 3.0, random))
    return [group for group in groups if group.labels]
