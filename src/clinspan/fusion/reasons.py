"""Why a candidate was believed or not: what each source said of it and what that weighed, as values and in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clinspan.dictionary.match import Match, Sense, TermMatch
from clinspan.document import Span
from clinspan.fusion.heard import Heard
from clinspan.fusion.model import FusedModel, Verdict

DECIDED = "decided"
"""The metadata field of a document that keeps what was decided and why."""
TOLD = 0.05
"""Candidates that are not reported are told of from this probability on."""
_WEIGHS = 0.25
"""Log-odds from which on a group of features is worth a word."""
_GROUPS = {
    "encoder": "the encoder",
    "rivals": "what else the encoder sees there",
    "llm": "the LLM",
    "dictionary": "the dictionary",
    "notes": "how annotated documents mark it",
    "form": "its form and place",
    "elsewhere": "the rest of the document",
}


def reasons(model: FusedModel, heard: Heard, verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """What is kept of each candidate that is reported or has a probability of `TOLD`, by place.

    Args:
        verdicts: with their weights, see `FusedModel.verdicts`.

    Returns:
        for each candidate place, label, probability, whether it is reported, what proposed and what decided it, what
        each source says, and what each group of features added to the log-odds.
    """
    terms = {match.span: match for match in heard.matches}
    decided_by = f"a fused model over {', '.join(model.sources.values())}"
    kept = []
    for verdict in verdicts:
        if not verdict.taken and verdict.probability < TOLD:
            continue
        one = verdict.candidate
        annotated, seen = model.prior.of_string(one.entity.text, one.label)
        row: dict[str, Any] = {
            "start": one.span.start,
            "end": one.span.end,
            "text": one.entity.text,
            "label": one.label,
            "probability": round(verdict.probability, 4),
            "reported": verdict.taken,
            **({"together": round(verdict.together, 4)} if verdict.together > verdict.probability else {}),
            "proposed_by": list(one.said),
            "decided_by": decided_by,
            "said": {source: None if score is None else round(score, 4) for source, score in one.said.items()},
            "asked_llm": one.asked,
            "weights": {group: round(weight, 2) for group, weight in verdict.weights.items()},
        }
        if one.span in terms:
            row["term"] = _term(terms[one.span])
        if seen:
            row["notes"] = {"annotated": annotated, "seen": seen}
        if not verdict.taken:
            row["instead"] = _instead(one.span, verdicts)
        kept.append(row)
    return kept


def _term(match: Match) -> dict[str, Any]:
    sense: Sense = match.senses[0]
    return {
        "name": sense.name,
        "source": sense.source,
        "types": list(sense.types),
        "match": match.kind.value,
        "preferred": sense.preferred,
        "meanings": len(match.senses),
    }


def _instead(span: Span, verdicts: Sequence[Verdict]) -> str | None:
    """What is reported where a rejected candidate stands."""
    for other in verdicts:
        if other.taken and other.candidate.span.overlaps(span):
            return f"{other.candidate.entity.text!r} ({other.candidate.label})"
    return None


def in_words(row: Mapping[str, Any]) -> str:
    """The reasons of one candidate in a few sentences."""
    verdict = "reported" if row["reported"] else "not reported"
    told = f"{row['text']!r} is {verdict} as {row['label']}: decided {row['probability']:.2f}."
    if "together" in row:
        told += f" Its bounds are in doubt: with others that overlap it, it has {row['together']:.2f}."
    told += f" {_sentence([*_said(row)])}"
    for_, against = _weighed(row["weights"], 1), _weighed(row["weights"], -1)
    if for_:
        told += f" For it: {_joined(for_)}."
    if against:
        told += f" Against it: {_joined(against)}."
    if row.get("instead"):
        told += f" In its place stands {row['instead']}."
    return told


def _said(row: Mapping[str, Any]) -> Iterator[str]:
    said, term = row["said"], row.get("term")
    if term is not None:
        yield f"the dictionary has it as {_how(term)} ({term['source']})"
    elif "dictionary" in said:
        yield "the dictionary proposes it"
    else:
        yield "the dictionary does not have it"
    if "encoder" in said:
        yield f"the encoder gives {said['encoder']:.2f}" if said["encoder"] is not None else "the encoder names it"
    else:
        yield "the encoder does not name it"
    if "llm" in said:
        yield f"the LLM gives {said['llm']:.2f}" if said["llm"] is not None else "the LLM names it"
    elif row["asked_llm"]:
        yield "the LLM does not name it"
    if "notes" in row:
        yield f"annotated documents mark it {row['notes']['annotated']} of {row['notes']['seen']} times"


def _how(term: Mapping[str, Any]) -> str:
    if term["match"] == TermMatch.ABBREVIATION.value:
        return f"a short form of {term['name']!r}"
    return f"the name of {term['name']!r}" if term["preferred"] else f"a synonym of {term['name']!r}"


def _weighed(weights: Mapping[str, float], sign: int) -> list[str]:
    """The groups that weigh for a candidate (1) or against it (-1), heaviest first."""
    heavy = sorted((sign * weight, group) for group, weight in weights.items() if sign * weight >= _WEIGHS)
    return [f"{_GROUPS[group]} ({sign * weight:+.1f})" for weight, group in reversed(heavy)]


def _sentence(parts: Sequence[str]) -> str:
    said = _joined(parts)
    return f"{said[0].upper()}{said[1:]}."


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(parts)
