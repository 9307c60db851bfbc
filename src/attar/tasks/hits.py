"""Where the right documents stand in rankings, and what figures make of it.

Hits are an array (queries, places), True where the document at a place is a right one. Figures
that look for one right document, however many there are, take the first: so do a hit rate
(recall at k here) and the reciprocal rank (Voorhees 1999). nDCG counts all of them, against
the ranking that has them on top (Järvelin & Kekäläinen 2002, every gain 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Hits = NDArray[np.bool_]
Places = NDArray[np.int64]


def hits_of(
    ranked: Sequence[Sequence[str | None]], right: Sequence[Sequence[str]], places: int
) -> Hits:
    """(queries, places). ranked: ids, best first, None for no document; right: ids."""
    found = np.zeros((len(ranked), places), bool)
    for i, (ids, wanted) in enumerate(zip(ranked, right, strict=True)):
        for place, name in enumerate(ids[:places]):
            found[i, place] = name is not None and name in wanted
    return found


def first_places(hits: Hits) -> Places:
    """The place of each query's first right document, from 1; 0 where there is none."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64)


def reciprocal(places: Places) -> Floats:
    """1 / place, 0 for place 0."""
    return np.divide(1.0, places, out=np.zeros(len(places)), where=places > 0)


def discounted(hits: Hits, right: Sequence[Sequence[str]]) -> Floats:
    """nDCG of each query at as many places as there are; 0 where nothing is right."""
    gains = 1 / np.log2(np.arange(hits.shape[1]) + 2.0)  # (places,)
    best = np.array([gains[: len(set(ids))].sum() for ids in right])
    found: Floats = np.divide(hits @ gains, best, out=np.zeros(len(hits)), where=best > 0)
    return found
