"""One model in this process: tokens in, logits at any position out, with a context that can be cut back."""

import ctypes
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from clinspan.decoding.draft import Ask
from clinspan.errors import ContextOverflow, LLMError, ModelError
from clinspan.llms.llama_api import FLASH_ATTN_DISABLED
from clinspan.llms.weights import Weights

MOST = 8
"""If nobody says how many: each context over a small model takes memory, a hundred megabytes with 4,096 tokens."""


def most_threads() -> int:
    """A thread for each core that this process may use, `MOST` of them at most."""
    return min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def default_threads() -> int:
    """`most_threads`, or fewer where the environment's OMP_NUM_THREADS says so, as it does in Ray's workers."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(most_threads(), int(said) if said.isdecimal() and int(said) else MOST)


class Threads:
    """A number of threads that contexts share: each pass takes its part, so that one that is alone takes all.

    What a pass gives does not depend on how many it takes.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._busy = 0
        self._lock = threading.Lock()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While it lasts, one context more shares the threads."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            self._busy += by

    @property
    def part(self) -> int:
        """Threads for the next pass of one context."""
        return max(1, self._number // max(1, self._busy))


PREFIX_TOKENS = 64
"""Tokens of a batch of what prompts may share. Fewer are read more slowly, more are taken over at a coarser grain."""


class Held:
    """The tokens of one sequence in the order they were read, grown by whole batches and cut back anywhere.

    Attributes:
        tokens: the ids.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = []
        # Where the batches end that the beginning was read in, up to the first that was cut.
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, batch: Sequence[int]) -> None:
        """Notes a batch that was read."""
        whole = len(self.tokens) == (self._ends[-1] if self._ends else 0)
        self.tokens += batch
        if whole:
            self._ends.append(len(self.tokens))

    def cut(self, at: int) -> None:
        """Forgets all from place `at` on; 0 forgets everything."""
        del self.tokens[at:]
        self._ends = [end for end in self._ends if end <= at]

    def shared(self, tokens: Sequence[int]) -> int:
        """How many of the first `tokens` are held."""
        return next(
            (i for i, (held, token) in enumerate(zip(self.tokens, tokens, strict=False)) if held != token),
            min(len(self.tokens), len(tokens)),
        )

    def shared_batches(self, tokens: Sequence[int], ends: Sequence[int]) -> int:
        """How many of the first `tokens` are held from batches that ended where they would end, at `ends`."""
        shared = self.shared(tokens)
        kept = 0
        for end, held in zip(ends, self._ends, strict=False):
            if end != held or end > shared:
                break
            kept = end
        return kept


def batch_ends(cuts: Sequence[int]) -> tuple[int, ...]:
    """The ends of the batches in which a prompt is read up to the last of `cuts`, which are growing places in it.

    One ends at each of them, and between them every `PREFIX_TOKENS` tokens.
    """
    return tuple(
        end
        for start, stop in pairwise((0, *cuts))
        for end in (*range(start + PREFIX_TOKENS, stop, PREFIX_TOKENS), stop)
    )


BATCH_TOKENS = 512
BATCH_OUTPUTS = 64
"""Positions of one batch whose logits can be asked for. Each row takes four bytes a vocabulary entry, and llama.cpp
reserves room for all of them, so this bounds memory; longer batches are split."""

_LEAD = "\n"


class Llama:
    """One sequence's context over a model, satisfying `decoding.draft.CausalModel`. Not for several threads at once.

    Args:
        weights: the model.
        context: tokens the context holds.
        threads: for both prompts and single tokens: a number, or what several contexts share.

    Raises:
        ModelError: when no context can be made, or it could not be cut back.
    """

    def __init__(self, weights: Weights, *, context: int = 4096, threads: int | Threads = 1) -> None:
        self._api = weights.api
        self._c = self._api.c
        self._model = weights.handle
        self._threads = Threads(threads) if isinstance(threads, int) else threads
        self._vocab = self._c.llama_model_get_vocab(self._model)
        # The finalizers hold no reference to self.
        self._context = self._open(weights, context)
        self._free_context = weakref.finalize(self, weights.close, self._context)
        self._memory = self._c.llama_get_memory(self._context)
        self._batch = self._make_batch()
        self._greedy = self._c.llama_sampler_init_greedy()
        self._free_greedy = weakref.finalize(self, self._c.llama_sampler_free, self._greedy)
        self._held = Held()
        self.evaluated = 0
        """Tokens put through the model so far."""
        self.passes = 0
        """Forward passes so far."""
        self._lead: tuple[int, ...] = ()
        if self.text_of(self._ids("a", special=False)) != "a":
            # Tokenizers of the SentencePiece kind put a space before any text; a line break before it takes that.
            self._lead = self._ids(_LEAD, special=False)
            if self.text_of(self.tokenize("a")) != "a":
                raise ModelError("its tokenizer does not give the text back unchanged", where=str(weights.path))

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        context: int = 4096,
        threads: int = 1,
        adapter: Path | None = None,
        adapter_scale: float = 1.0,
    ) -> "Llama":
        """The only context over a GGUF file's weights; see `Weights` for what it raises."""
        weights = Weights(path, adapter=adapter, adapter_scale=adapter_scale)
        return cls(weights, context=context, threads=threads)

    def _open(self, weights: Weights, context: int) -> int:
        if self._c.llama_model_is_recurrent(self._model) or self._c.llama_model_is_hybrid(self._model):
            raise ModelError(
                "its context cannot be shortened (it is a recurrent model)",
                where=str(weights.path),
                expected="attention",
            )
        params = self._c.llama_context_default_params()
        params.n_ctx, params.n_batch = context, min(BATCH_TOKENS, context)
        params.n_outputs_max = params.n_outputs_max_per_seq = min(BATCH_OUTPUTS, context)
        # Models with sliding windows keep their whole context, else it could not be cut back.
        params.swa_full = True
        # Flash attention divides short batches among the threads, so that results would hang on their number.
        params.flash_attn_type = FLASH_ATTN_DISABLED
        return weights.open(params)

    def _make_batch(self) -> Any:
        batch = self._c.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._free_batch = weakref.finalize(self, self._c.llama_batch_free, batch)
        for i in range(BATCH_TOKENS):
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
        return batch

    def close(self) -> None:
        """Frees the context, and with the last one the model; using it afterwards is an error. Closing twice is not."""
        self._free_greedy()
        self._free_batch()
        self._free_context()

    @property
    def n_ctx(self) -> int:
        """Tokens the context holds."""
        return int(self._c.llama_n_ctx(self._context))

    @property
    def quantisation(self) -> str:
        """The kind of weights, as llama.cpp names it."""
        name: bytes = self._c.llama_ftype_name(self._c.llama_model_ftype(self._model))
        return name.decode().split(" ")[0]

    @property
    def chat_template(self) -> str | None:
        """The Jinja template out of the model's metadata, where it has one."""
        found: bytes | None = self._c.llama_model_chat_template(self._model, None)
        return None if found is None else found.decode("utf-8")

    def special_text(self, which: str) -> str:
        """How the `bos` or `eos` token is written in a template; empty where the model has none."""
        token = getattr(self._c, f"llama_vocab_{which}")(self._vocab)
        return "" if token < 0 else self._c.llama_vocab_get_text(self._vocab, token).decode("utf-8")

    @property
    def first_token(self) -> int | None:
        """The token that every input of this model must start with, if any."""
        return int(self._c.llama_vocab_bos(self._vocab)) if self._c.llama_vocab_get_add_bos(self._vocab) else None

    def tokenize(self, piece: str) -> tuple[int, ...]:
        """The ids of `piece` by itself: text only, whatever control tokens it may spell."""
        if not piece:
            return ()
        return (
            self._ids(_LEAD + piece, special=False)[len(self._lead) :]
            if self._lead
            else self._ids(piece, special=False)
        )

    def tokenize_markup(self, piece: str) -> tuple[int, ...]:
        """The ids of a stretch of a chat template, in which control tokens are meant."""
        return self._ids(piece, special=True) if piece else ()

    def _ids(self, text: str, *, special: bool) -> tuple[int, ...]:
        # A lone surrogate has no UTF-8; the model sees a question mark in its place.
        data = text.encode("utf-8", errors="replace")
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = self._c.llama_tokenize(self._vocab, data, len(data), ids, room, False, special)
        if count < 0:
            raise LLMError(f"the tokenizer wants {-count} tokens for {len(data)} bytes")
        return tuple(ids[:count])

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`; bytes that are no UTF-8 become U+FFFD, control tokens nothing."""
        parts = []
        room = ctypes.create_string_buffer(512)
        for token in tokens:
            size = self._c.llama_token_to_piece(self._vocab, token, room, len(room), 0, False)
            if size < 0:
                room = ctypes.create_string_buffer(-size)
                size = self._c.llama_token_to_piece(self._vocab, token, room, len(room), 0, False)
            parts.append(room.raw[:size])
        return b"".join(parts).decode("utf-8", errors="replace")

    def begin(self, tokens: Sequence[int], cuts: Sequence[int]) -> int:
        """Makes the context hold the first `cuts[-1]` of `tokens` and nothing else; gives how many it held already.

        What a batch gives depends on its length by rounding, so only whole batches of the same tokens are taken over
        from what was read before. So what is evaluated next is the same to the last bit, whatever was asked before.

        Args:
            tokens: the prompt.
            cuts: growing places in it at which a batch ends, at most `len(tokens) - 1`; see `held.batch_ends`.

        Raises:
            LLMError: when the sequence is longer than the context, or llama.cpp fails.
        """
        self._check_fits(tokens)
        ends = batch_ends(cuts)
        kept = self._held.shared_batches(tokens, ends)
        self._forget(kept)
        for end in ends:
            if end > kept:
                self._decode(tokens[len(self._held) : end], set())
        return kept

    def evaluate(self, tokens: Sequence[int], asks: Sequence[Ask]) -> tuple[tuple[float, ...], ...]:
        """See `CausalModel.evaluate`. The logits after the last token can then also be had by `best_next`.

        Raises:
            LLMError: when the sequence is longer than the context, or llama.cpp fails.
        """
        self._check_fits(tokens)
        start = min(self._held.shared(tokens), asks[0].after if asks else len(tokens) - 1, len(tokens) - 1)
        self._forget(start)
        rows: list[tuple[float, ...]] = []
        while start < len(tokens):
            end = min(start + BATCH_TOKENS, len(tokens))
            places = sorted({ask.after for ask in asks[len(rows) :] if ask.after < end})
            if len(places) >= BATCH_OUTPUTS:
                # One output is kept free for the last token of the batch, which always has one.
                end = places[BATCH_OUTPUTS - 2] + 1
            here = [ask for ask in asks[len(rows) :] if ask.after < end]
            self._decode(tokens[start:end], {ask.after - start for ask in here})
            for ask in here:
                row = self._c.llama_get_logits_ith(self._context, ask.after - start)
                rows.append(tuple(row[token] for token in ask.tokens))
            start = end
        return tuple(rows)

    def _check_fits(self, tokens: Sequence[int]) -> None:
        if len(tokens) > self.n_ctx:
            raise ContextOverflow(
                f"{len(tokens)} tokens do not fit into the context of {self.n_ctx}",
                fix="Use shorter windows or fewer examples, or set a larger context.",
            )

    def _forget(self, at: int) -> None:
        if at < len(self._held):
            if not self._c.llama_memory_seq_rm(self._memory, 0, at, -1):
                raise LLMError("llama.cpp cannot shorten this model's context")
            self._held.cut(at)

    def _decode(self, tokens: Sequence[int], wanted: set[int]) -> None:
        batch, at = self._batch, len(self._held)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = at + i
            batch.logits[i] = i in wanted
        batch.logits[len(tokens) - 1] = 1
        threads = self._threads.part
        self._c.llama_set_n_threads(self._context, threads, threads)
        status = self._c.llama_decode(self._context, batch)
        if status != 0:
            # A failed batch may have left a part of itself behind.
            self._c.llama_memory_clear(self._memory, True)
            self._held.cut(0)
            raise LLMError(f"llama.cpp gave up on a batch (status {status}): {self._api.complaint()}")
        self._held.add(tokens)
        self.evaluated += len(tokens)
        self.passes += 1

    def best_next(self) -> int:
        """The likeliest token after the last one evaluated."""
        return int(self._c.llama_sampler_sample(self._greedy, self._context, -1))

    def ends(self, token: int) -> bool:
        """True for a token that ends an answer."""
        return bool(self._c.llama_vocab_is_eog(self._vocab, token))
