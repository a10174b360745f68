"""Ten thousand results as FHIR R4, each held to the specification by fhirkit-rs, and the time that both take.

    python benchmarks/fhir.py [--results 10000] [--notes 40] [--seed 0]

The sample notes and so many of our own are tagged with the labels of problems, treatments and tests and with those of
drugs and their details. Each result is then a random variant of one of them: a part of the note, some of its entities,
with values of their attributes, places in parts, concepts, ids and windows drawn anew from what results can hold, and
now and then a text or id with control characters, an emoji or nothing but white space. A result is a bundle, of one to
three notes.

fhirkit-rs checks cardinalities, types, formats and invariants; whether a code is in its system it does not check.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from random import Random

import fhirkit

from clinspan import samples
from clinspan.corpora import fhir
from clinspan.document import OF, Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.labels import LabelSet
from clinspan.tagging.calibration import REVIEW, YES
from clinspan.tagging.tagger import Tagger

SETS = ("problem-treatment-test", "medication")
ODD = ("\x00", "\x1b", "\ufffe", "😀", "\u2028", "é", '"', "<script>", "\r\n", "\u00a0")
SYSTEMS = ("RXNORM", "SNOMEDCT_US", "ICD10CM", "LNC", "MeSH", "UMLS", "HPO", "My list", "ODD\x00")
OTHER_LABELS = ("disease", "symptom", "drug", "Lab Test", "imaging", "procedure", "gene", "my_own label")


def sources(count: int) -> Iterator[Document]:
    """Real results: the samples and our own notes, by both label sets."""
    lines = resources.files("clinspan.examples").joinpath("notes.jsonl").read_text(encoding="utf-8").splitlines()
    notes = [json.loads(line) for line in lines]
    texts = [*samples.load(), *(Document(note["id"], note["text"]) for note in notes[:count])]
    for name in SETS:
        with Tagger.open(labels=name) as tagger:
            yield from tagger.tag_many(texts)


class Variants:
    """Random results out of real ones.

    Args:
        found: results of whole notes.
        random: draws.
    """

    def __init__(self, found: list[Document], random: Random):
        self._found = [document for document in found if document.entities]
        self._random = random
        self._values = {
            attribute.name: attribute.value_names
            for name in SETS
            for label in LabelSet.builtin(name).labels
            for attribute in label.attributes
        }
        self._concepts = [c for document in found for entity in document.entities for c in entity.concepts]

    def bundle(self) -> list[Document]:
        """The documents of one bundle."""
        return [self._document() for _ in range(self._random.choice((1, 1, 1, 2, 3)))]

    def _document(self) -> Document:
        random = self._random
        whole = random.choice(self._found)
        first = random.randrange(len(whole.entities))
        some = whole.entities[first : first + random.randint(1, 25)]
        start, end = max(0, some[0].start - random.randint(0, 300)), max(entity.end for entity in some)
        end = min(len(whole.text), end + random.randint(0, 300))
        text, kept = whole.text[start:end], [entity.shift(-start) for entity in some]
        if random.random() < 0.1:
            text += random.choice(ODD)
            kept.append(Entity(Span(len(text) - 1, len(text)), random.choice(OTHER_LABELS), text[-1]))
        entities = tuple(self._entity(entity, text) for entity in kept if random.random() < 0.9)
        id = whole.id + (random.choice(ODD) if random.random() < 0.1 else "")
        return Document(id, text, entities, self._windows(text), self._metadata())

    def _entity(self, entity: Entity, text: str) -> Entity:
        random = self._random
        said = {OF: entity.attributes[OF]} if OF in entity.attributes else {}
        for name, values in self._values.items():
            if random.random() < 0.6:
                said[name] = random.choice(values)
        if random.random() < 0.05:
            said[REVIEW] = YES
        if random.random() < 0.1:
            said["section"] = random.choice(("family_history", "hpi", "plan"))
        varied = replace(
            entity,
            label=random.choice(OTHER_LABELS) if random.random() < 0.1 else entity.label,
            score=random.choice((None, 0.0, 1.0, random.random())),
            match=random.choice(list(MatchKind)),
            attributes=said,
            attribute_scores=(),
            concepts=self._some_concepts(entity),
        )
        parts = [
            entity.start,
            *sorted(random.sample(range(entity.start, entity.end), min(2, len(entity.text)))),
            entity.end,
        ]
        if random.random() < 0.1 and parts[0] < parts[1] < parts[2] < parts[3]:
            return replace(varied, fragments=(Span(*parts[:2]), Span(*parts[2:])))
        assert varied.span.of(text) == varied.text
        return varied

    def _some_concepts(self, entity: Entity) -> tuple[Concept, ...]:
        random = self._random
        if random.random() < 0.5 or not self._concepts:
            return entity.concepts
        one = random.choice(self._concepts)
        return (replace(one, source=random.choice(SYSTEMS)),) if random.random() < 0.5 else ()

    def _windows(self, text: str) -> tuple[WindowReport, ...]:
        random = self._random
        cuts = sorted({0, len(text), *(random.randint(0, len(text)) for _ in range(random.randint(0, 3)))})
        states = [
            state if random.random() < 0.3 else WindowState.OK for state in random.choices(list(WindowState), k=4)
        ]
        return tuple(WindowReport(Span(a, b), state) for a, b, state in zip(cuts, cuts[1:], states, strict=False))

    def _metadata(self) -> dict[str, object]:
        given: tuple[object, ...] = ("p-7", 7, "", None, "p\x00 7", ["p"])
        return {"patient": self._random.choice(given)} if self._random.random() < 0.7 else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--notes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    variants = Variants(list(sources(args.notes)), Random(args.seed))
    kinds: Counter[str] = Counter()
    withheld = wrong = notes = entities = size = 0
    writing = checking = 0.0
    for _ in range(args.results):
        documents = variants.bundle()
        notes += len(documents)
        entities += sum(len(document.entities) for document in documents)
        began = time.process_time()
        written = "".join(fhir.write(documents))
        wrote = time.process_time()
        bundle = json.loads(written)
        found = fhirkit.validate(bundle)
        checking += time.process_time() - wrote
        writing += wrote - began
        size += len(written.encode())
        kinds.update(entry["resource"]["resourceType"] for entry in bundle["entry"])
        withheld += sum(int(said.rpartition(": ")[2]) for said in fhir.withheld(documents))
        if found:
            wrong += 1
            print(*found[:3], sep="\n", flush=True)
    print(f"{args.results} results of {notes} notes with {entities} entities, {size / 1e6:.0f} MB; {withheld} withheld")
    print(", ".join(f"{kind}: {count}" for kind, count in kinds.most_common()))
    print(f"with a fault: {wrong}")
    print(f"written in {writing:.1f} s of processor time, {1000 * writing / args.results:.2f} ms each")
    print(f"read back and validated in {checking:.1f} s")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
