"""The settings of the whole path, one class for each stage, passed whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal

from clinspan.dictionary.facts import FactsMode
from clinspan.dictionary.link import LinkSettings
from clinspan.errors import ConfigError, did_you_mean
from clinspan.examples.selection import SelectSettings
from clinspan.grounding import GroundingSettings
from clinspan.llms.base import LLM
from clinspan.messages import CandidateMode
from clinspan.prompt import PromptSettings
from clinspan.settings import TAGGING_SETTINGS
from clinspan.text.windows import WindowSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSettings:
    """What the prompt tells of the terms that the dictionary knows.

    Attributes:
        mode: types, definitions, both, the label that the dictionary alone would give, or nothing.
        budget: tokens that all facts of a prompt together may take.
        source: whose terms: `scan` (the dictionary's own matches in the text, without a further call), `propose` (the
            LLM lists candidates first, as the study does, one more call for each window), or `both`.
    """

    mode: FactsMode = FactsMode.BOTH
    budget: int = 256
    source: Literal["scan", "propose", "both"] = "scan"

    def __post_init__(self) -> None:
        if self.budget < 0:
            raise ConfigError(f"facts budget is {self.budget}", expected="0 or more tokens")
        if self.mode is FactsMode.LABELS and self.source != "scan":
            raise ConfigError(
                "facts that tell labels come from the dictionary's scan of the text", expected="facts from scan"
            )


NO_FACTS = FactSettings(mode=FactsMode.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSettings:
    """How the stages work together; each stage has settings of its own.

    Attributes:
        ask: `always`; or `candidates`: windows in which the dictionary proposes nothing need no call; or `doubt`: an
            LLM is asked only where a fused model over encoder and dictionary leaves doubt.
        ask_share: with `doubt`, how large a share of the windows that the fused model was fitted on gain as much as
            those that are asked about.
        candidates: how a constrained decoder uses the dictionary's proposals, see `CopyConstraint`.
        candidate_bias: added to the log-odds of opening a bracket where a proposal starts.
        open_bias: added to the log-odds of opening a bracket anywhere (the recall dial).
        consider: an encoder names each mention that has at least this probability too, though it is not in the
            likeliest set; None: that set alone.
        explain: whether each document keeps what a fused model decided and why, of rejected candidates too.
        scores: whether the LLM's probabilities are reported without a calibration that says what they mean: not where
            a bias has made the decision.
        assertion: who says assertion and temporality: the encoder that tags, or where it says none the one that comes
            with clinspan, and rules; or rules alone.
        answer_tokens: room for the answer, as a multiple of the window's tokens (JSON and DICE need less than TANL).
        ahead: windows that may be held behind the document that is next to be given; what bounds memory. Best some
            times what the LLM answers at once.
    """

    windows: WindowSettings = field(default_factory=WindowSettings)
    prompt: PromptSettings = field(default_factory=PromptSettings)
    grounding: GroundingSettings = field(default_factory=GroundingSettings)
    facts: FactSettings = field(default_factory=FactSettings)
    examples: SelectSettings = field(default_factory=SelectSettings)
    links: LinkSettings = field(default_factory=LinkSettings)
    ask: Literal["always", "candidates", "doubt"] = "always"
    ask_share: float = 0.15
    candidates: CandidateMode = "off"
    candidate_bias: float = 0.0
    open_bias: float = 0.0
    consider: float | None = None
    explain: bool = False
    scores: bool = True
    assertion: Literal["encoder", "rules"] = "encoder"
    answer_tokens: float = 2.5
    ahead: int = 2048

    def __post_init__(self) -> None:
        if not 0.0 < self.ask_share <= 1.0:
            raise ConfigError(
                f"ask_share is {self.ask_share}", expected="a share of the windows, above 0 and at most 1"
            )
        if self.ahead < 1:
            raise ConfigError(f"ahead is {self.ahead}", expected="1 or more windows")


NO_LLM = TagSettings(windows=WindowSettings(max_tokens=256))
"""The dictionary alone: windows only say which part of a note is meant."""

PROMPTED = TagSettings(
    windows=WindowSettings(max_tokens=96, overlap_sentences=0),
    ask="candidates",
    candidates="only",
    candidate_bias=20.0,
    facts=NO_FACTS,
    scores=False,
    prompt=PromptSettings(attributes="model"),
)
"""A small model in this process that was not tuned: the dictionary proposes, and the model rejects what it is very sure
of. With less bias it rejects right and wrong proposals alike (docs/results.md), and its scores say nothing."""

SMALL = replace(PROMPTED, prompt=PromptSettings(style="brief"))
"""The same for a model so small that definitions and examples change nothing in what it decides under such a bias
(docs/results.md): they are a thousand tokens to evaluate, and half of the time."""

TUNED = TagSettings(
    windows=WindowSettings(max_tokens=128, max_sentences=1, overlap_sentences=0),
    prompt=PromptSettings(style="brief"),
    facts=NO_FACTS,
)
"""A small model with an adapter, or a tuned encoder, decides alone, a sentence at a time, as tuned; the dictionary
links its finds."""

READ = replace(TUNED, windows=WindowSettings(max_tokens=128, max_sentences=4, overlap_sentences=0))
"""A tuned encoder that learned to read up to four sentences together, as those that come with clinspan do."""

DESCRIBED = replace(READ, scores=False)
"""An encoder that finds what a label's definition says. It knows no label, so that its scores are of no known meaning
until they are calibrated on documents with these labels."""

TOLD = replace(TUNED, facts=FactSettings(mode=FactsMode.LABELS, budget=96))
"""The same for an adapter that was tuned with the dictionary's proposals in its prompts."""

