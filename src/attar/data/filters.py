"""The filters of curation: each keeps rows, or drops them with a reason.

They expect rows in an order that depends on content (`split.in_order`); of rows that
are alike the first is kept. No filter is meant for certify rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from attar.data import reasons
from attar.data.neighbors import fold, near_pairs, normalize
from attar.types import Dropped, Row

MAX_CHARACTERS = 10_000
NEAR = 0.8

Filtered = tuple[list[Row], list[Dropped]]


class Neighborhood:
    """Which of the given rows have equal or nearly equal normalized texts."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._keys: dict[str, str] = {}
        for row in rows:
            if row.text not in self._keys:
                self._keys[row.text] = normalize(row.text)
        keys = sorted(set(self._keys.values()))
        self._near: dict[str, list[str]] = defaultdict(list)
        for i, j in near_pairs(keys, NEAR).tolist():
            self._near[keys[i]].append(keys[j])
            self._near[keys[j]].append(keys[i])

    def key(self, row: Row) -> str:
        return self._keys[row.text]

    def near(self, row: Row) -> Sequence[str]:
        """Keys that equal or nearly equal the row's; its own first."""
        key = self.key(row)
        return [key, *self._near.get(key, ())]

    def pairs_within(self, rows: Sequence[Row]) -> list[tuple[int, int]]:
        """Index pairs that connect all rows with equal or nearly equal texts."""
        first: dict[str, int] = {}
        for i, row in enumerate(rows):
            first.setdefault(self.key(row), i)
        return [
            (first[key], i) for i, row in enumerate(rows) for key in self.near(row) if key in first
        ]


def usable(rows: Iterable[Row]) -> Filtered:
    """Drop texts that are empty or too long."""
    kept: list[Row] = []
    dropped = []
    for row in rows:
        if not row.text.strip():
            dropped.append(Dropped(row, reasons.EMPTY))
        elif len(row.text) > MAX_CHARACTERS:
            detail = f"{len(row.text):,} characters, at most {MAX_CHARACTERS:,}"
            dropped.append(Dropped(row, reasons.OVERLONG, detail))
        else:
            kept.append(row)
    return kept, dropped


def without_conflicts(rows: Sequence[Row]) -> Filtered:
    """Where a text stands under several labels, keep the strict majority's, or none.

    "The same text" leaves punctuation in place: "ok :)" and "ok :(" are no conflict.
    """
    labels: dict[str, Counter[str | None]] = defaultdict(Counter)
    keys = [fold(row.text) for row in rows]
    for key, row in zip(keys, rows, strict=True):
        labels[key][row.label] += 1
    kept: list[Row] = []
    dropped = []
    for key, row in zip(keys, rows, strict=True):
        counts = labels[key]
        if 2 * counts[row.label] > counts.total():
            kept.append(row)
        else:
            found = ", ".join(f"{label} ({n})" for label, n in sorted(counts.items(), key=str))
            dropped.append(Dropped(row, reasons.LABEL_CONFLICT, f"the text has labels {found}"))
    return kept, dropped


def without_duplicates(rows: Iterable[Row]) -> Filtered:
    """Keep the first of rows with the same normalized text and label."""
    first: dict[tuple[str, str | None], Row] = {}
    dropped = []
    for row in rows:
        original = first.setdefault((normalize(row.text), row.label), row)
        if original is not row:
            dropped.append(Dropped(row, reasons.DUPLICATE, f"same text as {original.place}"))
    return list(first.values()), dropped


def without_near_duplicates(rows: Iterable[Row], near: Neighborhood) -> Filtered:
    """Drop rows near to a row kept before them that has the same label."""
    kept: dict[tuple[str, str | None], Row] = {}
    dropped = []
    for row in rows:
        found = [(key, row.label) for key in near.near(row) if (key, row.label) in kept]
        if found:
            detail = f"nearly the text of {kept[found[0]].place}"
            dropped.append(Dropped(row, reasons.NEAR_DUPLICATE, detail))
        else:
            kept[near.key(row), row.label] = row
    return list(kept.values()), dropped


def without_leaks(rows: Iterable[Row], held_out: Iterable[Row], near: Neighborhood) -> Filtered:
    """Drop rows that equal, nearly equal or share a group with a held-out row."""
    texts: dict[str, Row] = {}
    groups: dict[str, Row] = {}
    for row in held_out:
        texts.setdefault(near.key(row), row)
        if row.group is not None:
            groups.setdefault(row.group, row)
    kept: list[Row] = []
    dropped = []
    for row in rows:
        found = next((texts[key] for key in near.near(row) if key in texts), None)
        if found is not None:
            nearly = "" if near.key(found) == near.key(row) else "nearly "
            dropped.append(Dropped(row, reasons.LEAK, f"{nearly}the text of {found.place}"))
        elif row.group is not None and row.group in groups:
            detail = f"shares the group {row.group!r} with {groups[row.group].place}"
            dropped.append(Dropped(row, reasons.LEAK, detail))
        else:
            kept.append(row)
    return kept, dropped


def without_known(rows: Iterable[Row], train: Iterable[Row]) -> Filtered:
    """Drop unlabeled rows whose text train has."""
    known: dict[str, Row] = {}
    for row in train:
        known.setdefault(normalize(row.text), row)
    kept: list[Row] = []
    dropped = []
    for row in rows:
        original = known.get(normalize(row.text))
        if original is None:
            kept.append(row)
        else:
            dropped.append(Dropped(row, reasons.DUPLICATE, f"same text as {original.place}"))
    return kept, dropped
