"""Answers on file: a recorder writes down what an LLM says, and a replay says it again without any LLM."""

import hashlib
import json
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from clinspan.errors import InputError, LLMError, OutputError
from clinspan.files import Closing
from clinspan.llms.base import LLM, Traits, Wrapper, asking, closing, estimate_tokens
from clinspan.messages import Completion, Request, dump_result, load_result

VERSION = 2


def request_key(request: Request) -> str:
    """What a request is known by in a recording: its messages and the shape of the answer, whichever LLM is asked."""
    question = [
        [[message.role, message.content] for message in request.messages],
        request.max_tokens,
        request.json_schema,
    ]
    return _digest(json.dumps(question, sort_keys=True))


def _digest(text: str) -> str:
    # A lone half of a surrogate pair has no UTF-8.
    return hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=12).hexdigest()


class Recorder(Wrapper, Closing):
    """Wraps an LLM and writes each answer to a file, which then holds text of the notes: only its owner may read it.

    Args:
        llm: is asked.
        path: the recording, a line of JSON for each answer; must not exist.

    Raises:
        OutputError: when the file exists or cannot be written.
    """

    def __init__(self, llm: LLM, path: Path):
        super().__init__(llm)
        self._path = path
        self._counted: set[str] = set()
        self._lock = Lock()
        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        except FileExistsError as error:
            raise OutputError("exists already", where=str(path), fix="Name another file to record to.") from error
        except OSError as error:
            raise OutputError(f"cannot be written ({error.strerror})", where=str(path)) from error
        self._write(
            {
                "recording": VERSION,
                "llm": llm.name,
                "context": llm.context,
                "constrains": llm.constrains,
                "traits": asdict(llm.traits),
            }
        )

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """See `LLM.complete`; each answer is on file before it is given."""
        asked: deque[Request] = deque()

        def noted() -> Generator[Request, None, None]:
            for request in requests:
                asked.append(request)
                yield request

        with asking(self.llm, noted()) as results:
            for result in results:
                self._write({"request": request_key(asked.popleft()), **dump_result(result)})
                yield result

    def count_tokens(self, text: str) -> int:
        """As the LLM counts them; the count is recorded, since windows depend on it."""
        tokens = self.llm.count_tokens(text)
        key = _digest(text)
        if key not in self._counted:
            self._counted.add(key)
            self._write({"text": key, "tokens": tokens})
        return tokens

    def close(self) -> None:
        """Closes the file and the LLM."""
        with closing(self.llm):
            self._file.close()

    def _write(self, line: dict[str, object]) -> None:
        try:
            with self._lock:
                self._file.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise OutputError(f"cannot be written ({error.strerror})", where=str(self._path)) from error


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """A replay has no settings."""


class ReplayLLM(Closing):
    """Gives the answers of a recording; a request that is not in it fails.

    Args:
        path: made by a `Recorder`.
        settings: none.

    Raises:
        InputError: when the file cannot be read as a recording.
    """

    def __init__(self, path: str | Path, settings: ReplaySettings = ReplaySettings()):
        del settings
        self._path = Path(path)
        self._at: dict[str, int] = {}
        self._tokens: dict[str, int] = {}
        self._lock = Lock()
        try:
            self._file: BinaryIO = self._path.open("rb")
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
        self._content = hashlib.blake2b(digest_size=6)
        head = self._index()
        self.name = f"replay:{head['llm']}#{self._content.hexdigest()}"
        self.context: int | None = head["context"]
        self.constrains: bool = head["constrains"]
        self.traits = replace(Traits(**head["traits"]), kind="replayed", threads=None)

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """See `LLM.complete`."""
        for request in requests:
            yield self._answer(request_key(request))

    def count_tokens(self, text: str) -> int:
        """As it was recorded, else an upper estimate."""
        known = self._tokens.get(_digest(text))
        return estimate_tokens(text) if known is None else known

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _index(self) -> dict[str, Any]:
        """Where each answer lies in the file; gives its first line."""
        head: dict[str, Any] | None = None
        at = 0
        for number, raw in enumerate(self._file, start=1):
            try:
                line = json.loads(raw)
                if head is None:
                    if line["recording"] != VERSION:
                        break
                    head = {name: line[name] for name in ("llm", "context", "constrains", "traits")}
                    Traits(**head["traits"])
                elif "text" in line:
                    self._tokens[line["text"]] = int(line["tokens"])
                else:
                    load_result(line)
                    self._at[line["request"]] = at
            except (ValueError, KeyError, TypeError) as error:
                # The last line may be half written, by a run that was killed.
                if head is not None and not raw.endswith(b"\n"):
                    break
                self._file.close()
                raise InputError(
                    "is not a line of a recording",
                    where=f"{self._path}, line {number}",
                    expected="a file made by --record",
                ) from error
            self._content.update(raw)
            at += len(raw)
        if head is None:
            self._file.close()
            raise InputError("is not a recording", where=str(self._path), expected="a file made by --record")
        return head

    def _answer(self, key: str) -> Completion | LLMError:
        if key not in self._at:
            return LLMError(
                "the recording has no answer to this request",
                where=str(self._path),
                fix="Tag the same notes with the same options as when it was made.",
            )
        with self._lock:
            self._file.seek(self._at[key])
            return load_result(json.loads(self._file.readline()))
