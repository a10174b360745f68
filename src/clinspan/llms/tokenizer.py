"""The tokenizer of a model in Hugging Face's layout."""

from collections.abc import Sequence
from typing import Any

from clinspan.llms.chat import chat_prompt
from clinspan.messages import Message


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
