"""Proves that a refactoring changes nothing: records what clinspan finds in notes, and compares it later.

Usage: python tools/replay.py record FOLDER [--full NOTES]
       python tools/replay.py check FOLDER [WAY...]

`record` runs every way of tagging through the command line and keeps the outputs in FOLDER, with all that is needed to
run them again: notes, gold documents, a small encoder, and the answers of a server. `check` runs the ways again and
compares. A way whose packages are not installed is named and left out.

Exact recordings (`--full`) are compared byte for byte, on the machine that made them. In others the scores of models
may differ by a tolerance, and entities that a model is not sure of may come and go, since processors differ in the
last bits of a product; recording.json says how much. Not compared are: a document's text, which is the note's; seconds,
which are never the same; and an ablation's signature, which names versions and an address.

NOTES is a folder of notes with marks such as [[gout|problem]], which are stripped. The samples are always there.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import unified_diff
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from typer.main import get_command

import replay_parts as parts
from clinspan import samples
from clinspan.cli.main import app
from clinspan.errors import ModelError
from clinspan.models.registry import path_of

RECORDING = "recording.json"
SAMPLES = Path(samples.__file__).parent / "notes"
SURE = 0.6
"""In a recording that is not exact, an entity with a lower score may be missing."""


def spelled(**given: str) -> list[str]:
    """The options whose spelling depends on the version: new first, then as it was."""
    spelling: Mapping[str, Sequence[str]] = {
        "encoder": ("--llm none --encoder {}", "--llm encoder:{}"),
    }
    made: list[str] = []
    for name, value in given.items():
        new, old = spelling[name]
        words = (new if f"--{name}" in _options_of_tag() else old).split()
        made += [word.format(value) for word in words]
    return made


def _options_of_tag() -> set[str]:
    command = get_command(app).commands["tag"]  # type: ignore[attr-defined]
    return {option for parameter in command.params for option in parameter.opts}


@dataclass(frozen=True)
class Place:
    """What a way may use."""

    folder: Path
    """The recording."""
    scratch: Path
    url: str


@dataclass(frozen=True)
class Way:
    """A way of tagging.

    Attributes:
        options: of `clinspan tag`; None for the ablation.
        short: whether it reads a few notes, since it asks about every sentence.
        needs: packages that it cannot do without.
        model: a model that must be here.
        tolerance: of scores, in a recording that is not exact.
    """

    options: Callable[[Place], list[str]] | None
    short: bool = False
    needs: tuple[str, ...] = ()
    model: str | None = None
    tolerance: float = 0.0

    def missing(self) -> str | None:
        """Why it cannot be run on this machine."""
        for package in self.needs:
            if find_spec(package) is None:
                return f"the package {package} is not installed"
        try:
            if self.model is not None:
                path_of(self.model)
        except ModelError as error:
            return str(error)
        return None


def _served(form: str, *more: str) -> Way:
    # The model's name tells the server how to answer when a recording is made.
    def options(place: Place) -> list[str]:
        server = ["--llm", f"openai:{form}", "--base-url", place.url, "--context", "8192", "--concurrency", "2"]
        return [*server, "--no-cache", "--format", form, *_RULED, *(word.format(place.folder) for word in more)]

    return Way(options, needs=("openai",))


def _embedded(*more: str) -> Way:
    return Way(
        lambda _: ["--llm", "embedded", "--threads", "1", "--labels", "disease", *_RULED, *more],
        short=True,
        needs=("xllamacpp",),
        model="smollm2-135m-instruct",
        tolerance=0.03,
    )


def _encoder(dictionary: str) -> Way:
    return Way(
        lambda place: [
            *spelled(encoder=str(place.folder / "encoder")),
            *("--labels", "disease", "--dictionary", dictionary, "--threads", "1"),
        ],
        short=True,
        needs=("torch", "transformers"),
        tolerance=0.001,
    )


_RULED = ("--assertion", "rules")
"""An 8-bit encoder's opinion of a borderline mention is not the same on every processor."""
_SEVERAL = ("--labels", "problem-treatment-test")
_OWN = ("--select", "fixed")
"""The label set's own examples, and not those of the notes that come with clinspan, which grow."""
WAYS: Mapping[str, Way] = {
    "dictionary": Way(lambda _: ["--llm", "none", "--labels", "disease"]),
    "dictionary-problems": Way(lambda _: ["--llm", "none", *_SEVERAL]),
    "embedded": _embedded(),
    "embedded-plain": _embedded("--adapter", "none"),
    "encoder": _encoder("none"),
    "encoder-dictionary": _encoder("open"),
    "served-tanl": _served("tanl", *_SEVERAL, *_OWN),
    "served-dice": _served("dice", *_SEVERAL, *_OWN),
    "served-json": _served("json", *_SEVERAL, *_OWN),
    "served-mapping": _served("mapping", *_SEVERAL, *_OWN),
    "served-per-type": _served("per-type:json", *_SEVERAL, *_OWN),
    "served-candidates": _served("json", "--labels", "disease", "--ask", "candidates", *_OWN),
    "served-examples": _served(
        "tanl", "--labels", "disease", "--examples", "{}/pool.jsonl", "--select", "entity", "-k", "2"
    ),
    "ablation": Way(None, needs=("openai",)),
}


