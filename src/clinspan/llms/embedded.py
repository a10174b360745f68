"""The embedded LLM: a GGUF model run in this process by llama.cpp, the only one that sees logits."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue

from clinspan.decoding import Plan, answer_pieces, compile_plan
from clinspan.decoding.draft import Boundary, DraftSettings, decode, open_log_odds
from clinspan.document import Entity
from clinspan.errors import ConfigError, ContextOverflow, LLMError
from clinspan.files import Closing
from clinspan.formats.tanl_marks import render
from clinspan.llms.base import Traits, in_order
from clinspan.llms.chat import chat_prompt
from clinspan.llms.llama import Llama, Threads, default_threads
from clinspan.llms.weights import LARGEST, Weights, check_file, requantised
from clinspan.messages import Completion, FinishReason, FoundSpan, Request
from clinspan.models import adapters
from clinspan.models.registry import path_of, sha256_of


class Lanes:
    """Contexts over the same weights, each lent to one caller at a time.

    A small model's passes are short, and threads that share one mostly wait for each other: contexts side by side, with
    a thread each, read more (docs/decisions/runtime.md). One that is alone gets all the threads.

    Args:
        weights: of the model.
        lanes: how many contexts.
        threads: of all of them together.
        context: tokens that each holds.

    Raises:
        ModelError: when a context cannot be made.
    """

    def __init__(self, weights: Weights, *, lanes: int, threads: int, context: int) -> None:
        self.threads = Threads(threads)
        self.first = Llama(weights, context=context, threads=self.threads)
        self._all = [self.first, *(Llama(weights, context=context, threads=self.threads) for _ in range(lanes - 1))]
        self._idle: SimpleQueue[Llama] = SimpleQueue()
        for lane in self._all:
            self._idle.put(lane)

    def __len__(self) -> int:
        return len(self._all)

    @contextmanager
    def lane(self) -> Iterator[Llama]:
        """A context of one's own; waits until one is idle."""
        lane = self._idle.get()
        try:
            with self.threads.busy():
                yield lane
        finally:
            self._idle.put(lane)

    def close(self) -> None:
        """Frees contexts and weights, once every lane is idle."""
        for _ in self._all:
            self._idle.get()
        for lane in self._all:
            lane.close()
            self._idle.put(lane)


DEFAULT_MODEL = "smollm2-135m-instruct"


AHEAD = 4
"""Requests that are taken in, by how many are answered at once: one that takes long does not leave the others idle."""


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """How the model is run.

    Attributes:
        context: tokens for one request and its answer.
        threads: of all requests together; None takes `default_threads`, or two of them for a model that is not small.
        side_by_side: requests that are answered at once, each in a context of its own that takes memory; None for as
            many as threads, or one for a model that is not small.
        adapter: a LoRA adapter in GGUF, made for this model.
        adapter_scale: its weight; 1 is as trained.
        as_shipped: runs the file itself, not the faster copy that is made once of a small model with four- to six-bit
            weights, in clinspan's cache folder (see `llms.weights.requantised`).
        draft: how copies are drafted.
    """

    context: int = 4096
    threads: int | None = None
    side_by_side: int | None = None
    adapter: Path | None = None
    adapter_scale: float = 1.0
    as_shipped: bool = False
    draft: DraftSettings = field(default_factory=DraftSettings)

    def __post_init__(self) -> None:
        if self.context < 64:
            raise ConfigError(f"a context of {self.context} tokens", expected="64 or more")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads", expected="one or more")
        if self.side_by_side is not None and self.side_by_side < 1:
            raise ConfigError(f"{self.side_by_side} requests side by side", expected="one or more")


