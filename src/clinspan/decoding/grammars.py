r"""Grammars for servers: the answer is the window's text with brackets put in, and nothing else.

For each word there are two rules: one for the answer outside a mention before that word, one inside. A rule copies its
word and goes on to the next rule, or puts a bracket and changes to the other kind; so the grammar's length is linear in
the text's. What a grammar cannot say is a preference: biases and the `prefer` mode are for the embedded LLM alone.

llama.cpp calls the notation GBNF. What vLLM's structured outputs take through xgrammar is called EBNF there and is the
same notation, of which both understand all that is used here.
"""

from collections.abc import Iterator, Sequence

from clinspan.decoding.plan import Word, candidate_ends, ends_paragraph, window_words
from clinspan.formats.tanl_marks import BAR, CLOSE, closing, escape, opening
from clinspan.messages import CopyConstraint

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def answer_grammar(constraint: CopyConstraint) -> str:
    """The grammar of every TANL answer that copies the constraint's text, in GBNF; one rule a line.

    Mentions lie between words, do not nest, and close before a blank line. In the `only` mode they open at candidates
    and close at their ends with their labels. A mention's length is not limited otherwise, since counting words would
    take a rule for every pair of places. A lone surrogate is demanded as U+FFFD, since no answer can hold it.

    Raises:
        ConfigError: when the constraint has no label, or a candidate that cannot be bracketed.
    """
    return "".join(f"{name} ::= {' | '.join(ways)}\n" for name, ways in _rules(constraint))


Rule = tuple[str, list[str]]


def _rules(constraint: CopyConstraint) -> Iterator[Rule]:
    found, rest = window_words(constraint)
    yield "root", ["o0"]
    for i, label in enumerate(constraint.labels):
        for j, asked in enumerate(constraint.attributes.get(label, ())):
            yield f"v{i}-{j}", ['""', *(quote(f" {BAR} {escape(form)}") for _, form in asked.values)]
    if constraint.candidate_mode == "only":
        yield from _at_candidates(constraint, found)
    else:
        yield from _anywhere(constraint, found)
    yield f"o{len(found)}", [quote(rest)]


def _anywhere(constraint: CopyConstraint, found: Sequence[Word]) -> Iterator[Rule]:
    yield "l", [_closing(constraint, label) for label in constraint.labels]
    for i, word in enumerate(found):
        yield f"o{i}", [f"{_copy(word)} o{i + 1}", f"{_open(word)} i{i + 1}"]
    for i in range(1, len(found) + 1):
        ways = [f"l o{i}"]
        if i < len(found) and not ends_paragraph(found[i].gap):
            ways.append(f"{_copy(found[i])} i{i + 1}")
        yield f"i{i}", ways


def _at_candidates(constraint: CopyConstraint, found: Sequence[Word]) -> Iterator[Rule]:
    for i, (word, ends) in enumerate(zip(found, candidate_ends(constraint, found), strict=True)):
        ways = [f"{_copy(word)} o{i + 1}"]
        if ends:
            ways.append(f"{_open(word)} c{i}-{i + 1}")
        yield f"o{i}", ways
        last = max(ends, default=i)
        for at in range(i + 1, last + 1):
            inside = [f"{_closing(constraint, label)} o{at}" for label in ends.get(at, ())]
            if at < last:
                inside.append(f"{_copy(found[at])} c{i}-{at + 1}")
            yield f"c{i}-{at}", inside


def _closing(constraint: CopyConstraint, label: str) -> str:
    """What closes a mention of `label`; each attribute that is asked for may be left out."""
    attributes = constraint.attributes.get(label, ())
    if not attributes:
        return quote(closing(label))
    number = constraint.labels.index(label)
    values = " ".join(f"v{number}-{j}" for j in range(len(attributes)))
    return f"{quote(f' {BAR} {escape(label)}')} {values} {quote(f' {CLOSE}')}"


def _copy(word: Word) -> str:
    return quote(word.gap + word.written)


def _open(word: Word) -> str:
    return quote(word.gap + opening() + word.written)


def quote(text: str) -> str:
    """`text` as a literal of the grammar."""
    return '"' + "".join(map(_literal, text)) + '"'


def _literal(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if "\ud800" <= character <= "\udfff":
        return "\\ufffd"
    # Line separators and control characters would end a line of the grammar or vanish from it.
    return character if character.isprintable() or ord(character) > 0xFFFF else f"\\u{ord(character):04x}"
