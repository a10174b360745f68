"""Models in Hugging Face's layout, run in this process by transformers; those in GGUF by llama.cpp."""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from clinspan.errors import ConfigError, ContextOverflow, LLMError, ModelError
from clinspan.llms.base import LLM, Traits
from clinspan.llms.chat import HuggingFaceTokenizer
from clinspan.llms.embedded import EmbeddedLLM, EmbeddedSettings
from clinspan.messages import Completion, FinishReason, Request
from clinspan.models.hub import HubModel, locate, transformers_library
from clinspan.models.registry import sha256_of


@dataclass(frozen=True, slots=True)
class HuggingFaceSettings:
    """How the model is run.

    Attributes:
        context: tokens for one request and its answer; what the model was made for when None.
        threads: for evaluation on processors; None leaves what the runtime takes by itself.
    """

    context: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.context is not None and self.context < 64:
            raise ConfigError(f"a context of {self.context} tokens", expected="64 or more")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads", expected="one or more")


def opened(where: str, settings: HuggingFaceSettings = HuggingFaceSettings()) -> LLM:
    """The LLM of a folder on this machine, or of a model of the hub that was fetched before; fetches nothing.

    Args:
        where: a folder in Hugging Face's layout, or `OWNER/NAME[/FILE.gguf][@REVISION]`.
        settings: how it is run.

    Raises:
        ModelError: when it is not on this machine (says the command that fetches it) or cannot be loaded.
        ConfigError: when `where` is neither.
        MissingExtra: when a package that it needs is not installed.
    """
    folder = Path(where).expanduser()
    if folder.is_dir():
        return TransformersLLM(folder, settings, name=f"hf:{folder.resolve().name}#{_checksum(folder)}")
    if where.startswith((".", "/", "~")):
        raise ModelError("there is no such folder", where=where)
    model = HubModel.parse(where)
    found = locate(model)
    if found.path.is_dir():
        return TransformersLLM(found.path, settings, name=f"hf:{model.repository}@{found.commit[:12]}")
    chosen = EmbeddedSettings(threads=settings.threads)
    if settings.context is not None:
        chosen = EmbeddedSettings(threads=settings.threads, context=settings.context)
    return EmbeddedLLM(found.path, chosen)


class TransformersLLM:
    """Answers in this process, one request after the other, with the likeliest tokens.

    Nothing is fetched, no code that came with the model is run, and weights are read from safetensors alone.

    Args:
        folder: in Hugging Face's layout, with a chat template.
        settings: how it is run.
        name: names it in reports and cache keys.

    Raises:
        MissingExtra: when torch or transformers is not installed.
        ModelError: when it cannot be loaded.
    """

    constrains = False
    traits = Traits("transformers")

    def __init__(self, folder: Path, settings: HuggingFaceSettings = HuggingFaceSettings(), *, name: str):
        torch, transformers = transformers_library("a model run by transformers")
        self.name = name
        self._torch: Any = torch
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        place = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype="auto" if place == "cuda" else torch.float32
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"cannot be loaded as a causal language model: {error}", where=str(folder)) from error
        if not isinstance(tokenizer.chat_template, str):
            raise ModelError("has no chat template", where=str(folder), expected="an instruction-tuned chat model")
        self._tokenizer = HuggingFaceTokenizer(tokenizer)
        self._model = model.to(place).eval()
        made_for = int(getattr(model.config, "max_position_embeddings", None) or 2048)
        self.context: int | None = min(made_for, settings.context or made_for)
        self._count = lru_cache(maxsize=1 << 12)(lambda text: len(self._tokenizer.tokenize(text)))
        self._lock = threading.Lock()

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in order; the next is taken when the result before was used.

        Raises:
            ModelError: when the model's chat template does not take the chat.
        """
        for request in requests:
            with self._lock:
                try:
                    answer: Completion | LLMError = self._answer(request)
                except LLMError as error:
                    answer = error
            yield answer

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the model's own tokenizer."""
        return self._count(text)

    def _answer(self, request: Request) -> Completion:
        started = time.perf_counter()
        prompt = self._tokenizer.chat(request.messages)
        room = (self.context or 0) - len(prompt)
        if room < 1:
            raise ContextOverflow(
                f"{len(prompt)} tokens do not fit into the context of {self.context}",
                fix="Use shorter windows or fewer examples, or set a larger context.",
            )
        ends = self._model.generation_config.eos_token_id
        stops = {self._tokenizer.end, *(ends if isinstance(ends, list) else [ends])} - {None}
        ids = self._torch.tensor([prompt], device=self._model.device)
        with self._torch.inference_mode():
            made = self._model.generate(
                ids,
                attention_mask=self._torch.ones_like(ids),
                max_new_tokens=min(room, request.max_tokens),
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=sorted(stops),
                pad_token_id=self._tokenizer.end,
            )
        answer = made[0, len(prompt) :].tolist()
        stopped = bool(answer) and answer[-1] in stops
        return Completion(
            self._tokenizer.text_of(answer),
            FinishReason.STOP if stopped else FinishReason.LENGTH,
            prompt_tokens=len(prompt),
            completion_tokens=len(answer),
            seconds=time.perf_counter() - started,
        )


def _checksum(folder: Path) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        raise ModelError(
            "is not a model in Hugging Face's layout", where=str(folder), expected="config.json and *.safetensors"
        )
    return "+".join(sha256_of(file)[:12] for file in weights[:4])
