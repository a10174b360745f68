"""The settings of the whole path, one class for each stage, passed whole."""

from dataclasses import dataclass, field
from typing import Literal

from clinspan.dictionary.facts import FactsMode
from clinspan.errors import ConfigError
from clinspan.examples.select.settings import SelectSettings
from clinspan.grounding.align import GroundingSettings
from clinspan.messages import CandidateMode
from clinspan.prompt import PromptSettings
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
            raise ConfigError("facts that are labels are the dictionary's own", expected="facts from scan")


NO_FACTS = FactSettings(mode=FactsMode.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSettings:
    """How the stages work together; each stage has settings of its own.

    Attributes:
        ask: `always`, or `candidates`: windows in which the dictionary proposes nothing need no call.
        candidates: how a constrained decoder uses the dictionary's proposals, see `CopyConstraint`.
        candidate_bias: added to the log-odds of opening a bracket where a proposal starts.
        open_bias: added to the log-odds of opening a bracket anywhere (the recall dial).
        scores: whether the LLM's probabilities are reported without a calibration that says what they mean: not where
            a bias has made the decision.
        answer_tokens: room for the answer, as a multiple of the window's tokens (JSON and DICE need less than TANL).
        ahead: windows that may be held behind the document that is next to be given; what bounds memory. Best some
            times what the LLM answers at once.
    """

    windows: WindowSettings = field(default_factory=WindowSettings)
    prompt: PromptSettings = field(default_factory=PromptSettings)
    grounding: GroundingSettings = field(default_factory=GroundingSettings)
    facts: FactSettings = field(default_factory=FactSettings)
    examples: SelectSettings = field(default_factory=SelectSettings)
    ask: Literal["always", "candidates"] = "always"
    candidates: CandidateMode = "off"
    candidate_bias: float = 0.0
    open_bias: float = 0.0
    scores: bool = True
    answer_tokens: float = 2.5
    ahead: int = 2048

    def __post_init__(self) -> None:
        if self.ahead < 1:
            raise ConfigError(f"ahead is {self.ahead}", expected="1 or more windows")
