"""One tree of exceptions: each says what is wrong, where, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

from clinspan.extras import how_to_install


class ClinspanError(Exception):
    """Base of every error clinspan raises on purpose.

    Args:
        what: the fault in one clause.
        where: file, line, section or address the fault lies in.
        expected: what would have been right.
        fix: what the user can do about it.
    """

    exit_status = 2

    def __init__(self, what: str, *, where: str | None = None, expected: str | None = None, fix: str | None = None):
        self.what = what
        self.where = where
        self.expected = expected
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            text += f"; expected {self.expected}"
        if self.fix:
            text += f". {self.fix}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross process borders.
        return (_rebuild, (type(self), self.what, self.where, self.expected, self.fix), self.__dict__)


def _rebuild(
    kind: type[ClinspanError], what: str, where: str | None, expected: str | None, fix: str | None
) -> ClinspanError:
    return kind(what, where=where, expected=expected, fix=fix)


class InputError(ClinspanError):
    """A file or record given by the user cannot be read as what it was said to be."""


class LabelError(ClinspanError):
    """A label set is wrong, or a label outside it was named."""


class ConfigError(ClinspanError):
    """A setting has a value it cannot have."""


class MissingExtra(ClinspanError):
    """An optional part of clinspan is not installed."""

    def __init__(self, package: str | tuple[str, ...], extra: str, *, purpose: str):
        if isinstance(package, tuple) and len(package) > 1:
            missing = f"the packages {', '.join(package[:-1])} and {package[-1]}, which are not installed"
        else:
            missing = f"the package {(package if isinstance(package, str) else package[0])!r}, which is not installed"
        super().__init__(
            f"{purpose} needs {missing}",
            fix=how_to_install(extra),
        )
        self.package = package
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_missing, (self.package, self.extra, self.purpose))


def _rebuild_missing(package: str | tuple[str, ...], extra: str, purpose: str) -> MissingExtra:
    return MissingExtra(package, extra, purpose=purpose)


class ModelError(ClinspanError):
    """A model is missing, damaged, or cannot do what was asked of it."""


class DictionaryError(ClinspanError):
    """A dictionary or one of its sources cannot be read or built."""


class LLMError(ClinspanError):
    """An LLM did not answer a request; the window it was for ends in the state `failed`.

    Attributes:
        attempts: how often the request was sent.
    """

    attempts = 1

    @classmethod
    def of_kind(cls, kind: str, what: str, **said: str | None) -> "LLMError":
        """The error whose class has the name `kind`; a plain one where no class has."""
        kinds = [cls]
        for known in kinds:
            kinds += known.__subclasses__()
        return next((known for known in kinds if known.__name__ == kind), cls)(what, **said)


class ContextOverflow(LLMError):
    """A request and its answer do not fit into the model's context; its window is split and asked about again."""


class BudgetError(LLMError):
    """A request was not made, since the budget is spent; its window ends in the state `over-budget`."""


class ClusterError(ClinspanError):
    """A cluster cannot be reached, or broke down."""


class PrivacyError(ClinspanError):
    """Notes would leave this machine without the user's word."""


class OutputError(ClinspanError):
    """A result cannot be written."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The nearest of `choices` to `name` as a sentence, else the list of them all."""
    known = sorted(choices)
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
