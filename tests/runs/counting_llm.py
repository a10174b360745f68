"""An LLM that counts what it is asked, and answers by the request alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from clinspan.document import Span
from clinspan.errors import LLMError
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Message, Place, Request


@dataclass
class CountingLLM:
    """Answers each request with its last message in capitals; those that say `fail` with an error."""

    name: str = "counting"
    context: int | None = None
    constrains: bool = False
    traits: Traits = field(default_factory=Traits)
    ahead: int = 4
    seen: list[Request] = field(default_factory=list)
    tokens: tuple[int, int] = (10, 5)
    healed: bool = False

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        feed, held = iter(requests), []
        while True:
            while len(held) < self.ahead and (request := next(feed, None)) is not None:
                held.append(request)
            if not held:
                return
            request = held.pop(0)
            self.seen.append(request)
            yield self.answer(request)

    def answer(self, request: Request) -> Completion | LLMError:
        said = request.messages[-1].content
        if "fail" in said and not self.healed:
            return LLMError(f"HTTP 500: about {said}", where="http://127.0.0.1", fix="Wait.")
        return Completion(
            said.upper(),
            spans=(
                FoundSpan(Span(0, 1), "é\ud800", 0.1 + 0.2, {"assertion": "negated"}),
                FoundSpan(Span(0, 1), "b", 1e-300),
            ),
            prompt_tokens=self.tokens[0],
            completion_tokens=self.tokens[1],
            seconds=0.25,
        )

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def ask(text: str, document: str = "d", start: int = 0) -> Request:
    return Request((Message("user", text),), max_tokens=20, about=Place(document, Span(start, start + 1)))
