"""A text as the dictionary reads it: its short forms written out, cut into tokens with their normal forms."""

from dataclasses import dataclass
from typing import Self

from clinspan.dictionary.abbreviations import Abbreviation, Expansion, abbreviations, expand
from clinspan.dictionary.normalise import Tokens, tokenise
from clinspan.document import Span


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """Made once for a text that several things are looked for in.

    Attributes:
        text: as the document has it.
        defined: the abbreviations that it defines.
        expansion: the text written out.
        tokens: of the text written out.
    """

    text: str
    defined: tuple[Abbreviation, ...]
    expansion: Expansion
    tokens: Tokens

    @classmethod
    def of(cls, text: str) -> Self:
        """The text written out, by the abbreviations that it defines itself."""
        defined = abbreviations(text)
        expansion = expand(text, defined)
        return cls(text, defined, expansion, tokenise(expansion.text))

    def place(self, first: int, end: int) -> tuple[Span, bool] | None:
        """Where the tokens from number `first` to `end` stand in the text; see `Expansion.to_source`."""
        return self.expansion.to_source(self.tokens.starts[first], self.tokens.ends[end - 1])

    def surface(self, first: int, end: int) -> str:
        """These tokens as they are written out."""
        return self.expansion.text[self.tokens.starts[first] : self.tokens.ends[end - 1]]
