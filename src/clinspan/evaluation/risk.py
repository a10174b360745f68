"""Whether the mean of losses between 0 and 1 is below a bound, from a few documents, with a guarantee for any number.

Nothing is assumed of the losses but that the documents are drawn alike and independently. A gambler bets against the
claim that the mean loss of all documents is above the bound: where the claim holds, his wealth is a non-negative
martingale or falls, so that it reaches 1 / delta with probability delta at most (Ville's inequality).

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (JRSS-B 2024), with a fixed
mixture of bets, so that the order of the documents does not matter. Where losses vary little it needs far fewer
documents than the bounds of Hoeffding and Bentkus; where each is 0 or 1 it comes near the exact binomial test.
"""

import math

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]

BETS = ((1.0, 0.5), (0.75, 0.25), (0.5, 0.15), (0.25, 0.1))
"""Parts of the largest bet that cannot make the wealth negative, with the share of the stake that goes on each."""


def log_wealth(losses: Losses, most: float) -> Losses:
    """The logarithm of the gambler's wealth after all documents; `exp(-log_wealth)` is a p-value.

    Args:
        losses: of documents, each from 0 to 1, along the last axis; NaN for a document that the claim is not about.
        most: the bound on the mean loss, between 0 and 1.

    Returns:
        One for each row of losses; minus infinity where a loss of 1 took all that was staked.
    """
    gains = np.where(np.isnan(losses), 0.0, most - losses) / (1.0 - most)
    with np.errstate(divide="ignore"):
        # Rounding may carry the largest loss a hair below -1.
        grown = [math.log(share) + np.log1p(np.maximum(part * gains, -1.0)).sum(axis=-1) for part, share in BETS]
    together: Losses = np.logaddexp.reduce(np.array(grown), axis=0)
    return together


def is_below(losses: Losses, most: float, confidence: float) -> NDArray[np.bool_]:
    """For each row of losses whether its mean over all documents is at most `most`, wrong at most 1 - confidence often.

    Args:
        losses: see `log_wealth`.
        most: see `log_wealth`.
        confidence: between 0 and 1.
    """
    enough: NDArray[np.bool_] = log_wealth(losses, most) >= -math.log(1.0 - confidence)
    return enough


def documents_needed(most: float, confidence: float) -> int:
    """How many documents it takes where not one of them has any loss: with fewer nothing can be said."""
    low, high = 0, 1
    while not is_below(np.zeros(high), most, confidence):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_below(np.zeros(middle), most, confidence) else (middle, high)
    return high