@contextmanager
def _alone(scratch: Path) -> Iterator[None]:
    """The user's own cache, prices and keys stay out of it."""
    before = dict(os.environ)
    os.environ["CLINSPAN_ANSWERS"] = str(scratch / "answers.sqlite")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CLINSPAN_PRICES"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _clinspan(*arguments: str | Path) -> int:
    """The exit status of a command, run in this process."""
    return int(app(args=[*map(str, arguments)], standalone_mode=False) or 0)


def output(way: str, folder: Path, scratch: Path, answers: parts.Answers) -> str:
    """What a way gives, as text that is the same for the same findings.

    Args:
        way: its name.
        folder: the recording.
        scratch: an empty folder.
        answers: of the server; it notes what was asked and is not known.
    """
    with _alone(scratch), parts.serving(answers) as url:
        place = Place(folder, scratch, url)
        options = WAYS[way].options
        return _ablated(place) if options is None else _tagged(WAYS[way], options(place), place)


def _tagged(way: Way, options: list[str], place: Place) -> str:
    notes = sorted((place.folder / "notes").glob("*.txt"))
    if way.short:
        short = json.loads((place.folder / RECORDING).read_text(encoding="utf-8"))["short"]
        notes = [note for note in notes if note.stem in short]
    out = place.scratch / "out.jsonl"
    status = _clinspan("tag", *notes, "-o", out, "--quiet", *options)
    lines = [{"exit": status}]
    for line in out.read_text(encoding="utf-8").splitlines():
        document = json.loads(line)
        text = (place.folder / "notes" / f"{document['id']}.txt").read_bytes().decode()
        lines.append({key: value for key, value in document.items() if key != "text" or value != text})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _ablated(place: Place) -> str:
    plan = (place.folder / "plan.toml").read_text(encoding="utf-8")
    plan = plan.replace("FOLDER", str(place.folder.absolute())).replace("URL", place.url)
    (place.scratch / "plan.toml").write_text(plan, encoding="utf-8")
    out = place.scratch / "out"
    status = _clinspan("ablate", place.scratch / "plan.toml", "-o", out, "--no-cache", "--quiet")
    report = (out / "report.md").read_text(encoding="utf-8")
    report = re.sub(r"(?ms)^## Seconds.*?(?=^## |^Signature)|^Signature.*", "", report)
    found = [f"exit {status}\n", report]
    for cell in json.loads((out / "cells.json").read_text(encoding="utf-8"))["cells"]:
        lines = (out / cell["file"]).read_text(encoding="utf-8").splitlines() if cell["failed"] is None else []
        documents = {line["id"]: {key: line[key] for key in ("entities", "states")} for line in map(json.loads, lines)}
        found.append(json.dumps({"cell": cell["name"], "failed": cell["failed"], **documents}) + "\n")
    return "".join(found)


