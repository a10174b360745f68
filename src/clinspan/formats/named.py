"""What answers mean by the names that they write: labels of the set, attributes of a mention, and values of these.

A value stands by itself, `absent`. Where two attributes of one label share a value, it stands with its attribute's
name, `severity=mild`. What was not assessed is left out, and what an answer leaves out is not known: never the default.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import regex
from rapidfuzz.distance import OSA

from clinspan.errors import ConfigError, did_you_mean
from clinspan.labels import Attribute, LabelSet
from clinspan.messages import AskedAttribute

_OUTER = regex.compile(r"^[\s\"'`*_<>(){}\[\]“”‘’]+|[\s\"'`*_<>(){}\[\].,;:“”‘’]+$")
_JOINT = regex.compile(r"[\s_\-‐‑–]+")
_DIGITS = regex.compile(r"\d+")


class LabelNames:
    """Finds the label that a written name means, by one rule after the other:

    1. it is a label's name letter for letter;
    2. it is one but for case, white space, hyphens or underscores, and quotes or punctuation around it;
    3. it is one but for singular and plural;
    4. it is within edit distance 1 (names of five to eight characters) or 2 (longer ones) of exactly one label, two
       swapped neighbours counting once, with the same digits: "text" is never taken for "test", nor "grade 3" for
       "grade 2".

    A rule that fits two labels decides nothing, and the name is unknown.
    """

    def __init__(self, labels: LabelSet):
        forms = _forms(labels.names)
        self.exact = forms.exact
        self._folded = forms.folded
        self._singular = forms.singular
        self._leading = forms.leading
        self._known: dict[str, str | None] = {}
        self.longest = 2 * max(len(name) for name in labels.names) + 16
        """Nothing longer than this is taken for a label's name."""

    def find(self, written: str) -> str | None:
        """The label meant by `written`, or None."""
        if written in self.exact:
            return written
        if len(written) > self.longest:
            return None
        if written not in self._known:
            self._known[written] = self._nearest(written)
        return self._known[written]

    def at_start(self, written: str) -> str | None:
        """The label whose name, letter for letter and as whole words, `written` begins with after white space."""
        found = self._leading.match(written[: self.longest])
        return found.group(1) if found else None

    def _nearest(self, written: str) -> str | None:
        plain = folded(written)
        if not plain:
            return None
        if plain in self._folded:
            return self._folded[plain]
        singular = _singular(plain)
        if singular in self._singular:
            return self._singular[singular]
        allowed = 0 if len(plain) < 5 else 1 if len(plain) < 9 else 2
        digits = _DIGITS.findall(plain)
        near = [
            name
            for known, name in self._folded.items()
            if name is not None
            and _DIGITS.findall(known) == digits
            and OSA.distance(known, plain, score_cutoff=allowed) <= allowed
        ]
        return near[0] if len(near) == 1 else None


@dataclass(frozen=True, slots=True)
class _Forms:
    """What names are compared with."""

    exact: frozenset[str]
    folded: Mapping[str, str | None]
    singular: Mapping[str, str | None]
    leading: regex.Pattern[str]


# The same for every answer of a run.
@lru_cache(maxsize=64)
def _forms(names: tuple[str, ...]) -> _Forms:
    listed = "|".join(map(regex.escape, sorted(names, key=len, reverse=True)))
    return _Forms(
        frozenset(names),
        _unique((folded(name), name) for name in names),
        _unique((_singular(folded(name)), name) for name in names),
        regex.compile(rf"\s*({listed})(?!\w)"),
    )


def folded(name: str) -> str:
    """The name but for case, white space, hyphens and underscores, and quotes or punctuation around it."""
    return _JOINT.sub(" ", _OUTER.sub("", name)).strip().casefold()


