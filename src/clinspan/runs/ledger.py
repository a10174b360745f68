"""A run's ledger: what became of every window, and every request that was made for it.

And what a run may spend, in tokens and in money, by prices that the user gives.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import regex

from clinspan.document import READ_STATES, Document, WindowState
from clinspan.errors import ConfigError, LLMError, did_you_mean
from clinspan.files import Change, Closing, Database, read_toml
from clinspan.messages import Completion, Place
from clinspan.runs.answers import NOTHING, SCHEMA, Answers, TokenCounts, change_of

_MILLION = 1_000_000
_KEYS = ("input", "output", "cached_input")


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost, per million.

    Attributes:
        input: of prompts.
        output: of answers.
        cached_input: of the part of a prompt that the server had evaluated before; None where it costs the same.
        currency: what the figures are in, as the user calls it.
    """

    input: float
    output: float
    cached_input: float | None = None
    currency: str = ""

    def __post_init__(self) -> None:
        for name in _KEYS:
            value = getattr(self, name)
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise ConfigError(f"{name} is {value}", expected="a price per million tokens, 0 or more")

    def of(self, tokens: TokenCounts) -> float:
        """The cost of these tokens."""
        cached = min(tokens.cached, tokens.prompt)
        reused = self.input if self.cached_input is None else self.cached_input
        return ((tokens.prompt - cached) * self.input + cached * reused + tokens.completion * self.output) / _MILLION

    def show(self, cost: float) -> str:
        """An amount, to three figures where it is small."""
        return f"{cost:,.2f} {self.currency}".strip() if cost >= 10 else f"{cost:.3g} {self.currency}".strip()


def read_prices(path: Path) -> Mapping[str, Price]:
    """The prices of a TOML file, by the model's name; `*` in a name stands for anything.

        currency = "USD"
        [models."gpt-4o-mini*"]
        input = 0.15
        output = 0.60
        cached_input = 0.075

    Raises:
        ConfigError: naming file and key, when it cannot be read as that.
    """
    _, data = read_toml(path)
    models = data.get("models")
    if not isinstance(models, dict) or not models:
        raise ConfigError("names no models", where=str(path), expected='[models."NAME"] with input and output')
    currency = data.get("currency", "")
    if not isinstance(currency, str):
        raise ConfigError(f"currency is {currency!r}", where=str(path), expected='a name such as "USD"')
    return {name: _price(entry, currency, f"{path}, models.{name}") for name, entry in models.items()}


def _price(entry: Any, currency: str, where: str) -> Price:
    if not isinstance(entry, dict):
        raise ConfigError("is not a table", where=where, expected="input and output")
    for key in entry:
        if key not in _KEYS:
            raise ConfigError(f"unknown key {key!r}", where=where, fix=did_you_mean(key, _KEYS))
    for key in ("input", "output"):
        if key not in entry:
            raise ConfigError(f"{key} is missing", where=where, expected="a price per million tokens")
    for key, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{key} is {value!r}", where=where, expected="a price per million tokens")
    try:
        return Price(**entry, currency=currency)
    except ConfigError as error:
        raise ConfigError(error.what, where=where, expected=error.expected) from None


