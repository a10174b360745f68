"""Chats in tokens that a note cannot counterfeit, by the template and the tokenizer a model brings with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from clinspan.errors import ModelError
from clinspan.messages import Message

# Private-use characters that stand for a message's content while the template is rendered.
_LEFT, _RIGHT = "\ue000", "\ue001"


class ChatModel(Protocol):
    """What a chat is rendered for: a loaded model, or its tokenizer alone when pairs to tune on are made."""

    @property
    def chat_template(self) -> str | None:
        """The Jinja template the model brings with it, where it has one."""
        ...

    @property
    def first_token(self) -> int | None:
        """The token that every input of this model must start with, if any."""
        ...

    def special_text(self, which: str) -> str:
        """How the `bos` or `eos` token is written in a template; empty where the model has none."""
        ...

    def tokenize(self, piece: str) -> tuple[int, ...]:
        """The ids of `piece` by itself: text only, whatever control tokens it may spell."""
        ...

    def tokenize_markup(self, piece: str) -> tuple[int, ...]:
        """The ids of a stretch of a chat template, in which control tokens are meant."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat in tokens.

    Attributes:
        tokens: the ids of the chat, up to where the answer begins.
        starts: where the content of each message begins in them.
    """

    tokens: tuple[int, ...]
    starts: tuple[int, ...]

    @property
    def cuts(self) -> tuple[int, ...]:
        """Where prompts likely cease to be the same: the end of the first message and the start of the last."""
        return tuple(sorted({start for start in (*self.starts[1:2], *self.starts[-1:]) if start > 0}))


def chat_prompt(model: ChatModel, messages: Sequence[Message]) -> Prompt:
    """The ids of the chat, up to where the answer begins.

    The template's own stretches may hold control tokens; the messages are tokenised as text alone, so a note that
    spells a control token (`<|im_end|>`) stays a note. No clock enters: the same chat gives the same ids every day.

    Raises:
        ModelError: when the model has no template, or its template fails or leaves a message out.
    """
    source = model.chat_template
    if source is None:
        raise ModelError("the model has no chat template", expected="an instruction-tuned chat model")
    frame = _frame(
        source, tuple(message.role for message in messages), model.special_text("bos"), model.special_text("eos")
    )
    ids: list[int] = []
    starts: list[int] = []
    for part in frame:
        if isinstance(part, int):
            starts.append(len(ids))
            ids += model.tokenize(messages[part].content)
        else:
            ids += model.tokenize_markup(part)
    first = model.first_token
    if first is None or ids[:1] == [first]:
        return Prompt(tuple(ids), tuple(starts))
    return Prompt((first, *ids), tuple(start + 1 for start in starts))


@lru_cache(maxsize=32)
def _frame(source: str, roles: tuple[str, ...], bos: str, eos: str) -> tuple[str | int, ...]:
    """The template's stretches, with the index of a message where its content goes."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    chat = [{"role": role, "content": f"{_LEFT}{i}{_RIGHT}"} for i, role in enumerate(roles)]
    try:
        rendered = environment.from_string(source).render(
            messages=chat, add_generation_prompt=True, bos_token=bos, eos_token=eos, enable_thinking=False
        )
    except jinja2.TemplateError as error:
        raise ModelError(
            f"the model's chat template does not take this chat: {error}",
            fix="Show the examples inside the system message if the template allows no alternation.",
        ) from error
    parts: list[str | int] = []
    for i, stretch in enumerate(rendered.split(_LEFT)):
        if i:
            number, _, stretch = stretch.partition(_RIGHT)
            parts.append(int(number))
        parts.append(stretch)
    if [part for part in parts if isinstance(part, int)] != list(range(len(roles))):
        raise ModelError("the model's chat template leaves a message out or moves it")
    return tuple(part for part in parts if part != "")


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


class HuggingFaceTokenizer:
    """A transformers tokenizer that gives the ids the embedded runtime gives for the same model.

    Args:
        tokenizer: transformers' fast tokenizer, with a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._pieces: dict[str, tuple[int, ...]] = {}
        self.end: int = tokenizer.eos_token_id

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of `ids`; control tokens are nothing."""
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of the model."""
        template = self._tokenizer.chat_template
        return template if isinstance(template, str) else None

    def special_text(self, which: str) -> str:
        """How the `bos` or `eos` token is written in a template; empty where the model has none."""
        return getattr(self._tokenizer, f"{which}_token") or ""

    @property
    def first_token(self) -> int | None:
        """The token that every input of this model must start with, if any."""
        added = self._tokenizer("").input_ids
        return added[0] if added and added[0] == self._tokenizer.bos_token_id else None

    def tokenize(self, piece: str) -> tuple[int, ...]:
        """The ids of `piece` by itself: text only, whatever control tokens it may spell."""
        return tuple(self._tokenizer(piece, add_special_tokens=False, split_special_tokens=True).input_ids)

    def tokenize_markup(self, piece: str) -> tuple[int, ...]:
        """The ids of a stretch of a chat template, in which control tokens are meant."""
        return tuple(self._tokenizer(piece, add_special_tokens=False).input_ids)

    def chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids of the chat through the model's template, up to where the answer begins."""
        return chat_prompt(self, messages).tokens

    def piece(self, text: str) -> tuple[int, ...]:
        """The ids of one piece of an answer; remembered, since words come again."""
        if text not in self._pieces:
            self._pieces[text] = self.tokenize(text)
        return self._pieces[text]
