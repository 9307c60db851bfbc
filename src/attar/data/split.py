"""Cutting rows into splits: by label shares, never through a group or cluster.

The same rows, fractions and seed give the same splits, whatever the order of the
rows. It does not look for near-duplicates itself: clusters come from `neighbors`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from attar.data.neighbors import clusters as connect
from attar.data.neighbors import normalize
from attar.types import Dataset, Row

#: What is cut off train for the splits that have no file of their own.
HELD_OUT = {"select": 0.08, "calibrate": 0.08, "certify": 0.20}

Quotas = dict[str, dict[str, int]]
LabelsOf = Callable[[str | None], Sequence[str]]
Count = Callable[[Iterable[Row]], Counter[str]]


def fractions_without(given: Collection[str]) -> dict[str, float]:
    """Of train and of the splits that are cut off it; given: those that have files."""
    cut = {name: share for name, share in HELD_OUT.items() if name not in given}
    return {"train": round(1 - sum(cut.values()), 2), **cut}


def row_key(row: Row) -> bytes:
    """Hash of what the row says, free of where it stood."""
    parts = (row.text, row.label, row.group)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()


def in_order(rows: Sequence[Row]) -> list[Row]:
    """The rows in an order that depends on what they say, not on the files."""
    return sorted(rows, key=lambda row: (row_key(row), row.file, row.line))


def split(
    rows: Sequence[Row],
    clusters: Sequence[int],
    fractions: Mapping[str, float],
    seed: int = 0,
    labels_of: LabelsOf = lambda label: (label or "",),
) -> dict[str, list[Row]]:
    """Cut `rows` into the named splits; the first of them is train.

    clusters: a number for each row; rows with the same number, or the same group, are
    one unit, and a unit goes to one split. Each label's rows are shared out by the
    fractions, as far as units allow. Every label has a row in train, and no split
    stays empty while train can spare a unit. A row with several labels (`labels_of`, the
    task's) counts for each, which is the stratification of Sechidis et al. (2011) in
    another order of rows; those without any are shared out like a label, and so are those
    with two, with three and so on: else the splits filled last would get most of them.
    """

    def count(some: Iterable[Row]) -> Counter[str]:
        found: Counter[str] = Counter()
        for row in some:
            labels = labels_of(row.label) or ("",)
            found.update(labels)
            if len(labels) > 1:
                found[f"\0{len(labels)} labels"] += 1
        return found

    units = _units(rows, clusters, seed)
    quotas = _quotas(count(rows), fractions, seed)
    placed = _place(units, quotas, list(fractions), count)
    _fill_empty(placed, count)
    return {name: in_order([row for unit in placed[name] for row in unit]) for name in fractions}


def join_select(dataset: Dataset) -> Dataset:
    """The dataset once nothing more is chosen on select: its rows join train."""
    return replace(
        dataset,
        train=tuple(in_order([*dataset.train, *dataset.select])),
        select=(),
        fingerprint=f"{dataset.fingerprint}, select in train",
    )


def _units(rows: Sequence[Row], clusters: Sequence[int], seed: int) -> list[list[Row]]:
    """Rows that must stay together, large units first, equal ones in an order of the seed."""
    seen: dict[int | str, int] = {}  # a cluster's number or a group's key -> its first row
    pairs = []
    for i, (row, cluster) in enumerate(zip(rows, clusters, strict=True)):
        for unit in (cluster,) if row.group is None else (cluster, row.group):
            first = seen.setdefault(unit, i)
            if first != i:
                pairs.append((first, i))
    members: dict[int, list[Row]] = defaultdict(list)
    for row, number in zip(rows, connect(len(rows), pairs).tolist(), strict=True):
        members[number].append(row)

    def rank(unit: list[Row]) -> tuple[int, bytes, bytes]:
        smallest = min(normalize(row.text) for row in unit)
        # The second hash parts units whose smallest texts are equal.
        return (-len(unit), _hash(seed, smallest), min(map(row_key, unit)))

    return sorted(members.values(), key=rank)


def _quotas(counts: Mapping[str, int], fractions: Mapping[str, float], seed: int) -> Quotas:
    """Whole rows of each label for each split.

    What rounding owes a split is carried to the next label, so that small classes
    together still fill the small splits.
    """
    train = next(iter(fractions))
    owed = dict.fromkeys(fractions, 0.0)
    quotas = {}
    for label in sorted(counts, key=lambda label: _hash(seed, label)):
        exact = {name: share * counts[label] for name, share in fractions.items()}
        quota = {name: int(value) for name, value in exact.items()}
        for name in fractions:
            owed[name] += exact[name] - quota[name]
        for _ in range(counts[label] - sum(quota.values())):
            name = max(owed, key=lambda name: (quota[train] == 0 and name == train, owed[name]))
            quota[name] += 1
            owed[name] -= 1.0
        quotas[label] = quota
    return quotas


def _place(
    units: Sequence[list[Row]], quotas: Quotas, names: Sequence[str], count: Count
) -> dict[str, list[list[Row]]]:
    """Give each unit to the split that lacks its rows most."""
    left = {label: dict(quota) for label, quota in quotas.items()}
    in_train: set[str] = set()
    placed: dict[str, list[list[Row]]] = {name: [] for name in names}
    for unit in units:
        counts = count(unit)
        name = _most_lacking(counts, left, names) if in_train.issuperset(counts) else names[0]
        placed[name].append(unit)
        for label, n in counts.items():
            left[label][name] -= n
        if name == names[0]:
            in_train.update(counts)
    return placed


def _most_lacking(counts: Mapping[str, int], left: Quotas, names: Sequence[str]) -> str:
    """The split where most rows of a unit are wanted; of equals, the one that lacks most."""

    def gain(name: str) -> tuple[int, int]:
        wanted = lacking = 0
        for label, n in counts.items():
            lack = max(left[label][name], 0)
            wanted += min(n, lack)
            lacking += lack
        return wanted, lacking

    return max(names, key=gain)


def _fill_empty(placed: dict[str, list[list[Row]]], count: Count) -> None:
    """Move a unit of train, the smallest first, into each split that has none."""
    train, *others = placed.values()
    counts = count(row for unit in train for row in unit)
    for rows in others:
        for unit in [] if rows else sorted(train, key=len):
            taken = count(unit)
            if all(counts[label] > n for label, n in taken.items()):
                train.remove(unit)
                rows.append(unit)
                counts -= taken
                break


def _hash(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "surrogatepass")).digest()