def price_of(prices: Mapping[str, Price], model: str) -> Price | None:
    """The price of the LLM of that name (`KIND:MODEL@ADDRESS`), found by whole name or model; the first that fits."""
    bare = model.partition(":")[2].partition("@")[0]
    for pattern, price in prices.items():
        if fnmatchcase(model, pattern) or fnmatchcase(bare, pattern):
            return price
    return None


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a run may spend over all its sessions; None for no limit.

    Raises:
        ConfigError: when a limit is none, or one of money comes without a price.
    """

    tokens: int | None = None
    cost: float | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 0:
            raise ConfigError(f"a budget of {self.tokens} tokens", expected="0 or more")
        if self.cost is not None and not (self.cost >= 0 and math.isfinite(self.cost)):
            raise ConfigError(f"a budget of {self.cost}", expected="an amount, 0 or more")
        if self.cost is not None and self.price is None:
            raise ConfigError(
                "a limit on cost needs the model's price", fix="Name a table of prices with --prices FILE.toml."
            )

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.tokens is not None or self.cost is not None

    def hold(self, tokens: TokenCounts) -> bool:
        """Whether so much may be spent."""
        if self.tokens is not None and tokens.total > self.tokens:
            return False
        return self.cost is None or self.price is None or self.price.of(tokens) <= self.cost

    def __str__(self) -> str:
        parts = [f"{self.tokens:,} tokens"] if self.tokens is not None else []
        if self.cost is not None and self.price is not None:
            parts.append(self.price.show(self.cost))
        return " and ".join(parts)


NO_LIMITS = Limits()


class Budget:
    """Lets requests through as long as what they can take at most is within the limits.

    What is under way is held back at its most, so that the limits are kept whatever comes; as answers come, what they
    did not take is given back. The first request that does not fit while nothing is under way ends it for good: those
    after it would be a choice of the short ones.

    Args:
        limits: for all sessions of a run together.
        spent: in earlier sessions.
    """

    def __init__(self, limits: Limits, spent: TokenCounts = NOTHING):
        self.limits = limits
        self.spent = spent
        self.exhausted = False
        self._held = NOTHING

    def admit(self, most: TokenCounts, *, alone: bool) -> bool:
        """Whether a request may be made; if so, what it can take is held back for it.

        Args:
            most: that it can take.
            alone: nothing is under way whose end could make room, so that a request which does not fit is the end.
        """
        if self.exhausted:
            return False
        if self.limits.hold(self.spent + self._held + most):
            self._held += most
            return True
        self.exhausted = alone
        return False

    def settle(self, most: TokenCounts, taken: TokenCounts) -> None:
        """Counts what a request took, and gives back what was held back for it."""
        self._held = TokenCounts(self._held.prompt - most.prompt, self._held.completion - most.completion)
        self.spent += taken


_VERSION = 2
_NUMBER = regex.compile(r"\d+(?:[.,]\d+)*")
_SCHEMA = f"""
{SCHEMA};
CREATE TABLE IF NOT EXISTS windows (
  number INTEGER NOT NULL,  -- of the document among the run's documents, from 0
  document TEXT NOT NULL,   -- its id
  start INTEGER NOT NULL, end INTEGER NOT NULL,
  state TEXT NOT NULL,
  asked INTEGER NOT NULL,   -- 0 where no entity was possible, so that no LLM was asked
  detail TEXT,
  PRIMARY KEY (number, start)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
  document TEXT NOT NULL, start INTEGER NOT NULL,
  key BLOB NOT NULL,        -- of a request about the window that begins there
  PRIMARY KEY (document, start, key)
) WITHOUT ROWID
"""
_READ = ", ".join(f"'{state.value}'" for state in sorted(READ_STATES))
_REQUESTS_OF = """
SELECT asked.key FROM asked JOIN windows
ON asked.document = windows.document AND asked.start >= windows.start AND asked.start < windows.end
"""


class Ledger(Closing):
    """One SQLite file, for one process at a time.

    Args:
        path: the file; it is made where it is not there.

    Raises:
        OutputError: when it cannot be used.
    """

    def __init__(self, path: Path):
        self._db = Database(path, _SCHEMA, version=_VERSION, fix="Begin another run: --run with another folder.")
        self.answers = Answers(self._db)
        (last,) = self._db.rows("SELECT max(number) FROM windows")
        self._before = int(last[0]) + 1 if last[0] is not None else 0
        """Documents whose windows an earlier session noted."""

    def ask(self, place: Place | None, key: bytes) -> None:
        """Notes that a request is about a window."""
        self._db.write_all(_asked(place, key))

    def keep(self, place: Place | None, key: bytes, result: Completion | LLMError) -> None:
        """Notes the result of a request that was made, and which window it is about."""
        self._db.write_all([*_asked(place, key), change_of(key, result)])

    def finish(self, number: int, document: Document) -> None:
        """Notes the states of a document's windows, in place of those that it had."""
        id = _storable(document.id)
        rows: list[Change] = []
        if number < self._before:
            rows.append(("DELETE FROM windows WHERE number = ?", (number,)))
        for window in document.windows:
            detail = None if window.detail is None else _storable(window.detail)
            span = window.span
            row = (number, id, span.start, span.end, window.state.value, int(window.asked), detail)
            rows.append(("INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?)", row))
        self._db.write_all(rows)

    def end(self, documents: int) -> None:
        """Records the number of documents and deletes what an earlier pass said of later ones."""
        self._db.write("DELETE FROM windows WHERE number >= ?", (documents,))
        self._db.commit()

    def ask_again(self) -> int:
        """Marks what was asked about windows that were not read, to be asked again.

        Returns:
            How many windows those are.
        """
        self._db.write(
            f"UPDATE requests SET again = 1 WHERE error IS NOT NULL OR key IN ({_REQUESTS_OF} "
            f"WHERE windows.state NOT IN ({_READ}))"
        )
        self._db.commit()
        (row,) = self._db.rows(f"SELECT count(*) FROM windows WHERE state NOT IN ({_READ})")
        return int(row[0] or 0)

    def states(self) -> Mapping[WindowState, int]:
        """How many windows are in each state."""
        found = self._db.rows("SELECT state, count(*) FROM windows GROUP BY state")
        return {WindowState(str(state)): int(count or 0) for state, count in found}

    def documents(self) -> int:
        """How many documents have their windows noted."""
        (row,) = self._db.rows("SELECT count(DISTINCT number) FROM windows")
        return int(row[0] or 0)

    def requests(self) -> Mapping[str, int]:
        """How many requests were `answered`, `known` from the cache, `failed`, and how often they were sent in all."""
        (row,) = self._db.rows(
            "SELECT total(paid AND error IS NULL), total(NOT paid), total(error IS NOT NULL), total(attempts) "
            "FROM requests"
        )
        return dict(zip(("answered", "known", "failed", "attempts"), (int(n or 0) for n in row), strict=True))

    def failures(self) -> Counter[str]:
        """Why windows were not read: how many for each reason, without what differs from one to the next."""
        said: Counter[str] = Counter()
        for what, count in self._db.rows("SELECT what, count(*) FROM requests WHERE error IS NOT NULL GROUP BY what"):
            said[f"failed: {reason(str(what))}"] += int(count or 0)
        others = f"SELECT state, detail, count(*) FROM windows WHERE state NOT IN ({_READ}, 'failed') GROUP BY 1, 2"
        for state, detail, count in self._db.rows(others):
            said[f"{state!s}: {reason(str(detail or 'no reason given'))}"] += int(count or 0)
        return said

    def spent(self) -> TokenCounts:
        """Tokens of all attempts."""
        return self.answers.spent()

    def close(self) -> None:
        """Puts all that was noted on disk.

        Raises:
            OutputError: when that cannot be done.
        """
        self._db.close()


def reason(said: str) -> str:
    """The kind of a failure: its first clause, without numbers but a status, and so without a server's own words."""
    clause = said.partition(":")[0]
    return clause if clause.startswith("HTTP ") else _NUMBER.sub("N", clause)


def _asked(place: Place | None, key: bytes) -> list[Change]:
    if place is None:
        return []
    return [("INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", (_storable(place.document), place.core.start, key))]


def _storable(text: str) -> str:
    """SQLite keeps text as UTF-8, which has no halves of surrogate pairs."""
    return text.encode("utf-8", "backslashreplace").decode()
