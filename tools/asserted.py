"""Problems whose assertion is known: of notes, of passages that teach it, of traps. `python tools/asserted.py` scores.

python tools/asserted.py --gold GOLD [--part dev|fit|test] [--encoder FOLDER] [--traps FILE ...]

GOLD is what `tools/notes.py build GOLD` wrote; traps are lines as in `tests/assertion/traps.txt`.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clinspan.assertion.assess import assess
from clinspan.assertion.lexicon import CLASSES
from clinspan.classifier.folder import named
from clinspan.codec import parse
from clinspan.document import Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.llms.encoder import EncoderLLM
from clinspan.tagging.evidence import reads

PASSAGES = Path(__file__).parent.parent / "notes" / "assertion"
_TRAPS = {"A": "absent", "+": "present", "P": "possible", "C": "conditional", "H": "hypothetical", "S": CLASSES[4]}
_LETTERED = re.compile(r"\{([A+PCHS]):([^{}]+)\}")
_MARK = re.compile(r"\[\[([^\[\]|]+)\|([a-z-]+)(?:\|(past))?\]\]")

VALUES = tuple(name for name in CLASSES if name != "past")


def main() -> int:
    """The command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, required=True, help="what tools/notes.py build wrote")
    parser.add_argument("--part", choices=("dev", "fit", "test"), default="dev")
    parser.add_argument("--encoder", default="clinical-notes", help="an encoder that says assertions")
    parser.add_argument("--traps", type=Path, nargs="*", default=())
    asked = parser.parse_args()
    for line in scored(asked.encoder, asked.gold, asked.part, asked.traps):
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


def scored(encoder: str, gold: Path, part: str, files: Sequence[Path]) -> Iterator[str]:
    """A line for each part and source: accuracy, then F1 of each class."""
    labels = LabelSet.builtin("problem-treatment-test")
    heard = reads(EncoderLLM.opened(named(encoder)))
    if heard is None:
        raise SystemExit(f"the encoder {encoder} says no assertion")
    for name, documents in [(part, notes(gold, part)), *((path.stem, traps(path)) for path in files)]:
        wanted = [entity.attributes["assertion"] for document in documents for entity in document.entities]
        bare = [_bare(document) for document in documents]
        read = [told for document in bare for told in heard(document)]
        ruled = [entity for document in bare for entity in assess(document, labels).entities]
        both = [entity for document in bare for entity in assess(document, labels, reads=heard).entities]
        yield f"{name}: encoder and rules {_figures(wanted, [e.attributes['assertion'] for e in both])}"
        yield f"{name}: encoder {_figures(wanted, [told['assertion'][0] for told in read])}"
        yield f"{name}: rules {_figures(wanted, [e.attributes['assertion'] for e in ruled])}"
        times = [e.attributes.get("temporality") for document in documents for e in document.entities]
        if any(times):
            seen = [told["temporality"][0] for told in read]
            rule = [e.attributes["temporality"] for e in ruled]
            yield f"{name}: past by encoder {_one('past', times, seen)}, by rules {_one('past', times, rule)}"


def _bare(document: Document) -> Document:
    return Document(document.id, document.text, tuple(Entity(e.span, e.label, e.text) for e in document.entities))


def _figures(wanted: Sequence[str], said: Sequence[str]) -> str:
    right = sum(a == b for a, b in zip(wanted, said, strict=True))
    classes = ", ".join(_one(name, wanted, said) for name in Counter(wanted))
    return f"accuracy {right / len(wanted):.3f} of {len(wanted)}; {classes}"


def _one(name: str, wanted: Sequence[Any], said: Sequence[Any]) -> str:
    both = sum(a == b == name for a, b in zip(wanted, said, strict=True))
    f1 = 2 * both / max(1, sum(a == name for a in wanted) + sum(b == name for b in said))
    return f"{name} F1 {f1:.3f} ({sum(a == name for a in wanted)})"


if __name__ == "__main__":
    sys.exit(main())