def record(folder: Path, notes: Path | None) -> None:
    """Makes a recording: a small one of excerpts of the samples, or an exact one of the samples and `notes`."""
    texts = parts.texts(SAMPLES, notes)
    short = parts.first(texts, 9000) if notes else ["emergency_note"]
    gold = ["discharge_summary", "emergency_note", "progress_note"] if notes else short
    parts.write_material(folder, texts, gold=gold, limit=60 if notes else 6)
    parts.write_encoder(folder / "encoder", [texts[name] for name in short])
    about = {
        "made by": f"clinspan {version('clinspan')}, python tools/replay.py record",
        "left out": ["text", "seconds", "an ablation's signature"],
        "tolerance of scores": {name: 0.0 if notes else way.tolerance for name, way in WAYS.items()},
        "entities that may be missing": f"with a score below {SURE}, where the tolerance is not 0",
        "short": short,
    }
    (folder / RECORDING).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    answers = parts.Answers({}, made_up=True)
    (folder / "expected").mkdir(exist_ok=True)
    for name in WAYS:
        if missing := WAYS[name].missing():
            sys.exit(f"{name} cannot be recorded: {missing}")
        with tempfile.TemporaryDirectory() as scratch:
            found = output(name, folder, Path(scratch), answers)
        (folder / "expected" / f"{name}.txt").write_text(found, encoding="utf-8")
        print(f"recorded: {name}", flush=True)
    answers.write(folder / "answers.jsonl")


def differences(way: str, folder: Path, scratch: Path) -> list[str]:
    """How what a way gives now differs from what was recorded; empty where it does not."""
    answers = parts.Answers.read(folder / "answers.jsonl")
    expected = (folder / "expected" / f"{way}.txt").read_text(encoding="utf-8")
    found = output(way, folder, scratch, answers)
    told = [f"{way}: a request is not in the recording:\n{question}" for question in answers.unknown[:3]]
    if len(answers.unknown) > 3:
        told.append(f"{way}: {len(answers.unknown)} requests are not in the recording")
    about = json.loads((folder / RECORDING).read_text(encoding="utf-8"))
    tolerance = about["tolerance of scores"].get(way, 0.0)
    if expected == found:
        return told
    if not tolerance:
        lines = unified_diff(_broken(expected), _broken(found), "recorded", "now", n=1, lineterm="")
        return [*told, f"{way}:\n" + "\n".join(line[:300] for line in list(lines)[:40])]
    before, now = ([json.loads(line) for line in text.splitlines()] for text in (expected, found))
    if len(before) != len(now):
        return [*told, f"{way}: {len(before) - 1} documents were recorded, and now there are {len(now) - 1}"]
    return told + [
        f"{way}, {old.get('id')}: {said}"
        for old, new in zip(before, now, strict=True)
        for said in nearly(old, new, tolerance)
    ]


def _broken(text: str) -> list[str]:
    """Lines that a reader can compare: an entity a line."""
    return text.replace('{"id": "e', '\n{"id": "e').splitlines()


def nearly(old: dict[str, Any], new: dict[str, Any], tolerance: float) -> Iterator[str]:
    """What differs in a document beyond the tolerance; a window with unsure entities alone may count as empty."""
    rest = [
        {**one, "entities": 0, "windows": [(w["start"], w["end"]) for w in one.get("windows", {}).get("read", ())]}
        for one in (old, new)
    ]
    if rest[0] != rest[1]:
        yield f"recorded {rest[0]}, now {rest[1]}"
    here, there = ({(e["start"], e["end"], e["label"]): e for e in one.get("entities", ())} for one in (old, new))
    for key in sorted({*here, *there}):
        a, b = here.get(key), there.get(key)
        if a is None or b is None:
            if (a or b or {}).get("score", 0.0) >= SURE:
                yield f"recorded {a}, now {b}"
        elif {**a, "score": 0} != {**b, "score": 0} or abs((a.get("score") or 0) - (b.get("score") or 0)) > tolerance:
            yield f"recorded {a}, now {b}"


def check(folder: Path, ways: Sequence[str]) -> int:
    """Compares the ways with their recording and prints what differs; 1 where something does."""
    status = 0
    for name in ways or WAYS:
        if missing := WAYS[name].missing():
            print(f"left out: {name}: {missing}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            told = differences(name, folder, Path(scratch))
        print(f"{'differs' if told else 'equal'}: {name}", *told, sep="\n", flush=True)
        status |= bool(told)
    return status


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record", help="make a recording")
    one.add_argument("folder", type=Path)
    one.add_argument("--full", type=Path, metavar="NOTES", help="exact, of all samples and these notes")
    two = commands.add_parser("check", help="compare with a recording")
    two.add_argument("folder", type=Path)
    two.add_argument("ways", nargs="*", metavar="WAY", choices=[*WAYS, []], help=", ".join(WAYS))
    given = parser.parse_args()
    if given.command == "record":
        record(given.folder, given.full)
    else:
        sys.exit(check(given.folder, given.ways))


if __name__ == "__main__":
    main()
