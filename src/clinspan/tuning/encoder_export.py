"""Writes a tuned encoder as ONNX, its weights as 8-bit integers, so that it reads faster and without torch."""

import json
import logging
import shutil
import tempfile
import warnings
from pathlib import Path

from clinspan.classifier.folder import CARD_FILE, ONNX_FILE, TOKENIZER_FILE, load_torch
from clinspan.errors import MissingExtra, OutputError
from clinspan.models.registry import sha256_of

README_FILE = "README.md"
_OPSET = 17


def export(folder: Path, output: Path, *, eight_bit: bool = True) -> None:
    """Writes the encoder in `folder` as ONNX into `output`, with its tokenizer and a card that says so.

    Args:
        folder: made by `clinspan tune-encoder`.
        output: a folder that is made, or is empty.
        eight_bit: weights as int8 by channel, activations quantised as they come (dynamic quantisation); else fp32.

    Raises:
        MissingExtra: when the packages of the extra `train` are not installed.
        InputError, ModelError: when `folder` holds no encoder that can be exported.
        OutputError: when the output is not empty or cannot be written.
    """
    try:
        import onnx  # noqa: F401 - what the two below need, named here so that its absence is told
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "onnx", "train", purpose="exporting an encoder") from error
    card, classifier = load_torch(folder)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError("is not empty", where=str(output), fix="Name another folder.")

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = classifier.model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.network(input_ids=input_ids, attention_mask=attention_mask).logits
            return found

    classifier.model.set_attn_implementation("eager")
    shape = {0: "windows", 1: "tokens"}
    given = torch.ones(2, 16, dtype=torch.long)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output) as staging, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole, small = Path(staging) / "whole.onnx", Path(staging) / "small.onnx"
            torch.onnx.export(
                Logits().eval(),
                (given, given),
                str(whole),
                input_names=["input_ids", "attention_mask"],
                output_names=["logits"],
                dynamic_axes=dict.fromkeys(("input_ids", "attention_mask", "logits"), shape),
                opset_version=_OPSET,
                dynamo=False,
            )
            if eight_bit:
                logging.getLogger().setLevel(logging.ERROR)
                quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
            (small if eight_bit else whole).replace(output / ONNX_FILE)
        shutil.copyfile(folder / TOKENIZER_FILE, output / TOKENIZER_FILE)
        weights = output / ONNX_FILE
        told = {"file": ONNX_FILE, "sha256": sha256_of(weights), "bytes": weights.stat().st_size}
        content = card.card | {
            "weights": told,
            "context": classifier.context,
            "precision": "int8" if eight_bit else "fp32",
            "exported_from": card.sha256,
        }
        (output / CARD_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        said = (folder / README_FILE).read_text(encoding="utf-8")
        before = f"File: {card.file}, {card.card['weights']['bytes']} bytes, sha256 {card.sha256}."
        after = f"File: {told['file']} ({content['precision']}), {told['bytes']} bytes, sha256 {told['sha256']}."
        (output / README_FILE).write_text(said.replace(before, after), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the encoder cannot be written: {error.strerror}", where=str(output)) from error
