"""The filters of curation: each keeps rows, or drops them with a reason.

They expect rows in an order that depends on content (`split.in_order`); of rows that
are alike the first is kept. No filter is meant for certify rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from attar.data import reasons
from attar.data.neighborhood import Neighborhood
from attar.data.neighbors import fold, normalize
from attar.types import Dropped, Flagged, Row

MAX_CHARACTERS = 10_000
MAX_DOCUMENT_CHARACTERS = 200_000  # of what is summarized: some 60 pages

Filtered = tuple[list[Row], list[Dropped]]


def usable(rows: Iterable[Row], most: int = MAX_CHARACTERS) -> Filtered:
    """Drop texts that are empty or have more than `most` characters."""
    kept: list[Row] = []
    dropped = []
    for row in rows:
        if not row.text.strip():
            dropped.append(Dropped(row, reasons.EMPTY))
        elif len(row.text) > most:
            detail = f"{len(row.text):,} characters, at most {most:,}"
            dropped.append(Dropped(row, reasons.OVERLONG, detail))
        else:
            kept.append(row)
    return kept, dropped


class Repeats:
    """What is known of texts that stand in several rows, perhaps under several labels.

    Two rows speak for a text. Learning takes one with the label of the strict majority,
    or none. Evaluation takes one drawn from all of them, whatever its label: texts that
    people label differently are a part of the traffic, and leaving them out would
    flatter the model. "The same text" leaves punctuation in place: "ok :)" and "ok :("
    are two.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        first: dict[str, Row] = {}
        #: The rows of each text that stands in several, in order.
        self._repeated: dict[str, list[Row]] = {}
        for row in rows:
            text = fold(row.text)
            original = first.setdefault(text, row)
            if original is not row:
                self._repeated.setdefault(text, [original]).append(row)
        self._firsts = list(first.values())

    def _rows(self, row: Row) -> list[Row]:
        """All rows with this row's text."""
        return self._repeated.get(fold(row.text)) or [row]

    def merged(self) -> Filtered:
        """One row a text, in the order of the texts' first rows; its label is None where
        no label has a strict majority."""
        kept: list[Row] = []
        dropped = []
        for first in self._firsts:
            rows = self._rows(first)
            if len(rows) == 1:
                kept.append(first)
                continue
            settled, label = _settled(rows)
            kept.append(replace(settled, label=label))
            for row in rows:
                if row is settled:
                    continue
                if row.label == label:
                    detail = f"same text as {settled.place}"
                    dropped.append(Dropped(row, reasons.DUPLICATE, detail))
                else:
                    dropped.append(Dropped(row, reasons.LABEL_CONFLICT, _labels_of(rows)))
        return kept, dropped

    def to_learn(self, merged: Sequence[Row]) -> Filtered:
        """Merged rows less those without a majority."""
        kept = [row for row in merged if row.label is not None]
        undecided = (self._rows(row) for row in merged if row.label is None)
        return kept, [
            Dropped(rows[0], reasons.LABEL_CONFLICT, _labels_of(rows)) for rows in undecided
        ]

    def to_evaluate(
        self, merged: Sequence[Row], known: Callable[[str | None], bool], dropped: list[Dropped]
    ) -> list[Row]:
        """For each merged row one drawn from its text's rows, of those with a `known` label
        and its group; `dropped` is corrected where that is another than the one merged."""
        kept: list[Row] = []
        replaced: list[Dropped] = []
        for merged_row in merged:
            text = fold(merged_row.text)
            rows = self._rows(merged_row)
            settled, _ = _settled(rows)
            possible = [r for r in rows if known(r.label) and r.group == merged_row.group]
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            drawn = possible[int.from_bytes(digest[:8]) % len(possible)] if possible else None
            if drawn is not None:
                kept.append(drawn)
            if drawn is not settled:
                replaced.append(Dropped(settled, reasons.LABEL_CONFLICT, _labels_of(rows)))
        identities = set(map(id, kept))
        dropped[:] = [d for d in dropped if id(d.row) not in identities] + replaced
        return kept


def _settled(rows: Sequence[Row]) -> tuple[Row, str | None]:
    """The row to learn from, of rows with one text, and the label of their strict majority."""
    label, most = Counter(row.label for row in rows).most_common(1)[0]
    if 2 * most <= len(rows):
        return rows[0], None
    return next(row for row in rows if row.label == label), label


def _labels_of(rows: Sequence[Row]) -> str:
    counts = Counter(row.label for row in rows)
    return "the text has labels " + ", ".join(
        f"{label} ({n})" for label, n in sorted(counts.items(), key=str)
    )


def without(rows: Sequence[Row], flagged: Iterable[Flagged]) -> Filtered:
    """Drop the flagged rows, each once. A label that would lose every row keeps them."""
    reasons_of: dict[int, Flagged] = {}
    for one in flagged:
        reasons_of.setdefault(id(one.row), one)
    left: set[str | None] = {row.label for row in rows if id(row) not in reasons_of} | {None}
    kept: list[Row] = []
    dropped = []
    for row in rows:
        if id(row) in reasons_of and row.label in left:
            dropped.append(reasons_of[id(row)].drop())
        else:
            kept.append(row)
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
    kept: dict[tuple[int, str | None], Row] = {}
    dropped = []
    for row in rows:
        found = [(key, row.label) for key in near.near(row) if (key, row.label) in kept]
        if found:
            detail = f"nearly the text of {kept[found[0]].place}"
            dropped.append(Dropped(row, reasons.NEAR_DUPLICATE, detail))
        else:
            kept[near.key(row), row.label] = row
    return list(kept.values()), dropped


def without_leaks(rows: Sequence[Row], held_out: Sequence[Row], near: Neighborhood) -> Filtered:
    """Drop rows that equal, nearly equal or share a group with a held-out row."""
    texts: dict[int, Row] = {}
    for row in held_out:
        texts.setdefault(near.key(row), row)
    leaks: dict[int, Row] = {}
    for row in rows:
        found = next((texts[key] for key in near.near(row) if key in texts), None)
        if found is not None:
            leaks[near.key(row)] = found
    others = [row for row in rows if near.key(row) not in leaks]
    leaks |= near.near_in_cluster(others, list(texts.values()))
    apart: list[Row] = []
    dropped = []
    for row in rows:
        found = leaks.get(near.key(row))
        if found is not None:
            nearly = "" if near.key(found) == near.key(row) else "nearly "
            dropped.append(Dropped(row, reasons.LEAK, f"{nearly}the text of {found.place}"))
        else:
            apart.append(row)
    kept, shared = without_shared_groups(apart, held_out)
    return kept, dropped + shared


def without_shared_groups(rows: Iterable[Row], held_out: Iterable[Row]) -> Filtered:
    """Drop rows that share a group with a held-out row, whatever they say."""
    groups: dict[str, Row] = {}
    for row in held_out:
        if row.group is not None:
            groups.setdefault(row.group, row)
    kept: list[Row] = []
    dropped = []
    for row in rows:
        if row.group is not None and row.group in groups:
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
