"""Builds the chat that asks an LLM for the entities of one window."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from jinja2 import Template

from clinspan.formats.base import Format, prompt_templates
from clinspan.labels import Example, LabelSet
from clinspan.messages import Message

_TEMPLATES = prompt_templates("prompts")


def template(name: str) -> Template:
    """One of the prompts that lie beside the code."""
    return _TEMPLATES.get_template(f"{name}.jinja")


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How the prompt is laid out.

    Attributes:
        style: `full` gives definitions, guidelines and the format's instructions, for models that are prompted;
            `brief` names the labels only, for models tuned on it (every token saved there is speed).
        examples_as: `turns` shows each example as a question and its answer; `message` puts them all into the system
            message, for servers whose chat template allows no alternation.
        attributes: `model` asks for the attributes that labels declare; `rules` leaves them to what reads the answer.
    """

    style: Literal["full", "brief"] = "full"
    examples_as: Literal["turns", "message"] = "turns"
    attributes: Literal["rules", "model"] = "rules"

    def asked(self, labels: LabelSet) -> LabelSet:
        """The labels with the attributes that are asked for."""
        return labels if self.attributes == "model" else labels.without_attributes()


def build(
    text: str,
    *,
    labels: LabelSet,
    form: Format,
    examples: Sequence[Example] = (),
    facts: Sequence[str] = (),
    settings: PromptSettings = PromptSettings(),
) -> tuple[Message, ...]:
    """The chat for one window.

    What changes from window to window (examples, facts, text) comes last, so that servers reuse the evaluated prefix.

    Args:
        text: the window, letter for letter.
        labels: what is asked for.
        form: how the answer is to be written.
        examples: shown in this order; the last is nearest to the question.
        facts: one line each, from the dictionary.
        settings: the layout.
    """
    asked = template(f"question_{settings.style}").render(text=text, facts=facts)
    return (*_before(labels, form, tuple(examples), settings), Message("user", asked))


# Where examples are not chosen anew, it is the same for every window, and dearer to write than all that changes.
@lru_cache(maxsize=64)
def _before(
    labels: LabelSet, form: Format, examples: tuple[Example, ...], settings: PromptSettings
) -> tuple[Message, ...]:
    """All that comes before the question."""
    labels = settings.asked(labels)
    shown = [demonstration(example, labels=labels, form=form, settings=settings) for example in examples]
    as_message = settings.examples_as == "message"
    system = template(f"system_{settings.style}").render(
        labels=labels.labels, instructions=form.instructions(labels), examples=shown if as_message else ()
    )
    turns = () if as_message else shown
    return (
        Message("system", system),
        *(message for asked, answered in turns for message in (Message("user", asked), Message("assistant", answered))),
    )


def demonstration(
    example: Example, *, labels: LabelSet, form: Format, settings: PromptSettings = PromptSettings()
) -> tuple[str, str]:
    """One example as a question and its answer, as `build` shows it.

    Raises:
        ConfigError: when the format cannot write its entities.
        LabelError: when it has a label that is not in the set.
    """
    asked = template(f"question_{settings.style}").render(text=example.text, facts=())
    return asked, form.render(example.text, example.entities, settings.asked(labels))
