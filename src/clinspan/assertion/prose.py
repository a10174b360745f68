"""Scopes of negation in research prose: from a cue to its clause's end, and with a passive from its subject on.

Source of the convention: Vincze et al. 2008, "The BioScope corpus: biomedical texts annotated for uncertainty, negation
and their scopes". A subject of an active verb stays outside. Notes say less with a negation, and are not read so:
`is_prose` tells which a text is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from clinspan.assertion.clauses import Clauses, words_of

_WORD = regex.compile(r"[a-z]+(?:['/][a-z]+)*")
_ONLY = frozenset({"only", "surprisingly", "unexpectedly"})
_ONLY_BUT = frozenset({"just", "merely", "solely", "simply"})
"""Take a "not" back where "but" follows."""
_NO_DENIAL = frozenset({".", "doubt", "matter", "less", "later"})
_ALL = frozenset({"all", "every", "each", "any", "one"})
_FAILS = frozenset({"fail", "fails", "failed", "failing"})
_LACKS = frozenset({"lack", "lacks", "lacked"})
_OF = frozenset({"lack", "absence", "devoid", "inability", "failure"})
_CUES = frozenset(
    {"not", "never", "cannot", "no", "none", "nothing", "neither", "nor", "without", "instead", "rather", "negative"}
    | {"except", "exception", "lacking", "absent", "unable", "incapable", "impossible", *_FAILS, *_LACKS, *_OF}
)
_PATIENT = 2
_PRONOUNS = ("that", "which", "who")
_JOINED = 6
"""Words at most between a relative pronoun and the second of two verbs that it is the subject of."""
_WAITING = frozenset(
    {"while", "although", "though", "because", "since", "when", "if", "as", "after", "once", "whereas"}
)
_PURPOSE = frozenset({"investigate", "determine", "study", "examine", "test", "assess", "identify", "ask", "analyze"})
_IN_FRONT = frozenset({"without", "absence", "instead", "exception", "rather", "lack"})


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a sentence that a negation holds, by its tokens: `first` up to but without `end`.

    Attributes:
        cue: the first token of the cue.
    """

    first: int
    end: int
    cue: int


def is_prose(text: str, language: str = "en") -> bool:
    """Whether a text is research prose, by the words in it that research or notes alone have; no other than English."""
    if language != "en":
        return False
    sets = words_of("signs")
    words = set(_WORD.findall(text.lower()))
    stems, endings = tuple(sets["stems"]), tuple(sets["endings"])
    found = [word for word in words if word in sets["research"] or word.startswith(stems) or word.endswith(endings)]
    return len(found) > len(words & sets["notes"]) + _PATIENT * ("patient" in words)


def scopes(words: Sequence[str]) -> Iterator[Scope]:
    """The scopes of negation of a sentence.

    Args:
        words: and marks of the sentence, in lower case, as `lexicon.tokens` cuts them.
    """
    if _CUES.isdisjoint(words) and not any(word.endswith("n't") for word in words):
        return
    clauses = Clauses(words)
    for at, word in enumerate(words):
        if word in ("not", "never", "cannot") or word.endswith("n't"):
            found = _not(clauses, at)
        elif word in ("no", "none", "nothing", "neither", "nor"):
            found = _no(clauses, at)
        else:
            found = _other(clauses, at)
        if found is not None:
            yield found


def _not(clauses: Clauses, at: int) -> Scope | None:
    """The scope of "not", at a verb or before what is left out."""
    word = clauses.word
    only = word(at + 1) in _ONLY or (word(at + 1) in _ONLY_BUT and "but" in clauses.words[at:])
    if only or word(at - 1) in ("or", "if"):
        return None
    if word(at + 1) in _ALL and not clauses.is_in(at - 1, "auxiliary"):
        return Scope(at, clauses.end(at + 2, verbs=1), at)
    own = word(at) not in ("not", "never")
    verb = at if own else clauses.after_adverbs(at - 1, -1)
    if own or clauses.is_in(verb, "auxiliary") or clauses.is_in(verb, "be"):
        return _at_verb(clauses, at, verb)
    if word(at) == "never":
        return Scope(at, clauses.end(clauses.after_adverbs(at + 1) + 1, inner=_relative(clauses, at)), at)
    if word(at + 1) == "to":
        return Scope(at, clauses.end(at + 3), at)
    return Scope(at, clauses.end(at + 1, inner=True, front=True), at)


def _at_verb(clauses: Clauses, at: int, verb: int) -> Scope:
    """The scope of a negation at an auxiliary: a passive, or a verb that only seems, takes its subject in."""
    ends = clauses.is_in(at + 2, "after_comma") or clauses.is_in(at + 2, "hard")
    if clauses.word(at + 1) in (";", ".") or (clauses.word(at + 1) == "," and ends):
        return Scope(at, at + 1, at)  # the verb is left out: "A binds it, B does not, …"
    after = clauses.after_adverbs(clauses.after_aside(at + 1))
    while clauses.word(after) in ("be", "been", "being", "have"):
        after = clauses.after_adverbs(after + 1)
    passive = clauses.participle(after) and (
        clauses.is_in(verb, "be") or any(word in ("be", "been") for word in clauses.words[at + 1 : after])
    )
    relative = _relative(clauses, verb)
    front = _subordinate(clauses, verb) or (relative and _apart(clauses, verb))
    end = clauses.end(min(after + 1, len(clauses.words)), inner=relative, front=front)
    joined = clauses.word(clauses.after_adverbs(verb - 1, -1)) in ("and", "or", "but")
    if (passive or clauses.is_in(after, "raising")) and not joined:
        return Scope(clauses.subject_start(verb), end, at)
    return Scope(at, end, at)


