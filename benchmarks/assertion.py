"""Says of given problems whether they are present, by medspaCy or negspaCy, and scores such answers.

python benchmarks/assertion.py medspacy GOLD.jsonl OUT.jsonl
python benchmarks/assertion.py negspacy GOLD.jsonl OUT.jsonl
python benchmarks/assertion.py score GOLD.jsonl OUT.jsonl

It does not need clinspan, so that it runs in an environment of its own: `pip install medspacy==1.3.1`, then
`pip install --no-deps negspacy==1.0`, since the two name different versions of spaCy. Both read documents as
`tools/notes.py build` writes them, and get the gold spans. Their classes are mapped so: medspaCy's family is
"associated-with-someone-else", then its hypothetical, negated ("absent") and uncertain ("possible") count in this
order; negspaCy knows negated only. What is none of these is "present". Neither has "conditional".
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLASSES = ("present", "absent", "possible", "conditional", "hypothetical", "associated-with-someone-else")
Say = Callable[[str, list[dict[str, Any]]], list[str]]


def medspacy() -> Say:
    """The assertions of medspaCy's default rules."""
    import medspacy as package  # type: ignore[import-not-found, unused-ignore]

    nlp = package.load(medspacy_enable=["medspacy_pyrush", "medspacy_context"])

    def say(text: str, entities: list[dict[str, Any]]) -> list[str]:
        found = []
        for entity in _tagged(nlp, text, entities):
            flags = entity._
            family = "associated-with-someone-else" if flags.is_family else None
            rest = "hypothetical" if flags.is_hypothetical else "absent" if flags.is_negated else None
            found.append(family or rest or ("possible" if flags.is_uncertain else "present"))
        return found

    return say


def negspacy() -> Say:
    """The assertions of negspaCy with its clinical terms, over the sentences of spaCy's rule-based segmenter."""
    import spacy
    from negspacy.negation import Negex  # type: ignore[import-not-found, unused-ignore]
    from negspacy.termsets import termset  # type: ignore[import-not-found, unused-ignore]

    assert Negex is not None
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("negex", config={"neg_termset": termset("en_clinical").get_patterns(), "chunk_prefix": ["no"]})

    def say(text: str, entities: list[dict[str, Any]]) -> list[str]:
        return ["absent" if entity._.negex else "present" for entity in _tagged(nlp, text, entities)]

    return say


def _tagged(nlp: Any, text: str, entities: list[dict[str, Any]]) -> list[Any]:
    """The entities as spans of spaCy, with what the parts of the pipeline set; tokens that they cut count whole."""
    doc = nlp.make_doc(text)
    spans = [doc.char_span(one["start"], one["end"], label="problem", alignment_mode="expand") for one in entities]
    names = list(nlp.pipe_names)
    for name in names[:1]:
        doc = nlp.get_pipe(name)(doc)
    taken: list[Any] = []
    numbers = []
    for span in spans:
        if taken and span.start < taken[-1].end:
            numbers.append(len(taken) - 1)
            continue
        taken.append(span)
        numbers.append(len(taken) - 1)
    doc.ents = taken
    for name in names[1:]:
        doc = nlp.get_pipe(name)(doc)
    return [doc.ents[number] for number in numbers]


def answer(say: Say, gold: Path, out: Path) -> None:
    """Writes the documents with what a tool says of their problems."""
    with out.open("w", encoding="utf-8") as file:
        for line in gold.read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            problems = [one for one in document["entities"] if one["label"] == "problem"]
            said = say(document["text"], problems) if problems else []
            for one, value in zip(problems, said, strict=True):
                one["attributes"] = {"assertion": value}
            file.write(json.dumps({**document, "entities": problems}) + "\n")


def score(gold: Path, out: Path) -> None:
    """Prints accuracy and F1 of each class over the problems that both have."""
    pairs: Counter[tuple[str, str]] = Counter()
    with gold.open(encoding="utf-8") as one, out.open(encoding="utf-8") as other:
        for right, told in zip(map(json.loads, one), map(json.loads, other), strict=True):
            said = {(e["start"], e["end"]): e["attributes"]["assertion"] for e in told["entities"] if _is(e)}
            for entity in filter(_is, right["entities"]):
                pairs[entity["attributes"]["assertion"], said[entity["start"], entity["end"]]] += 1
    total = sum(pairs.values())
    print(f"problems {total}, accuracy {sum(n for (a, b), n in pairs.items() if a == b) / total:.3f}")
    for name in CLASSES:
        right_, told_ = (sum(n for pair, n in pairs.items() if pair[side] == name) for side in (0, 1))
        print(f"{name}: F1 {2 * pairs[name, name] / max(1, right_ + told_):.3f} of {right_}")


def _is(entity: dict[str, Any]) -> bool:
    return bool(entity["label"] == "problem")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=("medspacy", "negspacy", "score"))
    parser.add_argument("gold", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.what == "score":
        score(asked.gold, asked.out)
    else:
        answer({"medspacy": medspacy, "negspacy": negspacy}[asked.what](), asked.gold, asked.out)


if __name__ == "__main__":
    main()
