"""Near-duplicates among the rows that curation handles, by row.

`neighbors` compares texts; here it is known which rows they stand in. Arrays hold what
is found: in Python's objects the pairs of a million texts would not fit the memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from attar.data.neighbors import Integers, clusters, near_pairs, normalize, verified
from attar.types import Row

NEAR = 0.8
#: Comparisons that `near_in_cluster` makes at most: some ten seconds.
MAX_REVISITED = 2_000_000


class Neighborhood:
    """Which of the given rows have equal or nearly equal normalized texts.

    A normalized text goes by its number among all of them, sorted; the texts themselves
    are not kept. In all, a million short rows take about 300 MB.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        normalized: dict[str, str] = {}
        for row in rows:
            if row.text not in normalized:
                normalized[row.text] = normalize(row.text)
        keys = sorted(set(normalized.values()))
        numbers = {key: number for number, key in enumerate(keys)}
        self._numbers = {text: numbers[key] for text, key in normalized.items()}
        del normalized, numbers
        self._count = len(keys)
        self._pairs = near_pairs(keys, NEAR).astype(np.int32)
        self._clusters = clusters(self._count, self._pairs)
        both = np.concatenate([self._pairs, self._pairs[:, ::-1]])
        self._partners = both[np.lexsort((both[:, 1], both[:, 0])), 1]
        self._starts = np.searchsorted(np.sort(both[:, 0]), np.arange(self._count + 1))

    def key(self, row: Row) -> int:
        return self._numbers[row.text]

    def near(self, row: Row) -> Sequence[int]:
        """Keys that equal or nearly equal the row's; its own first."""
        key = self.key(row)
        start, end = self._starts[key], self._starts[key + 1]
        return [key, *self._partners[start:end].tolist()] if start < end else [key]

    def pairs_within(self, rows: Sequence[Row]) -> Integers:
        """Index pairs, (pairs, 2), that connect all rows with equal or nearly equal texts."""
        keys = np.array([self.key(row) for row in rows], dtype=np.int64)
        first = np.full(self._count, -1, dtype=np.int64)
        first[keys[::-1]] = np.arange(len(rows))[::-1]
        near = first[self._pairs]
        twins = np.stack([first[keys], np.arange(len(rows))], axis=1)
        return np.concatenate([near[(near >= 0).all(axis=1)], twins[twins[:, 0] != twins[:, 1]]])

    def near_in_cluster(self, rows: Sequence[Row], others: Sequence[Row]) -> dict[int, Row]:
        """For keys of `rows` one of `others` that is near: also those that `near` misses.

        Where thousands of texts share a template, `near_pairs` finds some of the pairs only,
        but they connect. So each row is compared with the others in its cluster, one after
        the other, until one is near, with MAX_REVISITED comparisons in all.
        """
        cluster = self._clusters
        texts = {self.key(row): row for row in others}
        ranks: dict[int, list[int]] = defaultdict(list)  # cluster -> keys of others in it
        for key in sorted(texts):
            ranks[cluster[key]].append(key)
        left = {self.key(row): normalize(row.text) for row in rows}
        left = {key: text for key, text in left.items() if cluster[key] in ranks}
        found: dict[int, Row] = {}
        compared = turn = 0
        while left and compared < MAX_REVISITED:
            left = {k: text for k, text in left.items() if turn < len(ranks[cluster[k]])}
            pairs = [(k, ranks[cluster[k]][turn]) for k in left]
            both = [text for k, other in pairs for text in (left[k], normalize(texts[other].text))]
            places = np.arange(2 * len(pairs)).reshape(-1, 2)
            for place in verified(both, places, NEAR)[:, 0].tolist():
                key, other = pairs[place // 2]
                found[key] = texts[other]
                del left[key]
            compared += len(pairs)
            turn += 1
        return found
