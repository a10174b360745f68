"""Answers and failures by the content of their requests: in a run's ledger, and in the cache that all runs share."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from clinspan.errors import LLMError
from clinspan.files import Change, Closing, Database, Value, cache_folder
from clinspan.llms.base import LLM
from clinspan.messages import Completion, CopyConstraint, FinishReason, Request, dump_spans, load_spans

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
  key BLOB PRIMARY KEY,
  answer BLOB,             -- UTF-8; NULL where the request failed
  finish TEXT,
  spans TEXT,              -- JSON; NULL where the LLM names no places
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
    "answer, finish, spans, constrained, prompt_tokens, completion_tokens, cached_tokens, seconds, "
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
class TokenCounts:
    """Tokens that were paid for; `cached` are those of the prompt that the server had evaluated before."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def __add__(self, other: "TokenCounts") -> "TokenCounts":
        return TokenCounts(self.prompt + other.prompt, self.completion + other.completion, self.cached + other.cached)

    @property
    def total(self) -> int:
        """Of prompts and answers together."""
        return self.prompt + self.completion

    @classmethod
    def of(cls, completion: Completion) -> "TokenCounts":
        """Those of one answer, as the LLM counted them."""
        return cls(completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens)


NOTHING = TokenCounts()


class Answers:
    """What is known of requests, by their keys; in a database that has the table of `SCHEMA`."""

    def __init__(self, database: Database):
        self._db = database

    def get(self, key: bytes) -> Completion | LLMError | None:
        """The last result of a request; None where there is none, or it is to be asked again."""
        rows = self._db.rows(f"SELECT {_RESULT} FROM requests WHERE key = ? AND again = 0", (key,))
        return _result(rows[0]) if rows else None

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

    def spent(self) -> TokenCounts:
        """Of all attempts."""
        sums = self._db.rows(
            "SELECT total(paid * prompt_tokens + earlier_prompt_tokens), "
            "total(paid * completion_tokens + earlier_completion_tokens), "
            "total(paid * cached_tokens + earlier_cached_tokens) FROM requests"
        )
        return TokenCounts(*(int(value or 0) for value in sums[0]))

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
    return (
        # Servers send halves of surrogate pairs now and then; they must come back as they were.
        result.text.encode("utf-8", "surrogatepass"),
        result.finish.value,
        None if result.spans is None else json.dumps(dump_spans(result.spans)),
        int(result.constrained),
        result.prompt_tokens,
        result.completion_tokens,
        result.cached_tokens,
        result.seconds,
        *(None,) * 5,
    )


def _text(value: str | None) -> str | None:
    return None if value is None else value.encode("utf-8", "replace").decode()


def _result(row: Sequence[Any]) -> Completion | LLMError:
    answer, finish, spans, constrained, prompt, completion, cached, seconds, error, what, place, expected, fix = row
    if answer is None:
        return LLMError.of_kind(error, what, where=place, expected=expected, fix=fix)
    return Completion(
        text=answer.decode("utf-8", "surrogatepass"),
        finish=FinishReason(finish),
        spans=None if spans is None else load_spans(json.loads(spans)),
        constrained=bool(constrained),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        seconds=seconds,
    )


_KEY_VERSION = 1
"""Raised when what is hashed changes, so that an older answer is never taken for another question's."""


def content_key(llm: LLM, request: Request) -> bytes:
    """A hash of the model (name, weights, adapter, address), whether it keeps to constraints, and the whole request.

    Of 16 bytes: among a hundred million requests, the chance that any two share one is below 1e-22.
    """
    question = {
        "version": _KEY_VERSION,
        "model": llm.name,
        "constrains": llm.constrains,
        "messages": [(message.role, len(message.content)) for message in request.messages],
        "max_tokens": request.max_tokens,
        # Sent or not, each changes nothing for an LLM that does not heed it but the key.
        "constraint": _demands(request.constraint) if request.constraint is not None and llm.constrains else None,
        "json_schema": request.json_schema,
    }
    # ASCII keeps halves of surrogate pairs, which UTF-8 has no bytes for.
    told = json.dumps(question, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    key = hashlib.blake2b(told.encode("ascii"), digest_size=16)
    # The long texts are not put through JSON; their lengths above say where each ends.
    for message in request.messages:
        key.update(message.content.encode("utf-8", "surrogatepass"))
    return key.digest()


VARIABLE = "CLINSPAN_ANSWERS"
_CACHE_VERSION = 2


def cache_path() -> Path:
    """The file named by the environment variable CLINSPAN_ANSWERS, else one in clinspan's cache folder."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else cache_folder() / "answers" / "answers.sqlite"


class Cache(Answers, Closing):
    """Answers of all runs of this user; several processes may use it at once.

    Args:
        path: of the file; None for the user's.

    Raises:
        OutputError: when it cannot be used.
    """

    def __init__(self, path: Path | None = None):
        self.path = path or cache_path()
        fix = f"Go on without it with --no-cache, or delete {self.path}."
        self._database = Database(self.path, SCHEMA, version=_CACHE_VERSION, fix=fix)
        super().__init__(self._database)

    def forget(self, keys: Iterable[bytes]) -> int:
        """Deletes the answers to these requests, and gives how many there were; no byte of them stays in the file."""
        before = len(self)
        for key in keys:
            self._database.write("DELETE FROM requests WHERE key = ?", (key,))
        gone = before - len(self)
        self._database.shrink()
        return gone

    def clear(self) -> int:
        """Deletes all answers, and gives how many there were."""
        gone = len(self)
        self._database.write("DELETE FROM requests")
        self._database.shrink()
        return gone

    def close(self) -> None:
        """Puts all that was kept on disk.

        Raises:
            OutputError: when that cannot be done.
        """
        self._database.close()


def _demands(constraint: CopyConstraint) -> dict[str, object]:
    """The constraint as it is hashed: without what is not asked for, as in answers kept before."""
    demands = asdict(constraint)
    if constraint.consider is None:
        del demands["consider"]
    if not constraint.attributes:
        del demands["attributes"]
    return demands
