"""What a few marked passages bring to `open-labels`: a curve over 0, 5, 20 and 100 of them.

python experiments/few_examples.py CORPORA OUT [--base open-labels] [--corpora phee bionlp13cg] [--counts 5 20 100]

Passages of a corpus's train part, drawn by a seed, tune the encoder with `clinspan tune-encoder --described`; the
first 300 passages of its development part score it. Nothing of these corpora taught `open-labels`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
from clinspan.classifier.folder import load
from clinspan.evaluation.score import intervals
from held_labels import held_out, tagged
from passages import Group

ROWS = 6_000
"""Windows that a tuning reads, however many passages there are: passes follow."""


def written(folder: Path, corpora: Path, group: Group, count: int, seed: int) -> tuple[Path, Path, int]:
    """The examples and the label set as files, and how many passes are made over them."""
    lines = (corpora / "open" / f"{group.name}.train.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in Random(seed).sample(lines, count)]
    gold, labels = folder / "gold.jsonl", folder / "labels.toml"
    folder.mkdir(parents=True, exist_ok=True)
    with gold.open("w", encoding="utf-8") as out:
        for number, record in enumerate(records):
            entities = [
                {"start": one["start"], "end": one["end"], "label": one["label"], "text": one["text"]}
                for one in record["entities"]
                if one["label"] in group.wordings and "fragments" not in one
            ]
            out.write(json.dumps({"id": f"{number}", "text": record["text"], "entities": entities}) + "\n")
    with labels.open("w", encoding="utf-8") as out:
        out.write(f'name = "{group.name}"\n')
        for name, told in group.wordings.items():
            out.write(f"\n[[labels]]\nname = {json.dumps(name)}\ndefinition = {json.dumps(told.definitions[0])}\n")
            out.write(f"guideline = {json.dumps(told.guidelines[0])}\n")
    return gold, labels, max(2, ROWS // (count * len(group.wordings)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora_folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", default="open-labels")
    parser.add_argument("--corpora", nargs="+", default=["phee", "bionlp13cg"])
    parser.add_argument("--counts", nargs="+", type=int, default=[5, 20, 100])
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    for group in held_out(given.corpora_folder, test=False):
        if group.name not in given.corpora:
            continue
        for count in given.counts:
            folder = given.out / f"{group.name}-{count}"
            gold, labels, passes = written(folder, given.corpora_folder, group, count, given.seed)
            command = [sys.executable, "-m", "clinspan", "tune-encoder", "--base", given.base, "--described"]
            command += ["--keep-words", "--examples", str(gold), "--labels", str(labels), "--epochs", str(passes)]
            command += ["--batch", "32", "--learning-rate", "3e-4", "-o", str(folder / "encoder"), "--force"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            card, classifier = load(folder / "encoder")
            strict, relaxed = tagged(classifier, group, names=False, reworded=card.reworded)
            between = intervals(strict)[0].f1
            said = f"strict {strict.micro.f1:.3f} ({between.low:.3f} to {between.high:.3f})"
            print(
                f"{group.name}, {count} passages, {passes} passes: {said}, relaxed {relaxed.micro.f1:.3f}", flush=True
            )


if __name__ == "__main__":
    main()
