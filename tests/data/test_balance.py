"""The report on balance, against naive computations and cases with a known answer."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.data.balance import balance, cramers_v, giveaways, label_balance
from attar.types import Row


def test_label_balance_of_known_cases() -> None:
    even = label_balance({"a": 5, "b": 5, "c": 5, "d": 5})
    assert (even["ratio"], even["effective_count"], even["largest_share"]) == (1.0, 4.0, 0.25)
    uneven = label_balance({"a": 90, "b": 10})
    assert uneven["largest"] == "a" and uneven["ratio"] == 9.0
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert uneven["effective_count"] == pytest.approx(np.exp(entropy), abs=0.01)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 1000), min_size=1, max_size=12))
def test_the_effective_count_lies_between_one_and_all(counts: dict[str, int]) -> None:
    found = label_balance(counts)
    assert 1 - 1e-6 <= found["effective_count"] <= len(counts) + 0.01
    assert found["ratio"] >= 1


def chi_squared(pairs: list[tuple[str, str]]) -> float:
    """The textbook way, over all cells."""
    first, second = sorted({a for a, _ in pairs}), sorted({b for _, b in pairs})
    table = np.array([[pairs.count((a, b)) for b in second] for a in first], float)
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    return float(((table - expected) ** 2 / expected).sum())


def test_cramers_v_corrects_the_textbook_value() -> None:
    rng = random.Random(0)
    pairs = [(rng.choice("abc"), rng.choice("wxyz")) for _ in range(300)]
    pairs += [("a", "w")] * 60
    n, r, k = len(pairs), 3, 4
    phi2 = max(0.0, chi_squared(pairs) / n - (r - 1) * (k - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    assert cramers_v(pairs) == pytest.approx((phi2 / least) ** 0.5)
    assert cramers_v([("a", "x"), ("b", "y")] * 50) == pytest.approx(1.0, abs=0.02)
    assert cramers_v([("a", "x")] * 9) == 0.0
    # Groups of one row each say nothing of the label, though chi² is as large as it can be.
    assert cramers_v([("ab"[i % 2], str(i)) for i in range(200)]) == pytest.approx(0.0, abs=0.08)


def test_giveaways_are_words_of_one_label_beyond_chance() -> None:
    rng = random.Random(1)
    words = [f"w{i}" for i in range(30)]
    rows = [Row(" ".join(rng.sample(words, 6)), "xy"[i % 2]) for i in range(400)]
    planted = [Row(f"{row.text} Ticket", "x") if i % 10 == 0 else row for i, row in enumerate(rows)]
    assert giveaways(rows) == []  # nothing but chance
    (found,) = giveaways(planted)
    assert (found["word"], found["label"], found["texts"], found["share"]) == ("ticket", "x", 40, 1)
    share = sum(row.label == "x" for row in planted) / len(planted)
    assert found["pmi"] == pytest.approx(np.log2(1 / share), abs=0.01)
    assert found["z"] == pytest.approx((1 - share) / (share * (1 - share) / 40) ** 0.5, abs=0.06)


def test_lengths_that_tell_the_label() -> None:
    rng = random.Random(2)
    same = [Row("a" * rng.randint(20, 60), "xy"[i % 2]) for i in range(200)]
    apart = [Row("a" * (20 if i % 2 else 60), "xy"[i % 2]) for i in range(200)]
    assert balance(same)["length"]["explained"] < 0.05
    report = balance(apart)["length"]
    assert report == {"median_characters": {"x": 60, "y": 20}, "explained": 1.0}


def test_the_report_is_json_and_groups_are_optional() -> None:
    rows = [Row("some text", "ab"[i % 2], f"g{i % 2}") for i in range(40)]
    report = balance(rows)
    assert report["group"] == {"groups": 2, "cramers_v": 1.0}
    assert json.loads(json.dumps(report)) == report
    assert "group" not in balance([Row("text", "a"), Row("text", "b")])
    assert balance([]) == {} and balance([Row("unlabeled")]) == {}
