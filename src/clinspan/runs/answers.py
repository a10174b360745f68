"""Answers and failures by the content of their requests: in a run's ledger, and in the cache that runs share."""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from clinspan.errors import LLMError
from clinspan.messages import Completion, FinishReason
from clinspan.runs.database import Change, Database, Value

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
  key BLOB PRIMARY KEY,
  answer BLOB,             -- UTF-8; NULL where the request failed
  finish TEXT,
  mention_scores BLOB,     -- little-endian doubles
  constrained INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  seconds REAL NOT NULL,
  error TEXT,              -- the kind of the failure, with its words in the columns that follow
  what TEXT, place TEXT, expected TEXT, fix TEXT,
  paid INTEGER NOT NULL,   -- 0 where the answer came from the cache
  at REAL NOT NULL,        -- seconds since 1970
  attempts INTEGER NOT NULL,  -- how often the request was sent, in all
  -- of the attempts before the last:
  earlier_prompt_tokens INTEGER NOT NULL DEFAULT 0,
  earlier_cached_tokens INTEGER NOT NULL DEFAULT 0,
  earlier_completion_tokens INTEGER NOT NULL DEFAULT 0,
  again INTEGER NOT NULL DEFAULT 0  -- 1 where it is to be asked again
)
"""
_RESULT = (
    "answer, finish, mention_scores, constrained, prompt_tokens, completion_tokens, cached_tokens, seconds, "
    "error, what, place, expected, fix"
)
_PUT = f"""
INSERT INTO requests (key, {_RESULT}, paid, at, attempts) VALUES ({", ".join("?" * 17)})
ON CONFLICT (key) DO UPDATE SET
  earlier_prompt_tokens = earlier_prompt_tokens + paid * prompt_tokens,
  earlier_cached_tokens = earlier_cached_tokens + paid * cached_tokens,
  earlier_completion_tokens = earlier_completion_tokens + paid * completion_tokens,
  attempts = attempts + excluded.attempts, again = 0,
  {", ".join(f"{name} = excluded.{name}" for name in (*_RESULT.split(", "), "paid", "at"))}
"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that were paid for; `cached` are those of the prompt that the server had evaluated before."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt + other.prompt, self.completion + other.completion, self.cached + other.cached)

    @property
    def total(self) -> int:
        """Of prompts and answers together."""
        return self.prompt + self.completion

    @classmethod
    def of(cls, completion: Completion) -> "Tokens":
        """Those of one answer, as the LLM counted them."""
        return cls(completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens)


NOTHING = Tokens()


class Answers:
    """What is known of requests, by their keys; in a database that has the table of `SCHEMA`."""

    def __init__(self, database: Database):
        self._db = database

    def get(self, key: bytes) -> Completion | LLMError | None:
        """The last result of a request; None where there is none, or it is to be asked again."""
        rows = self._db.rows(f"SELECT {_RESULT} FROM requests WHERE key = ? AND again = 0", (key,))
        return _result(*rows[0]) if rows else None

    def wanted_again(self, key: bytes) -> bool:
        """Whether the request has a result that is not to be used."""
        return bool(self._db.rows("SELECT 1 FROM requests WHERE key = ? AND again = 1", (key,)))

    def put(self, key: bytes, result: Completion | LLMError, *, paid: bool = True) -> None:
        """Keeps a result, in place of an earlier one.

        Args:
            key: of the request.
            result: its answer or failure.
            paid: False for an answer that was known already.
        """
        self._db.write_all([change_of(key, result, paid=paid)])

    def keys(self) -> Iterator[bytes]:
        """Of all requests with a result."""
        last = b""
        # By pieces: a run can have millions.
        while rows := self._db.rows("SELECT key FROM requests WHERE key > ? ORDER BY key LIMIT 1000", (last,)):
            for (key,) in rows:
                last = cast(bytes, key)
                yield last

    def spent(self) -> Tokens:
        """Of all attempts."""
        sums = self._db.rows(
            "SELECT total(paid * prompt_tokens + earlier_prompt_tokens), "
            "total(paid * completion_tokens + earlier_completion_tokens), "
            "total(paid * cached_tokens + earlier_cached_tokens) FROM requests"
        )
        return Tokens(*(int(value or 0) for value in sums[0]))

    def __len__(self) -> int:
        (row,) = self._db.rows("SELECT count(*) FROM requests")
        return int(row[0] or 0)


def change_of(key: bytes, result: Completion | LLMError, *, paid: bool = True) -> Change:
    """The change of rows that `Answers.put` makes, to be made together with others."""
    return _PUT, (key, *_columns(result), int(paid), time.time(), result.attempts if paid else 0)


def _columns(result: Completion | LLMError) -> tuple[Value, ...]:
    if isinstance(result, LLMError):
        said = (type(result).__name__, _text(result.what), _text(result.where), _text(result.expected))
        return (None, None, None, 0, 0, 0, 0, 0.0, *said, _text(result.fix))
    scores = result.mention_scores
    return (
        # Servers send halves of surrogate pairs now and then; they must come back as they were.
        result.text.encode("utf-8", "surrogatepass"),
        result.finish.value,
        None if scores is None else struct.pack(f"<{len(scores)}d", *scores),
        int(result.constrained),
        result.prompt_tokens,
        result.completion_tokens,
        result.cached_tokens,
        result.seconds,
        *(None,) * 5,
    )


def _text(value: str | None) -> str | None:
    return None if value is None else value.encode("utf-8", "replace").decode()


def _result(
    answer: Any,
    finish: Any,
    scores: Any,
    constrained: Any,
    prompt: Any,
    completion: Any,
    cached: Any,
    seconds: Any,
    error: Any,
    what: Any,
    place: Any,
    expected: Any,
    fix: Any,
) -> Completion | LLMError:
    if answer is None:
        kinds = {kind.__name__: kind for kind in _kinds(LLMError)}
        # One that a later version has no name for any more is a failure all the same.
        return kinds.get(error, LLMError)(what, where=place, expected=expected, fix=fix)
    return Completion(
        text=answer.decode("utf-8", "surrogatepass"),
        finish=FinishReason(finish),
        mention_scores=None if scores is None else struct.unpack(f"<{len(scores) // 8}d", scores),
        constrained=bool(constrained),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        seconds=seconds,
    )


def _kinds(kind: type[LLMError]) -> Iterator[type[LLMError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
