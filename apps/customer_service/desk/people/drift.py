"""Whether customers ask for other things than before.

Each period is compared with all that came before it by total variation distance: the share of
messages whose intent would have to change for the two to look alike. Small samples differ by
chance, so each distance stands beside the one that 95 of 100 pairs of samples of the same sizes
stay under, when both are drawn from the mixture of the two (parametric bootstrap, seeded).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

LEAST = 30  # messages of each side, below which nothing is said
_DRAWS = 400


def drift(periods: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """periods: counts of intents by period, in the order of time. Of each: distance to those
    before, 0 to 1, chance, beyond (distance over chance) and the intent that moved most; None where
    one side has under LEAST messages."""
    before: Counter[str] = Counter()
    found = []
    for name, counts in periods.items():
        row: dict[str, Any] = {"period": name, "messages": sum(counts.values())}
        found.append(row | _compared(before, counts))
        before.update(counts)
    return found


def _compared(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, Any]:
    intents = sorted({*before, *now})
    old = np.array([before.get(intent, 0) for intent in intents])
    new = np.array([now.get(intent, 0) for intent in intents])
    sizes = int(old.sum()), int(new.sum())
    if min(sizes) < LEAST:
        return {"distance": None, "chance": None, "beyond": None, "most": None}
    moved = new / sizes[1] - old / sizes[0]
    distance = float(np.abs(moved).sum() / 2)
    draw = np.random.default_rng(0)
    mixed = (old + new) / sum(sizes)
    pairs = [draw.multinomial(size, mixed, _DRAWS) / size for size in sizes]
    chance = float(np.quantile(np.abs(pairs[0] - pairs[1]).sum(axis=1) / 2, 0.95))
    most = int(np.argmax(np.abs(moved)))
    return {
        "distance": round(distance, 4),
        "chance": round(chance, 4),
        "beyond": distance > chance,
        "most": {"intent": intents[most], "by": round(float(moved[most]), 4)},
    }
