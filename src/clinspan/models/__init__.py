"""Models: a registry of what they are and where they come from, what fetches them, and encoders that are open.

An encoder is an ONNX graph: a session of onnxruntime runs it, and it has its tokenizer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinspan.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A model that is open.

    Attributes:
        session: of onnxruntime.
        tokenizer: of the package `tokenizers`, without padding.
        held: tensors that the session keeps no copy of: they live as long as it.
    """

    session: Any
    tokenizer: Any
    held: tuple[Any, ...] = ()

    @classmethod
    def opened(
        cls,
        weights: Path,
        tokenizer: Path,
        *,
        purpose: str,
        words: "Mapping[str, NDArray[Any]] | None" = None,
        wanted: Sequence[str] = ("CPUExecutionProvider",),
    ) -> "OnnxModel":
        """Opens a graph, which runs in the threads that call it.

        Args:
            weights: the graph's file; what lies beside it with its name and a further ending belongs to it.
            tokenizer: the tokenizer's file.
            purpose: what it is opened for, for errors.
            words: tensors of the graph that its file lacks, by their names.
            wanted: what may run it, by onnxruntime's names, the best first.

        Raises:
            MissingExtra: when the packages of the extra `encoders` are not installed.
            ModelError: when a file is not what it should be.
        """
        try:
            import onnxruntime
            import tokenizers
            from onnxruntime.capi import onnxruntime_pybind11_state as faults
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "onnxruntime", "encoders", purpose=purpose) from error
        if not tokenizer.is_file():
            raise ModelError("has no tokenizer.json", where=str(tokenizer.parent))
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        # Batches side by side, one thread each: threads that share a small batch mostly wait for one another.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        held = tuple(onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in (words or {}).values())
        if words:
            options.add_external_initializers(list(words), list(held))
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            session = onnxruntime.InferenceSession(str(weights), options, providers=providers)
        except (faults.Fail, faults.InvalidGraph, faults.InvalidProtobuf, faults.NotImplemented) as error:
            raise ModelError(f"is not an ONNX model that can be run: {error}", where=str(weights)) from error
        made = tokenizers.Tokenizer.from_file(str(tokenizer))
        made.no_padding()
        return cls(session, made, held)
