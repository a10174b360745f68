"""How the stages work together for each kind of LLM, where the user says nothing else.

The figures were chosen on the development part of NCBI-disease; docs/results.md has the command and the table.
"""

from dataclasses import replace

from clinspan.dictionary.facts import FactsMode
from clinspan.llms.base import LLM
from clinspan.llms.embedded import EmbeddedLLM
from clinspan.llms.encoder import EncoderLLM
from clinspan.llms.replay import ReplayLLM
from clinspan.models import adapters
from clinspan.pipeline.settings import NO_FACTS, FactSettings, TagSettings
from clinspan.prompt import PromptSettings
from clinspan.text.windows import WindowSettings

NO_LLM = TagSettings(windows=WindowSettings(max_tokens=256))
"""The dictionary alone: windows only say which part of a note is meant."""

PROMPTED = TagSettings(
    windows=WindowSettings(max_tokens=96, overlap_sentences=0),
    ask="candidates",
    candidates="only",
    candidate_bias=20.0,
    facts=NO_FACTS,
    scores=False,
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

TOLD = replace(TUNED, facts=FactSettings(mode=FactsMode.LABELS, budget=96))
"""The same for an adapter that was tuned with the dictionary's proposals in its prompts."""

SERVED = TagSettings(windows=WindowSettings(max_tokens=600))
"""A larger model behind a server: long windows, facts in the prompt, its own judgement."""


NAMED = {"prompted": PROMPTED, "small": SMALL, "tuned": TUNED, "told": TOLD, "served": SERVED}


def profile_name(llm: LLM) -> str:
    """Which of the settings of `NAMED` suit an LLM; a replay is asked what the recorded LLM was asked."""
    if isinstance(llm, ReplayLLM):
        return llm.profile if llm.profile in NAMED else "served"
    if isinstance(llm, EncoderLLM):
        return "tuned"
    if not isinstance(llm, EmbeddedLLM):
        return "served"
    if llm.adapter is None:
        return "small" if llm.small else "prompted"
    adapter = adapters.beside(llm.adapter)
    return "told" if adapter is not None and adapter.facts else "tuned"


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
    if chosen is SERVED or proposals:
        return chosen
    # A small model that decides alone needs the definitions after all.
    chosen = PROMPTED if chosen is SMALL else chosen
    return replace(chosen, ask="always", candidates="off", candidate_bias=0.0)
