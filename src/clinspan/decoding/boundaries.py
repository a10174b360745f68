"""The log-odds of opening a bracket at each word of a text, for choosing the recall dial on gold documents."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinspan.decoding.draft import Ask, CausalModel
from clinspan.decoding.plan import compile_plan, fork
from clinspan.document import Entity
from clinspan.formats.tanl import marks
from clinspan.messages import CopyConstraint


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place where a mention may open.

    Attributes:
        at: code point of the window at which the word begins.
        log_odds: of opening there against copying on, without any bias; natural logarithm.
    """

    at: int
    log_odds: float


def open_log_odds(
    model: CausalModel, prompt: Sequence[int], constraint: CopyConstraint, entities: Sequence[Entity] = ()
) -> tuple[Boundary, ...]:
    """What the model thinks of opening at each word, given an answer with `entities` in brackets before it.

    With the gold entities this is how likely each is to be opened, and each other word to be opened by mistake, had
    everything before it been right: a bias `b` opens where `log_odds + b > 0`. Words inside an entity have no boundary.
    One forward pass over the answer.

    Args:
        model: reads the prompt and the answer.
        prompt: ids up to where the answer begins, at least one.
        constraint: its text and labels count; its biases and candidates do not.
        entities: the answer's; of nested ones the outermost.

    Raises:
        ConfigError: when entities cross.
        LLMError: when prompt and answer are longer than the model's context.
    """
    marks(entities)
    outer: dict[int, Entity] = {}
    end = 0
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if entity.start >= end:
            outer[entity.start] = entity
            end = entity.end
    edges = frozenset(edge for entity in outer.values() for edge in (entity.start, entity.end))
    free = CopyConstraint(constraint.text, constraint.labels)
    plan = compile_plan(free, model.tokenize, cuts=edges)
    ids = list(prompt)
    asks: list[Ask] = []
    places: list[int] = []
    inside: Entity | None = None
    for slot in plan.slots:
        ids += slot.before
        if inside is not None and slot.word.start < inside.end:
            ids += slot.copy
        else:
            shared = fork(slot.open, slot.copy)
            asks.append(Ask(len(ids) + shared - 1, (slot.open[shared], slot.copy[shared])))
            places.append(slot.word.start)
            inside = outer.get(slot.word.start)
            ids += slot.copy if inside is None else (*slot.open, *slot.first)
        if inside is not None and slot.word.end == inside.end:
            ids += (*plan.bar, *plan.label_ids[inside.label], *plan.close)
            inside = None
    rows = model.evaluate(ids, asks) if asks else ()
    return tuple(Boundary(at, opening - copying) for at, (opening, copying) in zip(places, rows, strict=True))
