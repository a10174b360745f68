"""Encoders that have the same word vectors: `share` writes these once, `lend` gives a base those of another.

python tools/share_words.py share src/clinspan/encoders/open-labels src/clinspan/encoders/literature
python tools/share_words.py lend open-labels bge-small-en-v1.5 BASE

`share` takes them out of exported encoders, with the tokenizer, and writes them beside their folders. Encoders of one
base have the same ones where `clinspan tune-encoder --keep-words` made them. They are half of a small encoder's bytes.
`lend` writes the second encoder with the word vectors of the first, as a base to tune with `--keep-words`: both must
have one vocabulary. Encoders that were once shortened from each other learn what the loan changed.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from clinspan.classifier.folder import CARD_FILE, ONNX_FILE, TOKENIZER_FILE, WEIGHTS_FILE, read_card, tokenizer
from clinspan.models.registry import sha256_of
from clinspan.tuning.base import find_base

_WORDS = "embeddings.word_embeddings.weight"


def main() -> int:
    """The command line; 1 when the encoders have no word vectors, or no vocabulary, in common."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    shared = commands.add_parser("share", help="write the word vectors of exported encoders once")
    shared.add_argument("folders", type=Path, nargs="+")
    lent = commands.add_parser("lend", help="give a base the word vectors of another encoder")
    lent.add_argument("lender", help="an encoder, as `clinspan tune-encoder --base` takes it")
    lent.add_argument("base", help="another")
    lent.add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.command == "share":
        return share(asked.folders)
    return lend(asked.lender, asked.base, asked.out)


def lend(lender: str, base: str, out: Path) -> int:
    """Writes `base` with the word vectors of `lender`; 1 when they have not the same vocabulary."""
    from safetensors.numpy import load_file, save_file

    first, second = (Path(find_base(name).source) for name in (lender, base))
    known = [
        json.loads((one / TOKENIZER_FILE).read_text(encoding="utf-8"))["model"]["vocab"] for one in (first, second)
    ]
    if known[0] != known[1]:
        print(f"{lender} and {base} have not the same vocabulary", file=sys.stderr)
        return 1
    words = load_file(first / WEIGHTS_FILE)
    weights = load_file(second / WEIGHTS_FILE)
    (name,), (own,) = ([key for key in held if key.endswith(_WORDS)] for held in (words, weights))
    shutil.copytree(second, out)
    save_file(weights | {own: words[name]}, out / WEIGHTS_FILE, metadata={"format": "pt"})
    return 0


def share(folders: Sequence[Path]) -> int:
    """Writes the word vectors of exported encoders beside them; 1 when they have none in common."""
    import onnx

    graphs = {folder: onnx.load(str(folder / ONNX_FILE)) for folder in folders}
    found = {folder: next(t for t in graph.graph.initializer if _holds_words(t)) for folder, graph in graphs.items()}
    contents = {tensor.raw_data for tensor in found.values()}
    if len(contents) != 1:
        print("these encoders have no word vectors in common", file=sys.stderr)
        return 1
    (content,) = contents
    file = f"words-{hashlib.sha256(content).hexdigest()[:12]}.bin"
    (folders[0].parent / file).write_bytes(content)
    shared = _tokenizer(folders)
    for folder, tensor in found.items():
        told = {"file": file, "sha256": hashlib.sha256(content).hexdigest(), "tensor": tensor.name}
        told |= {"shape": list(tensor.dims), "type": "uint8" if tensor.data_type == onnx.TensorProto.UINT8 else "int8"}
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=file)
        weights = folder / ONNX_FILE
        before = read_card(folder)
        weights.write_bytes(graphs[folder].SerializeToString())
        now = {"file": ONNX_FILE, "sha256": sha256_of(weights), "bytes": weights.stat().st_size}
        card = before.card | {"weights": now, "words": told, "tokenizer": shared}
        (folder / CARD_FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        readme = folder / "README.md"
        said = f"{before.card['weights']['bytes']} bytes, sha256 {before.sha256}."
        new = f"{now['bytes']} bytes, sha256 {now['sha256']}. Word vectors: {file}, shared with other encoders."
        readme.write_text(readme.read_text(encoding="utf-8").replace(said, new), encoding="utf-8")
    return 0


def _tokenizer(folders: Sequence[Path]) -> dict[str, str]:
    """What the cards say of the tokenizer, which now lies beside the folders."""
    read = {tokenizer(folder, read_card(folder)).read_bytes() for folder in folders}
    if len(read) != 1:
        raise SystemExit("these encoders have not the same tokenizer")
    (content,) = read
    digest = hashlib.sha256(content).hexdigest()
    file = f"tokenizer-{digest[:12]}.json"
    (folders[0].parent / file).write_bytes(content)
    for folder in folders:
        (folder / TOKENIZER_FILE).unlink(missing_ok=True)
    return {"file": file, "sha256": digest}


def _holds_words(tensor: object) -> bool:
    return str(getattr(tensor, "name", "")).endswith("word_embeddings.weight_quantized")


if __name__ == "__main__":
    sys.exit(main())
