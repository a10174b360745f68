"""The embedded LLM: a GGUF model run in this process by llama.cpp, the only one that sees logits."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType

from clinspan.decoding.boundaries import Boundary, open_log_odds
from clinspan.decoding.draft import Decoded, DraftSettings, decode
from clinspan.decoding.pieces import answer_pieces
from clinspan.decoding.plan import Plan, compile_plan
from clinspan.document import Entity
from clinspan.errors import ConfigError, ContextOverflow, LLMError
from clinspan.formats.tanl_syntax import render
from clinspan.llms.chat import chat_prompt
from clinspan.llms.llama import Llama, check_file
from clinspan.llms.requantise import LARGEST, requantised
from clinspan.messages import Completion, FinishReason, Request
from clinspan.models.registry import path_of, sha256_of

DEFAULT_MODEL = "smollm2-135m-instruct"


def default_threads() -> int:
    """Two, or one where this process may use one core only: more gain little on models this small."""
    return min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """How the model is run.

    Attributes:
        context: tokens for one request and its answer.
        threads: for evaluation; None takes `default_threads`. One is best where another process keeps a core busy.
        adapter: a LoRA adapter in GGUF, made for this model.
        adapter_scale: its weight; 1 is as trained.
        as_shipped: runs the file itself, not the faster copy that is made once of a small model with four- to six-bit
            weights, in clinspan's cache folder (see `llms.requantise`).
        draft: how copies are drafted.
    """

    context: int = 4096
    threads: int | None = None
    adapter: Path | None = None
    adapter_scale: float = 1.0
    as_shipped: bool = False
    draft: DraftSettings = field(default_factory=DraftSettings)

    def __post_init__(self) -> None:
        if self.context < 64:
            raise ConfigError(f"a context of {self.context} tokens", expected="64 or more")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads", expected="one or more")


class EmbeddedLLM:
    """Answers in this process, one request after the other, whoever calls.

    A request with a constraint is decoded by copying (`decoding.draft`), which gives each mention its probability; any
    other is answered greedily. What consecutive requests share at their start is evaluated once, where that changes
    nothing: a request's answer and its scores do not depend on those before it.

    Args:
        path: the model, a GGUF file of a transformer with a chat template.
        settings: how it is run.

    Attributes:
        small: True for a model of at most some two hundred million parameters, which prompting cannot teach.

    Raises:
        MissingExtra: when llama.cpp is not installed.
        ModelError: when the model or the adapter cannot be used.
    """

    constrains = True

    def __init__(self, path: str | Path, settings: EmbeddedSettings = EmbeddedSettings()) -> None:
        path = Path(path)
        self._settings = settings
        check_file(path)
        checksum = sha256_of(path)
        self._model = Llama(
            path if settings.as_shipped else requantised(path, checksum),
            context=settings.context,
            threads=settings.threads or default_threads(),
            adapter=settings.adapter,
            adapter_scale=settings.adapter_scale,
        )
        self._tokenize = lru_cache(maxsize=1 << 15)(self._model.tokenize)
        self._lock = threading.Lock()
        self.context: int | None = self._model.n_ctx
        self.small = path.stat().st_size <= LARGEST
        self.name = f"embedded:{path.stem}:{self._model.quantisation}:{checksum[:12]}"
        if settings.adapter is not None:
            adapter = f"{settings.adapter.stem}:{sha256_of(settings.adapter)[:12]}"
            self.name += f"+{adapter}" + (f"*{settings.adapter_scale:g}" if settings.adapter_scale != 1 else "")

    @classmethod
    def pulled(cls, model: str = DEFAULT_MODEL, settings: EmbeddedSettings = EmbeddedSettings()) -> "EmbeddedLLM":
        """The LLM of a registered model that was pulled before; fetches nothing.

        Raises:
            ModelError: when the model is unknown or not on this machine; says the command that pulls it.
        """
        return cls(path_of(model), settings)

    @property
    def adapter(self) -> Path | None:
        """The adapter put on the model, which then answers the prompts it was tuned on best; None without one."""
        return self._settings.adapter

    def __enter__(self) -> "EmbeddedLLM":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model's memory; the LLM cannot be asked afterwards."""
        self._model.close()

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the model's own tokenizer."""
        return len(self._model.tokenize(text))

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in order; a failed one gives its error and the others go on.

        The next request is taken when the result of the one before was asked for and used.

        Raises:
            ModelError: when the model's chat template does not take the chat.
            ConfigError: when a constraint contradicts itself.
        """
        for request in requests:
            with self._lock:
                try:
                    answer: Completion | LLMError = self._answer(request)
                except LLMError as error:
                    answer = error
            yield answer

    def open_log_odds(self, request: Request, entities: Sequence[Entity] = ()) -> tuple[Boundary, ...]:
        """The log-odds of opening a bracket at each word of the request's window; see `decoding.boundaries`.

        Raises:
            ConfigError: when the request has no constraint, or entities cross.
            LLMError: when prompt and answer do not fit into the context.
        """
        if request.constraint is None:
            raise ConfigError("only a request with a copy constraint has boundaries to score")
        with self._lock:
            prompt = chat_prompt(self._model, request.messages)
            self._model.begin(prompt.tokens, prompt.cuts)
            return open_log_odds(self._model, prompt.tokens, request.constraint, tuple(entities))

    def _answer(self, request: Request) -> Completion:
        started = time.perf_counter()
        prompt = chat_prompt(self._model, request.messages)
        plan = None
        if request.constraint is not None:
            plan = compile_plan(request.constraint, self._tokenize)
            self._check_room(len(prompt.tokens), plan)
        cached = self._model.begin(prompt.tokens, prompt.cuts)
        scores: tuple[float, ...] | None = None
        if plan is None:
            text, finish, count = self._generate(prompt.tokens, request.max_tokens)
        else:
            text, count, scores = self._copy(prompt.tokens, plan)
            finish = FinishReason.STOP
        return Completion(
            text=text,
            finish=finish,
            mention_scores=scores,
            constrained=request.constraint is not None,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=count,
            cached_tokens=cached,
            seconds=time.perf_counter() - started,
        )

    def _copy(self, prompt: Sequence[int], plan: Plan) -> tuple[str, int, tuple[float, ...]]:
        text = plan.constraint.text
        found = decode(self._model, prompt, plan, settings=self._settings.draft)
        entities = [_entity(text, mention) for mention in found]
        count = sum(len(self._tokenize(piece)) for piece in answer_pieces(text, entities))
        return render(text, entities), count, tuple(mention.score for mention in found)

    def _check_room(self, prompt: int, plan: Plan) -> None:
        """Refuses a window that cannot fit before any of it is evaluated."""
        answer = sum(len(slot.before) + len(slot.copy) for slot in plan.slots)
        if prompt + answer > self._model.n_ctx:
            raise ContextOverflow(
                f"the prompt of {prompt} tokens and its window of {answer} do not fit into the context of "
                f"{self._model.n_ctx}",
                fix="Use shorter windows or fewer examples, or set a larger context.",
            )

    def _generate(self, prompt: Sequence[int], limit: int) -> tuple[str, FinishReason, int]:
        ids = list(prompt)
        full = min(len(prompt) + limit, self._model.n_ctx)
        finish = FinishReason.LENGTH
        self._model.evaluate(ids, [])
        while len(ids) < full:
            token = self._model.best_next()
            if self._model.ends(token):
                finish = FinishReason.STOP
                break
            ids.append(token)
            if len(ids) < full:
                self._model.evaluate(ids, [])
        answer = ids[len(prompt) :]
        return self._model.text_of(answer), finish, len(answer)


def _entity(text: str, mention: Decoded) -> Entity:
    return Entity(mention.span, mention.label, mention.span.of(text), mention.score)
