"""Rows by nearness, beside what brute force finds."""

from __future__ import annotations

import random

import pytest

from attar.data import neighborhood, neighbors
from attar.data.filters import without_leaks
from attar.data.neighborhood import Neighborhood
from attar.data.neighbors import clusters, normalize
from attar.types import Row


def jaccard(one: str, two: str) -> float:
    a, b = ({t[i : i + 4] for i in range(len(t) - 3)} for t in map(normalize, (one, two)))
    return len(a & b) / len(a | b)


def tickets(count: int, seed: int) -> list[Row]:
    """One template whose filled texts are near to some of the others only."""
    rng = random.Random(seed)
    texts = {
        f"please cancel my order {rng.choice('abcd') * 3}{rng.choice('efgh') * 3} and send "
        f"{rng.choice('ijkl') * 4} back to the warehouse before {rng.randrange(60)} at the latest"
        for _ in range(4 * count)
    }
    return [Row(text, "x", None, "rows", i) for i, text in enumerate(sorted(texts)[:count])]


def test_leaks_in_a_crowded_template_are_all_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a row was compared with a window of its nearest only, so a leak of a few
    test rows into thousands that share their template was missed."""
    rows = tickets(700, seed=1)
    random.Random(0).shuffle(rows)
    train, test = rows[6:], rows[:6]
    monkeypatch.setattr(neighbors, "MAX_COMPARED", 0)
    monkeypatch.setattr(neighbors, "MIN_WINDOW", 3)
    near = Neighborhood([*train, *test])
    _, dropped = without_leaks(train, test, near)
    expected = {r.line for r in train if any(jaccard(r.text, t.text) >= 0.8 for t in test)}
    direct = {r.line for r in train if {near.key(t) for t in test} & {*near.near(r)}}
    assert direct < expected < {row.line for row in train}  # the case is one
    assert {d.row.line for d in dropped} == expected
    for d in dropped:
        place = d.detail.removeprefix("nearly the text of ")
        assert jaccard(d.row.text, next(t.text for t in test if t.place == place)) >= 0.8


def test_revisiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tickets(300, seed=2)
    near = Neighborhood(rows)
    assert near.near_in_cluster(rows[20:], rows[:20])
    monkeypatch.setattr(neighborhood, "MAX_REVISITED", 0)
    assert near.near_in_cluster(rows[20:], rows[:20]) == {}


def test_pairs_within_connect_equal_and_near_rows() -> None:
    texts = ["Where is my parcel, please?", "where is my PARCEL please", "where is my parcel pleas",
             "where is the invoice of may", "no", "No!"]  # fmt: skip
    rows = [Row(text) for text in texts]
    near = Neighborhood([*rows, Row("where is my parcel pleaser")])
    assert clusters(6, near.pairs_within(rows)).tolist() == [0, 0, 0, 3, 4, 4]
    assert near.key(rows[0]) == near.key(rows[1])
    assert near.near(rows[4]) == [near.key(rows[5])]
    assert len(near.near(rows[0])) == 3
