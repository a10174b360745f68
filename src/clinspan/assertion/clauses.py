"""Where clauses of English prose begin and end, by their finite verbs and the words that join them.

There is no parser and no tagger: a word is taken for a finite verb by its form and its neighbours. It knows nothing of
negation; `assertion.prose` asks how far a clause reaches.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

_MARKS = frozenset("()[].,;:-/")
_STEPS = 3
_ITEM = 6
"""An item of a list has at most so many words."""


@cache
def words_of(part: str) -> Mapping[str, frozenset[str]]:
    """The sets of words of a part of `prose.toml`, by their names."""
    text = files("clinspan.assertion").joinpath("prose.toml").read_text(encoding="utf-8")
    told: Mapping[str, Any] = tomllib.loads(text)[part]
    return {name: frozenset(said.split() if isinstance(said, str) else said) for name, said in told.items()}


@cache
def _third() -> frozenset[str]:
    """The forms of the third person: "binds", "reaches", "varies"."""
    found = set()
    for verb in words_of("clauses")["verbs"]:
        if verb.endswith("y") and verb[-2] not in "aeiou":
            found.add(verb[:-1] + "ies")
        else:
            found.add(verb + ("es" if verb.endswith(("ch", "sh", "s", "o", "x")) else "s"))
    return frozenset(found)


@cache
def _grammar() -> Mapping[str, frozenset[str]]:
    """The words of clauses, with the sets that follow from them."""
    sets = words_of("clauses")
    verbs = sets["auxiliary"] | _third() | sets["irregular"] | sets["ambiguous"] | sets["verbs"]
    return {
        **sets,
        "verbal": verbs,
        "auxiliaries": sets["auxiliary"] | sets["be"],
        "modal": sets["auxiliary"] - sets["be"],
        "no_noun": (sets["auxiliary"] | sets["be"] | sets["determiners"]) - {"this", "that", "these"},
        "after_noun": sets["prepositions"] - {"that"},
        "turning": sets["openers"] | sets["soft_openers"],
    }


class Clauses:
    """The clauses of one sentence.

    Args:
        words: of the sentence with its marks, in lower case.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self._sets = _grammar()
        self._finite: dict[int, bool] = {}

    def is_in(self, at: int, name: str) -> bool:
        """Whether there is a word at a place, and a set of `prose.toml` has it."""
        return 0 <= at < len(self.words) and self.words[at] in self._sets[name]

    def word(self, at: int) -> str:
        """The word at a place; empty outside of the sentence."""
        return self.words[at] if 0 <= at < len(self.words) else ""

    def participle(self, at: int) -> bool:
        """Whether a word has the form of a past participle."""
        word = self.word(at)
        regular = word.endswith("ed") and len(word) > 3 and word not in self._sets["not_past"]
        return regular or word in self._sets["participles"]

    def after_adverbs(self, at: int, step: int = 1) -> int:
        """The next place, in a direction, that no adverb is at."""
        while 0 <= at < len(self.words) and _is_adverb(self.words[at]):
            at += step
        return at

    def finite(self, at: int) -> bool:
        """Whether a word is a finite verb, as far as its form and its neighbours tell."""
        if at not in self._finite:
            self._finite[at] = self._is_finite(at)
        return self._finite[at]

    def _is_finite(self, at: int) -> bool:
        word, sets = self.words[at], self._sets
        regular = word.endswith("ed") and len(word) > 3
        back = self.after_adverbs(at - 1, -1)
        before = self.word(back)
        if before in ("and", "or", "but") and _is_third(word) and self.word(at + 1) in sets["determiners"]:
            return True
        if not (regular or word in sets["verbal"]) or self.word(at + 1) == "-":
            return False
        if before == "to" or before == "-" or self.word(at - 1) == "-":
            return False
        if word in sets["auxiliary"]:
            return not (word in ("have", "do") and before in sets["auxiliary"])
        if word in sets["doubtful"]:
            return self.word(at + 1) in sets["determiners"] or (
                word == "results" and self.word(at + 1) in ("in", "from")
            )
        if word in _third():
            return bool(before) and before not in sets["determiners"] and before not in sets["prepositions"]
        if word in sets["irregular"]:
            return before not in sets["be"]
        if word in sets["ambiguous"]:
            free = before not in sets["auxiliaries"]
            return free and (self._takes_object(at) or (before == "," and self._closes_aside(back)))
        if word in sets["verbs"]:
            plural = before.endswith("s") and not before.endswith(("ss", "is", "us")) and before[0].isalpha()
            other = before in sets["determiners"] or before in sets["auxiliary"]
            return (plural and not other) or before in sets["plurals"]
        if self.word(back - 1) == "to" or self.word(back - 1) in sets["modal"]:
            return False  # what comes before it is a verb: "to kill ingested bacteria"
        return self._is_past(at, before)

    def _is_past(self, at: int, before: str) -> bool:
        """Whether a form in -ed is a verb in the past, and no participle."""
        word, sets = self.words[at], self._sets
        if word in sets["not_past"] or word in sets["reduced"] or not before or before in sets["no_noun"]:
            return False
        after = self.word(at + 1)
        if before in ("and", "or", "but"):
            return after in sets["determiners"] or word in sets["intransitive"]
        if before in sets["prepositions"] or before in ("(", "/") or before in _third():
            return False
        if self._verb_follows(at):
            return False  # "the inhibitors tested prevented it"
        if word in sets["intransitive"] and after != "by":
            return True
        if before == ",":
            aside = self._closes_aside(at - 1) and after not in sets["after_noun"] and after not in _MARKS
            return self._takes_object(at) or aside
        return bool(after) and after not in sets["after_noun"] and (after not in _MARKS or after == "-")

    def _verb_follows(self, at: int) -> bool:
        """Whether the next word is a finite verb by its form alone."""
        after, sets = self.word(self.after_adverbs(at + 1)), self._sets
        past = after.endswith("ed") and len(after) > 3 and after not in sets["not_past"]
        return past or after in sets["auxiliary"] or after in sets["irregular"] or after in _third()

    def _takes_object(self, at: int) -> bool:
        after = self.word(at + 1)
        return after in self._sets["determiners"] or after in self._sets["pronouns"]

    def _closes_aside(self, comma: int) -> bool:
        """Whether a comma closes what another opened: ", which does not bind," or ", but not the control,"."""
        first = self._comma_before(comma) + 1
        joined = self.word(first) in ("and", "but") and self.word(first + 1) == "not"
        return first > 0 and (joined or self.word(first) in ("which", "who"))

    def verb_within(self, start: int, end: int) -> bool:
        """Whether a part of the sentence has a finite verb that no word in it opens a clause for."""
        opened = 0
        for at in range(start, end):
            if self.is_in(at, "openers"):
                opened += 1
            elif self.finite(at):
                if not opened:
                    return True
                opened -= 1
        return False

    def subject_start(self, verb: int) -> int:
        """Where the subject begins of the verb at a place."""
        at = verb - 1
        if self.word(at) == ",":
            opened = self._comma_before(at)
            at = opened - 1 if opened > 0 else at
        joins: list[int] = []
        pending = -1
        while at >= 0:
            if self.is_in(at, "hard") or self.word(at) == ":":
                break
            if self.word(at) in ("that", "which", "who", "whether", "how", "if"):
                if pending < 0 or self.word(at) in ("whether", "how", "if"):
                    break
                pending = -1
            elif self.finite(at) and self.word(at) != "that":
                if pending >= 0:
                    break
                pending = at
            elif self.word(at) == ",":
                if pending >= 0 or not self._lists(at, verb):
                    break
                joins.append(at)
            elif self.word(at) in ("and", "or", "nor"):
                joins.append(at)
            at -= 1
        if pending < 0:
            return at + 1
        later = [join for join in joins if join > pending]
        if not later:
            return pending + 1
        near = later[-1]
        return (near if near - pending <= _STEPS else later[0]) + 1

    def _comma_before(self, at: int) -> int:
        return next((place for place in range(at - 1, -1, -1) if self.words[place] == ","), -1)

    def _lists(self, comma: int, verb: int) -> bool:
        """Whether a comma stands between items of the list that a verb's subject is."""
        if not any(self.words[place] in ("and", "or", "nor", ",") for place in range(comma + 1, verb)):
            return False
        first = self._comma_before(comma) + 1
        if self.is_in(first, "fronts") or _is_adverb(self.word(first)) or self.verb_within(first, comma):
            return False
        return self.word(first) in ("and", "or") or first > 0 or comma - first <= _ITEM

    def end(self, start: int, *, verbs: int = 0, inner: bool = False, front: bool = False) -> int:
        """Where the clause ends that goes on from a place.

        Args:
            verbs: how many finite verbs belong to it still.
            inner: whether it lies in a noun phrase, so that a verb after it is another clause's.
            front: whether it stands before the clause that it belongs to, or between commas.
        """
        free = verbs
        opened = False
        join = -1
        at = start
        depth = 0
        while at < len(self.words):
            word = self.words[at]
            if word in "([":
                depth += 1
            elif word in ")]":
                if not depth:
                    return at
                depth -= 1
            elif depth:
                pass
            elif self.is_in(at, "hard") or (word in ".?!:" and at + 1 == len(self.words)):
                return at
            elif word == "," and not (self.word(at - 1).isdigit() and self.word(at + 1).isdigit()):
                skipped = self._skipped(at)
                if skipped:
                    at = skipped
                elif self._comma_ends(at, free=free, front=front):
                    return at
                else:
                    join = at
            elif word in ("and", "or", "nor"):
                after = self.after_adverbs(at + 1)
                if after < len(self.words) and self.finite(after) and not free:
                    return at
                if (inner or not opened) and not free and self.word(after) in ("that", "which", "who"):
                    return at
                join = join if join == at - 1 and join >= 0 else at
            elif self.is_in(at, "openers") or (self.is_in(at, "soft_openers") and not inner and self._opens(at)):
                free += 1
                opened = opened or word == "that"
            elif self.finite(at):
                if not free:
                    return at if inner or join < 0 else join
                free -= 1
            at += 1
        return len(self.words)

    def _opens(self, at: int) -> bool:
        """Whether a clause with a verb follows a word that may also stand before a noun."""
        for place in range(at + 1, len(self.words)):
            if self.words[place] in ",;" or self.is_in(place, "hard"):
                return False
            if self.finite(place):
                return True
        return False

    def after_aside(self, at: int) -> int:
        """Where a sentence goes on after what stands between commas at a place: "not, at these doses, alter"."""
        if self.word(at) != ",":
            return at
        closing = self._next_comma(at + 1)
        return closing + 1 if closing - at <= _ITEM + 1 and closing < len(self.words) else at

    def _skipped(self, comma: int) -> int:
        """The second comma of ", however,"."""
        for place in range(comma + 2, min(comma + 5, len(self.words))):
            if self.words[place] == ",":
                said = self.words[comma + 1 : place]
                adverbs = all(_is_adverb(word) or word in _ASIDES for word in said)
                return place if adverbs else 0
        return 0

    def _comma_ends(self, comma: int, *, free: int, front: bool) -> bool:
        after = comma + 1
        if self.is_in(after, "hard") or self.is_in(after, "after_comma"):
            return True
        stop = self._next_comma(after)
        if self.word(after) in ("and", "or", "nor"):
            subject = self.is_in(after + 1, "pronouns")
            return not free and (subject or self.verb_within(after + 1, stop))
        if front or not free:
            return not self._list_goes_on(after)
        return self.is_in(after, "pronouns") and self.word(after) != "these"

    def _next_comma(self, start: int) -> int:
        return next((at for at in range(start, len(self.words)) if self.words[at] in ",;"), len(self.words))

    def _list_goes_on(self, start: int) -> bool:
        """Whether short items follow, of which the last comes after "and" or "or", and then a comma or a verb."""
        while True:
            stop = self._next_comma(start)
            if self.word(start) in ("and", "or", "nor"):
                return True
            if stop == len(self.words) or stop - start > _ITEM or self.verb_within(start, stop):
                return False
            if {"and", "or"} & set(self.words[start:stop]):
                return True
            start = stop + 1


_ADVERBS = frozenset(
    {"also", "still", "further", "ever", "again", "yet", "always", "never", "not", "often", "even", "very", "so", "too"}
    | {"more", "less", "well"}
)
_ASIDES = frozenset(
    {"however", "therefore", "by", "itself", "themselves", "in", "contrast", "turn", "fact", "moreover"}
)


def _is_third(word: str) -> bool:
    """Whether a word has the form of a verb of the third person."""
    return word.isalpha() and word.endswith("s") and not word.endswith(("ss", "us", "is"))


def _is_adverb(word: str) -> bool:
    return word in _ADVERBS or (word.endswith("ly") and len(word) > 4 and word not in ("family", "assembly", "anomaly"))