class EmbeddedLLM(Closing):
    """Answers in this process: a small model as many requests side by side as there are threads, whoever calls, and a
    larger one a request after the other, each with all threads.

    A request with a constraint is decoded by copying (`decoding.draft`), which gives each mention its probability; any
    other is answered greedily. What consecutive requests share at their start is evaluated once, where that changes
    nothing: a request's answer and its scores depend neither on those before it nor on the number of threads.

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
        self._weights = Weights(
            path if settings.as_shipped else requantised(path, checksum),
            adapter=settings.adapter,
            adapter_scale=settings.adapter_scale,
        )
        self.small = path.stat().st_size <= LARGEST
        threads = settings.threads or (default_threads() if self.small else min(2, default_threads()))
        lanes = settings.side_by_side or (threads if self.small else 1)
        self._lanes = Lanes(self._weights, lanes=lanes, threads=threads, context=settings.context)
        self._workers = ThreadPoolExecutor(len(self._lanes), thread_name_prefix="clinspan-embedded")
        # Any context can count tokens, from any thread.
        self._model = self._lanes.first
        self._tokenize = lru_cache(maxsize=1 << 15)(self._model.tokenize)
        self.context: int | None = self._model.n_ctx
        self.traits = replace(_traits(settings.adapter, small=self.small), threads=settings.threads)
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

    def close(self) -> None:
        """Ends what is under way and frees the model's memory; the LLM cannot be asked afterwards."""
        self._workers.shutdown(cancel_futures=True)
        self._lanes.close()

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the model's own tokenizer."""
        return len(self._model.tokenize(text))

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in order; a failed one gives its error and the others go on.

        Requests are taken from `requests` as there is room: `AHEAD` times as many as are answered at once. Where one is
        answered at a time, the next one is taken when the result of the one before was used.

        Raises:
            ModelError: when the model's chat template does not take the chat.
            ConfigError: when a constraint contradicts itself.
        """
        most = AHEAD * len(self._lanes) if len(self._lanes) > 1 else 1
        return in_order(requests, lambda request: self._workers.submit(self._result, request), most=most)

    def _result(self, request: Request) -> Completion | LLMError:
        try:
            with self._lanes.lane() as model:
                return self._answer(model, request)
        except LLMError as error:
            return error

    def open_log_odds(self, request: Request, entities: Sequence[Entity] = ()) -> tuple[Boundary, ...]:
        """The log-odds of opening a bracket at each word of the request's window; see `decoding.boundaries`.

        Raises:
            ConfigError: when the request has no constraint, or entities cross.
            LLMError: when prompt and answer do not fit into the context.
        """
        if request.constraint is None:
            raise ConfigError("only a request with a copy constraint has boundaries to score")
        with self._lanes.lane() as model:
            prompt = chat_prompt(model, request.messages)
            model.begin(prompt.tokens, prompt.cuts)
            return open_log_odds(model, prompt.tokens, request.constraint, tuple(entities))

    def _answer(self, model: Llama, request: Request) -> Completion:
        started = time.perf_counter()
        prompt = chat_prompt(model, request.messages)
        plan = None
        if request.constraint is not None:
            plan = compile_plan(request.constraint, self._tokenize)
            self._check_room(len(prompt.tokens), plan)
        cached = model.begin(prompt.tokens, prompt.cuts)
        spans: tuple[FoundSpan, ...] | None = None
        if plan is None:
            text, finish, count = self._generate(model, prompt.tokens, request.max_tokens)
        else:
            text, count, spans = self._copy(model, prompt.tokens, plan)
            finish = FinishReason.STOP
        return Completion(
            text=text,
            finish=finish,
            spans=spans,
            constrained=request.constraint is not None,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=count,
            cached_tokens=cached,
            seconds=time.perf_counter() - started,
        )

    def _copy(self, model: Llama, prompt: Sequence[int], plan: Plan) -> tuple[str, int, tuple[FoundSpan, ...]]:
        text = plan.constraint.text
        found = decode(model, prompt, plan, settings=self._settings.draft)
        entities = [Entity(m.span, m.label, m.span.of(text), m.score, attributes=m.attributes) for m in found]
        asked = plan.constraint.attributes
        count = sum(len(self._tokenize(piece)) for piece in answer_pieces(text, entities, asked))
        return render(text, entities, asked), count, found

    def _check_room(self, prompt: int, plan: Plan) -> None:
        """Refuses a window that cannot fit before any of it is evaluated."""
        answer = sum(len(slot.before) + len(slot.copy) for slot in plan.slots)
        if prompt + answer > self._model.n_ctx:
            raise ContextOverflow(
                f"the prompt of {prompt} tokens and its window of {answer} do not fit into the context of "
                f"{self._model.n_ctx}",
                fix="Use shorter windows or fewer examples, or set a larger context.",
            )

    def _generate(self, model: Llama, prompt: Sequence[int], limit: int) -> tuple[str, FinishReason, int]:
        ids = list(prompt)
        full = min(len(prompt) + limit, model.n_ctx)
        finish = FinishReason.LENGTH
        model.evaluate(ids, [])
        while len(ids) < full:
            token = model.best_next()
            if model.ends(token):
                finish = FinishReason.STOP
                break
            ids.append(token)
            if len(ids) < full:
                model.evaluate(ids, [])
        answer = ids[len(prompt) :]
        return model.text_of(answer), finish, len(answer)


def _traits(adapter: Path | None, *, small: bool) -> Traits:
    if adapter is None:
        return Traits("embedded", "small" if small else "prompted")
    known = adapters.beside(adapter)
    if known is None:
        return Traits("embedded", "tuned")
    profile = "told" if known.facts else "tuned"
    return Traits("embedded", profile, known.calibrations(), attributes=known.attributes)
