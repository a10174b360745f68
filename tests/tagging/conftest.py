"""A scripted LLM for what only a script can show: faults, odd answers, exact prompts."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from clinspan.errors import LLMError
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, Request

Answer = Callable[[str], Completion | LLMError | str]


class ScriptedLLM:
    """Answers each request by a function of the window's text, and keeps the requests."""

    name = "scripted"
    context = None
    constrains = False
    traits = Traits()

    def __init__(self, answer: Answer):
        self.answer = answer
        self.requests: list[Request] = []

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        for request in requests:
            self.requests.append(request)
            said = self.answer(request.messages[-1].content.split("Text:\n", 1)[-1])
            yield Completion(said) if isinstance(said, str) else said

    def count_tokens(self, text: str) -> int:
        return len(text.split())


@pytest.fixture(scope="session")
def scripted() -> type[ScriptedLLM]:
    return ScriptedLLM


@pytest.fixture(scope="session")
def labels() -> LabelSet:
    return LabelSet(
        "drugs",
        (
            Label("drug", "A medicine.", semantic_types=("Pharmacologic Substance",)),
            Label("problem", "A health problem.", semantic_types=("Disease or Syndrome",)),
        ),
    )
