"""Splits are partitions, keep units whole and do not depend on the order of rows."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.data.split import fractions_without, split
from attar.tasks.label_sets import labels_in, name_of
from attar.types import Row

FRACTIONS = fractions_without(())
FRACTIONS_WITH_TEST = fractions_without({"certify"})

drawn_rows = st.lists(
    st.builds(
        Row,
        text=st.text("ab c", max_size=6),
        label=st.sampled_from("xyz"),
        group=st.none() | st.sampled_from("123456"),
    ),
    max_size=40,
)


@given(
    rows=drawn_rows,
    seed=st.integers(0, 3),
    fractions=st.sampled_from([FRACTIONS, FRACTIONS_WITH_TEST]),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_properties(
    rows: list[Row], seed: int, fractions: dict[str, float], data: st.DataObject
) -> None:
    cluster_of = {row.text: data.draw(st.integers(0, 20)) for row in rows}
    result = split(rows, [cluster_of[row.text] for row in rows], fractions, seed)
    assert list(result) == list(fractions)
    assert Counter(r for found in result.values() for r in found) == Counter(rows)
    for key in (lambda r: r.group or r, lambda r: cluster_of[r.text]):
        places: dict[object, set[str]] = {}
        for name, found in result.items():
            for row in found:
                places.setdefault(key(row), set()).add(name)
        assert all(len(names) == 1 for names in places.values())
    assert {r.label for r in result["train"]} == {r.label for r in rows}
    order = data.draw(st.permutations(rows))
    assert split(order, [cluster_of[row.text] for row in order], fractions, seed) == result


def make(counts: dict[str, int]) -> list[Row]:
    return [Row(f"{label} number {i}", label) for label, n in counts.items() for i in range(n)]


@pytest.mark.parametrize("fractions", [FRACTIONS, FRACTIONS_WITH_TEST])
def test_each_label_is_shared_out(fractions: dict[str, float]) -> None:
    rows = make({"a": 1000, "b": 137, "c": 20})
    result = split(rows, range(len(rows)), fractions, seed=5)
    for label, n in {"a": 1000, "b": 137, "c": 20}.items():
        for name, share in fractions.items():
            assert abs(sum(r.label == label for r in result[name]) - share * n) <= 2


def test_small_classes_together_fill_the_small_splits() -> None:
    rows = make({f"label {i}": 3 for i in range(150)})
    result = split(rows, range(len(rows)), FRACTIONS)
    for name, share in FRACTIONS.items():
        assert abs(len(result[name]) - share * len(rows)) <= 15
    assert len({r.label for r in result["train"]}) == 150


def test_the_seed_changes_the_splits() -> None:
    rows = make({"a": 100, "b": 100})
    assert split(rows, range(200), FRACTIONS, 0) != split(rows, range(200), FRACTIONS, 1)


def test_large_groups_go_where_they_fit() -> None:
    rng = random.Random(0)
    rows = [Row(f"text {i}", rng.choice("ab"), str(i % 50)) for i in range(1000)]
    result = split(rows, range(1000), FRACTIONS)
    for name, share in FRACTIONS.items():
        assert abs(len(result[name]) - 1000 * share) <= 40


def test_few_rows_leave_no_split_empty() -> None:
    rows = make({"a": 4, "b": 4})
    assert all(split(rows, range(8), FRACTIONS).values())


def test_label_sets_are_shared_out_by_label_and_by_size() -> None:
    """Every label has its share of each split, and no split gets the rows with many labels."""
    rng = random.Random(3)
    names = {"a": 0.5, "b": 0.2, "c": 0.1, "rare": 0.02}
    rows = [
        Row(f"text {i}", name_of(name for name, share in names.items() if rng.random() < share))
        for i in range(2000)
    ]
    result = split(rows, range(len(rows)), FRACTIONS, 0, labels_in)
    whole = Counter(label for row in rows for label in labels_in(row.label))
    sizes = Counter(len(labels_in(row.label)) for row in rows)
    for name, share in FRACTIONS.items():
        found = result[name]
        assert abs(len(found) - share * len(rows)) <= 0.01 * len(rows)
        labels = Counter(label for row in found for label in labels_in(row.label))
        assert all(abs(labels[label] - share * n) <= 2 for label, n in whole.items())
        of_size = Counter(len(labels_in(row.label)) for row in found)
        for size in (0, 2):
            assert abs(of_size[size] - share * sizes[size]) <= 3
    order = rng.sample(rows, len(rows))
    assert split(order, range(len(rows)), FRACTIONS, 0, labels_in) == result