def _singular(name: str) -> str:
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    if name.endswith(("sses", "xes", "ches", "shes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "is", "us")) else name


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for key, name in pairs:
        found[key] = None if key in found else name
    return found


Asked = Mapping[str, tuple[AskedAttribute, ...]]
"""What is asked of the mentions of each label that has attributes, by its name, in the declared order."""

_EQUALS = regex.compile(r"\s*[=:]\s*")


def asked_of(labels: LabelSet) -> Asked:
    """What a label set asks of its mentions; empty where it declares no attribute."""
    return {label.name: _asked(label.attributes) for label in labels.labels if label.attributes}


# The same for every answer of a run.
@lru_cache(maxsize=64)
def _asked(attributes: tuple[Attribute, ...]) -> tuple[AskedAttribute, ...]:
    pairs = [(attribute.name, value) for attribute in attributes for value in attribute.value_names]
    # A value may look like another attribute's name and value.
    taken = Counter(_fold(value) for _, value in pairs) + Counter({_fold(f"{n}={v}") for n, v in pairs})
    return tuple(
        AskedAttribute(
            attribute.name,
            tuple(
                (value, value if _fold(value) and taken[_fold(value)] == 1 else f"{attribute.name}={value}")
                for value in attribute.value_names
            ),
        )
        for attribute in attributes
    )


def _fold(written: str) -> str:
    return _EQUALS.sub("=", folded(written))


def values_of(label: str, attributes: Mapping[str, str], asked: Asked) -> dict[str, str]:
    """The attributes of an entity that are asked for, in the declared order, with their values.

    Raises:
        ConfigError: when a value is not declared.
    """
    said = {}
    for attribute in asked.get(label, ()):
        value = attributes.get(attribute.name)
        known = [name for name, _ in attribute.values]
        if value is not None and value not in known:
            raise ConfigError(
                f"{attribute.name} {value!r} of a {label} is not declared in the label set",
                expected=", ".join(known),
                fix=did_you_mean(value, known),
            )
        if value is not None:
            said[attribute.name] = value
    return said


def written(label: str, attributes: Mapping[str, str], asked: Asked) -> tuple[str, ...]:
    """What an answer writes of an entity's attributes.

    Raises:
        ConfigError: when a value is not declared.
    """
    said = values_of(label, attributes, asked)
    return tuple(dict(a.values)[said[a.name]] for a in asked.get(label, ()) if a.name in said)


@dataclass(slots=True)
class Heard:
    """What an answer says of a mention.

    Attributes:
        unknown: numbers of the parts that are no value of the label, with the reason.
        mended: numbers of the parts that are written in another way, with what they were read as.
    """

    attributes: dict[str, str] = field(default_factory=dict)
    unknown: list[tuple[int, str]] = field(default_factory=list)
    mended: list[tuple[int, str]] = field(default_factory=list)


class AttributeNames:
    """Finds the attribute and value that a written part means: letter for letter, else but for case, white space,
    hyphens, and quotes or punctuation around it. A near miss is no value: "atypical" is not "typical".

    Attributes:
        asked: what is asked for.
        longest: nothing longer than this is taken for a value.
    """

    def __init__(self, labels: LabelSet):
        self.asked = asked_of(labels)
        forms = [form for attributes in self.asked.values() for a in attributes for _, form in a.values]
        names = [a.name for attributes in self.asked.values() for a in attributes]
        self.longest = 2 * max(map(len, (*forms, *names)), default=0) + 16

    def __bool__(self) -> bool:
        return bool(self.asked)

    def read(self, label: str, parts: Sequence[tuple[str | None, str]]) -> Heard:
        """What the parts say of a mention of `label`: each an attribute's name, where it stands apart, and a value."""
        heard = Heard()
        for number, (name, value) in enumerate(parts):
            found = self.find(label, value, name)
            if found is None:
                what = value if name is None else f"{name}={value}"
                has = (
                    "is no value that was asked for" if label in self.asked else f"stands at {label!r}, asked for none"
                )
                heard.unknown.append((number, f"{what!r} {has}"))
                continue
            attribute, meant, form = found
            if heard.attributes.setdefault(attribute, meant) != meant:
                heard.unknown.append((number, f"a second value of {attribute!r}"))
            elif name is None and value != form:
                heard.mended.append((number, f"value {value!r} read as {form!r}"))
            elif name is not None and (name, value) != (attribute, meant):
                heard.mended.append((number, f"value {name}={value!r} read as {attribute}={meant!r}"))
        return heard

    def find(self, label: str, value: str, name: str | None = None) -> tuple[str, str, str] | None:
        """Attribute and value that are meant, and how they are written; None where nothing or several fit."""
        if len(value) > self.longest:
            return None
        known = [(a.name, v, form) for a in self.asked.get(label, ()) for v, form in a.values]
        if name is not None:
            known = [one for one in known if one[0] == name] or [one for one in known if _fold(one[0]) == _fold(name)]
            exact = [one for one in known if one[1] == value]
            near = [one for one in known if _fold(one[1]) == _fold(value)]
        else:
            exact = [one for one in known if one[2] == value]
            near = [one for one in known if _fold(value) in (_fold(one[1]), _fold(f"{one[0]}={one[1]}"))]
        if exact:
            return exact[0]
        return near[0] if len(near) == 1 and _fold(value) else None

    def at_start(self, label: str, said: str) -> tuple[str, int] | None:
        """The longest value that `said` begins with after white space, as whole words, and where it ends there."""
        rest = said.lstrip()
        forms = (form for a in self.asked.get(label, ()) for _, form in a.values)
        fits = [form for form in forms if rest.startswith(form) and not rest[len(form) : len(form) + 1].isalnum()]
        longest = max(fits, key=len, default=None)
        return (longest, len(said) - len(rest) + len(longest)) if longest is not None else None