def _subject(clauses: Clauses, verb: int) -> int:
    """Where the word before a verb stands, or before the verbs that it is joined to: "which binds X but does not"."""
    at = clauses.after_adverbs(verb - 1, -1)
    if clauses.word(at) in ("and", "or", "but"):
        for place in range(at - 1, max(-1, at - 1 - _JOINED), -1):
            if clauses.word(place) in _PRONOUNS:
                return place
            if clauses.word(place) in (",", ";"):
                break
    return at


def _relative(clauses: Clauses, verb: int) -> bool:
    """Whether a verb's subject is "which" or "that"."""
    return clauses.word(_subject(clauses, verb)) in _PRONOUNS


def _apart(clauses: Clauses, verb: int) -> bool:
    """Whether a relative clause stands between commas."""
    return clauses.word(_subject(clauses, verb) - 1) == ","


def _subordinate(clauses: Clauses, at: int) -> bool:
    """Whether a place lies in a clause that opens the sentence and waits for another: "Although it did not, …"."""
    return clauses.word(0) in _WAITING and "," not in clauses.words[:at]


def _no(clauses: Clauses, at: int) -> Scope | None:
    """The scope of "no" and its kin: as a subject they take the verb in."""
    word = clauses.word
    if word(at) == "no":
        if word(at + 1) in _NO_DENIAL or (word(at + 1) == "more" and word(at + 2) == "than"):
            return None
        if word(at + 1) == "longer":
            before = clauses.after_adverbs(at - 1, -1)
            if clauses.is_in(before, "auxiliary"):
                return _at_verb(clauses, at + 1, before)
            return Scope(at, clauses.end(at + 3, inner=_relative(clauses, at)), at)
    if word(at) == "nor" and "neither" in clauses.words[:at]:
        return None
    start = at + 1
    if word(at) == "neither":
        nor = next((place for place in range(at + 1, len(clauses.words)) if word(place) in ("nor", ";")), at)
        start = nor + 1 if word(nor) == "nor" else start
        before = clauses.after_adverbs(at - 1, -1)
        if clauses.is_in(before, "be") and clauses.participle(at + 1):
            return Scope(clauses.subject_start(before), clauses.end(start), at)
    subject = not _has_verb(clauses, at) and not (word(at - 1) == "but" and _has_verb(clauses, at - 1))
    inverted = word(at) == "nor" and clauses.is_in(at + 1, "auxiliary")
    relative = not subject and _aside(clauses, at)
    return Scope(at, clauses.end(start, verbs=int(subject or inverted), front=relative), at)


def _aside(clauses: Clauses, at: int) -> bool:
    """Whether a place lies in a relative clause that a comma opens."""
    comma = next((place for place in range(at - 1, -1, -1) if clauses.word(place) == ","), -1)
    return comma >= 0 and clauses.word(comma + 1) in ("which", "who", "whose")


def _has_verb(clauses: Clauses, at: int) -> bool:
    """Whether the clause has a finite verb before a place."""
    for place in range(at - 1, -1, -1):
        if clauses.word(place) in (",", "that", "which", "who") or clauses.is_in(place, "hard"):
            return False
        if clauses.finite(place):
            return True
    return False


def _other(clauses: Clauses, at: int) -> Scope | None:
    """The scope of a cue that is a noun, a preposition, an adjective or a verb of its own."""
    word = clauses.word(at)
    after = clauses.word(at + 1)
    if word in _FAILS and after == "to":
        relative = _relative(clauses, at)
        return Scope(at, clauses.end(at + 3, inner=relative, front=relative and _apart(clauses, at)), at)
    if word == "except" and after not in ("that", "when", "as"):
        return _phrase(clauses, at)
    if word == "without" or (word in _OF and after == "of") or (word in ("failure", "inability") and after == "to"):
        return _phrase(clauses, at)
    if (word, after) in (("instead", "of"), ("rather", "than"), ("negative", "for"), ("exception", "of")):
        return _phrase(clauses, at)
    noun = clauses.is_in(at - 1, "determiners") or clauses.is_in(at - 1, "prepositions") or after == "of"
    if word in _LACKS and (word != "lack" or not noun):
        return Scope(at, clauses.end(at + 1, inner=_relative(clauses, at)), at)
    if word in ("lacking", "absent"):
        before = clauses.after_adverbs(at - 1, -1)
        if clauses.is_in(before, "be") and (word == "absent" or not clauses.is_in(at + 1, "determiners")):
            verb = before - 1 if clauses.word(before) in ("be", "been") else before
            return Scope(clauses.subject_start(verb), clauses.end(at + 1), at)
        return _phrase(clauses, at) if word == "lacking" else Scope(at, clauses.end(at + 1, inner=True), at)
    if word in ("unable", "incapable", "impossible"):
        return Scope(at, clauses.end(at + 3, front=_subordinate(clauses, at)), at)
    return None


def _phrase(clauses: Clauses, at: int) -> Scope:
    """The scope of a cue with its noun phrase, which ends where another clause's verb comes."""
    verb_before = _has_verb(clauses, at)
    in_front = clauses.word(at) in _IN_FRONT and not verb_before
    end = clauses.end(at + 2, inner=not verb_before, front=in_front)
    ends = (place for place in range(at + 2, end - 1) if _leaves(clauses, place))
    return Scope(at, next(ends, end), at)


def _leaves(clauses: Clauses, at: int) -> bool:
    """Whether what begins at a place belongs to the verb before a phrase: "to test …", "when …"."""
    purpose = clauses.word(at) == "to" and clauses.word(at + 1) in _PURPOSE
    return purpose or clauses.word(at) in ("when", "unless")