SERVED = TagSettings(windows=WindowSettings(max_tokens=600), prompt=PromptSettings(attributes="model"))
"""A larger model behind a server: long windows, facts in the prompt, its own judgement."""


NAMED = {
    "prompted": PROMPTED,
    "small": SMALL,
    "tuned": TUNED,
    "read": READ,
    "described": DESCRIBED,
    "told": TOLD,
    "served": SERVED,
}


def profile_name(llm: LLM) -> str:
    """Which of the settings of `NAMED` suit an LLM; a replay is asked what the recorded LLM was asked."""
    return llm.traits.profile if llm.traits.profile in NAMED else "served"


def profile(llm: LLM | None, *, proposals: bool) -> TagSettings:
    """The settings for an LLM.

    Args:
        llm: None for the dictionary alone.
        proposals: whether there is a dictionary, or a label set with terms of its own; without any, the LLM is asked
            about every window and decides alone.
    """
    if llm is None:
        return NO_LLM
    chosen = NAMED[profile_name(llm)]
    if llm.traits.attributes:
        chosen = replace(chosen, prompt=replace(chosen.prompt, attributes="model"))
    if profile_name(llm) == "served" or proposals:
        return chosen
    # A small model that decides alone needs the definitions after all.
    chosen = replace(PROMPTED, prompt=PromptSettings()) if chosen is SMALL else chosen
    return replace(chosen, ask="always", candidates="off", candidate_bias=0.0)


def over(settings: TagSettings, chosen: Mapping[str, object]) -> TagSettings:
    """The settings with what the user chose put in.

    Args:
        settings: what suits the LLM.
        chosen: values by the names of `settings.SETTINGS` as Python has them; None leaves what is there.

    Raises:
        ConfigError: when there is no such setting, or it cannot have the value.
    """
    stages: dict[str, dict[str, object]] = {}
    for key, given in chosen.items():
        if key not in TAGGING_SETTINGS:
            raise ConfigError(f"there is no setting {key!r}", fix=did_you_mean(key, TAGGING_SETTINGS))
        setting = TAGGING_SETTINGS[key]
        value = setting.value(given)
        if value is not None:
            stage, _, name = setting.at.rpartition(".")
            stages.setdefault(stage, {})[name] = value
    if "max_sentences" in (cut := stages.get("windows", {})):
        # Windows that are counted in sentences share none unless that is asked for.
        cut.setdefault("overlap_sentences", 0)
    own = stages.pop("", {})
    own |= {stage: replace(getattr(settings, stage), **values) for stage, values in stages.items()}
    return replace(settings, **own)  # type: ignore[arg-type]


def shown(settings: TagSettings) -> Iterator[tuple[str, str]]:
    """Each setting that has a name, with its value as text."""
    for setting in TAGGING_SETTINGS.values():
        value: object = settings
        for name in setting.at.split("."):
            value = getattr(value, name)
        if value is not None:
            yield setting.name, str(value.value if isinstance(value, Enum) else value)
