"""The order in which chosen examples stand before the question."""

from collections.abc import Sequence

from clinspan.examples.select.draw import generator
from clinspan.examples.select.selection import Chosen
from clinspan.examples.select.settings import Order


def arranged(chosen: Sequence[Chosen], order: Order, *, seed: int, text: str) -> tuple[Chosen, ...]:
    """The examples in the order that the setting asks for; equally similar ones stand as in the pool.

    Args:
        chosen: in any order.
        order: see `Order`.
        seed: of the shuffle.
        text: what they were chosen for; the shuffle depends on it.
    """
    in_pool = sorted(chosen, key=lambda c: c.index)
    match order:
        case Order.POOL:
            pass
        case Order.SIMILAR_LAST:
            in_pool.sort(key=lambda c: c.similarity)
        case Order.SIMILAR_FIRST:
            in_pool.sort(key=lambda c: -c.similarity)
        case Order.SHUFFLED:
            generator(seed, text).shuffle(in_pool)
    return tuple(in_pool)
