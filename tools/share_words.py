"""Takes the word vectors out of exported encoders that have the same ones, and writes them once beside their folders.

python tools/share_words.py src/clinspan/encoders/open-labels src/clinspan/encoders/literature

Encoders of one base have the same word vectors where `clinspan tune-encoder --keep-words` made them. They are half of
an encoder's bytes.
"""

import hashlib
import json
import sys
from pathlib import Path

from clinspan.classifier.folder import CARD_FILE, ONNX_FILE, read_card
from clinspan.models.registry import sha256_of


def main() -> int:
    """The command line; 1 when the encoders have no word vectors in common."""
    import onnx

    folders = [Path(name) for name in sys.argv[1:]]
    graphs = {folder: onnx.load(str(folder / ONNX_FILE)) for folder in folders}
    found = {folder: next(t for t in graph.graph.initializer if _holds_words(t)) for folder, graph in graphs.items()}
    contents = {tensor.raw_data for tensor in found.values()}
    if len(contents) != 1 or not folders:
        print("these encoders have no word vectors in common", file=sys.stderr)
        return 1
    (content,) = contents
    file = f"words-{hashlib.sha256(content).hexdigest()[:12]}.bin"
    (folders[0].parent / file).write_bytes(content)
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
        card = before.card | {"weights": now, "words": told}
        (folder / CARD_FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        readme = folder / "README.md"
        said = f"{before.card['weights']['bytes']} bytes, sha256 {before.sha256}."
        new = f"{now['bytes']} bytes, sha256 {now['sha256']}. Word vectors: {file}, shared with other encoders."
        readme.write_text(readme.read_text(encoding="utf-8").replace(said, new), encoding="utf-8")
    return 0


def _holds_words(tensor: object) -> bool:
    return str(getattr(tensor, "name", "")).endswith("word_embeddings.weight_quantized")


if __name__ == "__main__":
    sys.exit(main())
