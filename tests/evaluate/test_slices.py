"""Slices: what is counted in each, which one is named, and how texts are altered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("scipy.stats")

from attar.evaluate.slices import (
    CASES,
    DOCUMENT_LENGTHS,
    GROUP_ROWS,
    MOST_GROUPS,
    PERTURBATIONS,
    bias_table,
    perturb,
    perturbed_slices,
    share_of,
    slices,
    worst,
)
from attar.types import Row

NO_ROWS = np.zeros(0, bool)


def named(entries: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in entries if entry["kind"] == kind}


def grouped(**right_of: tuple[int, int]) -> tuple[list[Row], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Rows of groups, given as name=(right, rows)."""
    rows, right = [], []
    for name, (hits, count) in right_of.items():
        rows += [Row("a text", "x", group=name)] * count
        right += [i < hits for i in range(count)]
    return rows, np.array(right, bool)


def test_by_label_and_length() -> None:
    rows = [
        Row("where is my parcel", "delivery"),
        Row(" ".join(["word"] * 5), "delivery"),
        Row(" ".join(["word"] * 6), "refund"),
        Row(" ".join(["word"] * 12), "refund"),
        Row(" ".join(["word"] * 13), "refund"),
    ]
    found = slices(rows, np.array([True, False, True, True, False]))
    labels, lengths = named(found, "label"), named(found, "length")
    assert {name: (s["rows"], s["accuracy"]) for name, s in labels.items()} == {
        "delivery": (2, 0.5),
        "refund": (3, 0.666667),
    }
    assert [(s["rows"], s["accuracy"]) for s in lengths.values()] == [(2, 0.5), (2, 1.0), (1, 0.0)]
    assert [name.split()[0] for name in lengths] == ["short", "medium", "long"]
    assert not named(found, "group")
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_interval_is_clopper_pearsons() -> None:
    """Brown, Cai & DasGupta 2001: 0 of 10 reaches up to 1 - 0.025 ** (1 / 10)."""
    (label, *_) = slices([Row("a", "x")] * 10, np.zeros(10, bool))
    assert label["lower"] == 0.0
    assert label["upper"] == round(1 - 0.025**0.1, 6)


def test_no_rows_one_row_and_an_empty_text() -> None:
    assert slices([], NO_ROWS) == []
    assert perturbed_slices(lambda rows: NO_ROWS, []) == []
    assert bias_table([], NO_ROWS) == []
    assert worst([]) is None
    found = slices([Row("", "x")], np.array([True]))
    assert [(s["kind"], s["rows"]) for s in found] == [("label", 1), ("length", 1)]


def test_rows_without_a_label_are_no_label_slice() -> None:
    assert not named(slices([Row("a", None)], np.array([False])), "label")


def test_groups_large_enough_the_largest_first() -> None:
    rows, right = grouped(small=(9, GROUP_ROWS - 1), big=(20, 30), enough=(1, GROUP_ROWS))
    rows.append(Row("no group", "x"))
    right = np.append(right, True)
    assert list(named(slices(rows, right), "group")) == ["big", "enough"]
    assert not named(slices(rows, right, group=False), "group")


def test_at_most_so_many_groups() -> None:
    rows, right = grouped(**{f"g{i:02}": (5, 10 + i) for i in range(MOST_GROUPS + 3)})
    found = named(slices(rows, right), "group")
    assert len(found) == MOST_GROUPS
    assert "g02" not in found and "g03" in found


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(max_size=40), st.sampled_from("abc"), st.booleans())))
def test_every_row_is_in_one_slice_of_a_kind(drawn: list[tuple[str, str, bool]]) -> None:
    rows = [Row(text, label) for text, label, _ in drawn]
    right = np.array([hit for _, _, hit in drawn], bool)
    found = slices(rows, right)
    for kind in ("label", "length"):
        parts = named(found, kind).values()
        assert sum(s["rows"] for s in parts) == len(rows)
        assert sum(s["rows"] * s["accuracy"] for s in parts) == pytest.approx(right.sum(), abs=1e-3)
        assert all(0 <= s["lower"] <= s["accuracy"] <= s["upper"] <= 1 for s in parts)


def test_worst_is_the_surely_bad_one() -> None:
    """By accuracy alone the two unlucky rows would be named."""
    rows = [Row("a", "tiny")] * 2 + [Row("a", "bad")] * 200 + [Row("a", "good")] * 200
    right = np.array([False] * 2 + [i < 100 for i in range(200)] + [True] * 200)
    found = worst(slices(rows, right)[:3])
    assert found is not None and found["name"] == "bad"


def test_worst_is_never_the_whole() -> None:
    whole = perturbed_slices(lambda rows: np.zeros(len(rows), bool), [Row("a", "x")] * 20)
    assert worst(whole[:1]) is None
    found = worst(whole)
    assert found is not None and found["name"] in PERTURBATIONS


def test_perturbed_slices_predict_the_altered_texts() -> None:
    rows = [Row("Refund, please!", "refund"), Row("where is it", "delivery")]
    asked = []

    def judge(rows: Sequence[Row]) -> NDArray[np.bool_]:
        asked.append([row.text for row in rows])
        return np.array([("Refund" in row.text) == (row.label == "refund") for row in rows])

    found = named(perturbed_slices(judge, rows), "perturbation")
    assert list(found) == ["as written", *PERTURBATIONS]
    assert found["as written"]["accuracy"] == found["no punctuation"]["accuracy"] == 1.0
    assert found["lower case"]["accuracy"] == found["upper case"]["accuracy"] == 0.5
    assert asked[0] == ["Refund, please!", "where is it"]
    assert asked[-1] == ["Refund please", "where is it"]


def test_a_missing_answer_is_noticed() -> None:
    with pytest.raises(ValueError, match="1 answers to 2 texts"):
        perturbed_slices(lambda rows: np.ones(1, bool), [Row("a", "x")] * 2)


def test_texts_whose_places_would_move_are_left_alone() -> None:
    seen: list[str] = []

    def judge(rows: Sequence[Row]) -> NDArray[np.bool_]:
        seen.extend(row.text for row in rows)
        return np.ones(len(rows), bool)

    rows = [Row("Große Stadt", "x"), Row("İstanbul", "x")]
    perturbed_slices(judge, rows, CASES, keep_places=True)
    assert seen[2:] == ["große stadt", "İstanbul", "Große Stadt", "İSTANBUL"]


def test_grades_have_means_with_intervals() -> None:
    rows = [Row("word " * n, "x", group="g") for n in (20, 20, 200, 900) * 3]
    grades = np.array([0.2, 0.4, 0.9, 1.0] * 3)
    found = slices(rows, grades, lengths=DOCUMENT_LENGTHS)
    assert {s["name"].split()[0]: (s["rows"], share_of(s)) for s in found} == {
        "x": (12, 0.625), "short": (6, 0.3), "medium": (3, 0.9), "long": (3, 1.0), "g": (12, 0.625),
    }  # fmt: skip
    assert all("accuracy" not in s and 0 <= s["lower"] < s["grade"] for s in found)
    assert all(s["grade"] <= s["upper"] <= 1 for s in found)
    assert worst(found) == next(s for s in found if s["name"].startswith("short"))


def test_bias_table_against_fishers_tea() -> None:
    """Fisher 1935: 3 of 4 against 1 of 4 has the two-sided p-value 34/70; tenfold below."""
    rows, right = grouped(a=(30, 40), b=(10, 40))
    found = bias_table(rows, right)
    assert [entry["name"] for entry in found] == ["a", "b"]
    assert found[0] | {"p_value": 0} == {
        "name": "a", "rows": 40, "accuracy": 0.75, "others": 0.25, "difference": 0.5, "p_value": 0,
    }  # fmt: skip
    assert found[1]["difference"] == -0.5
    assert found[0]["p_value"] < 0.001
    rows, right = grouped(a=(9, 10), b=(9, 10), c=(9, 10))
    assert [entry["p_value"] for entry in bias_table(rows, right)] == [1.0, 1.0, 1.0]


def test_bias_table_is_holm_adjusted() -> None:
    from scipy.stats import fisher_exact

    rows, right = grouped(a=(10, 20), b=(18, 20), c=(18, 20))
    alone = fisher_exact([[10, 10], [36, 4]]).pvalue
    assert bias_table(rows, right)[0]["p_value"] == pytest.approx(3 * alone, abs=1e-6)


def test_bias_table_needs_two_groups() -> None:
    rows, right = grouped(a=(15, 20))
    assert bias_table(rows, right) == []
    # Rows without a group are no group to compare with; small groups are.
    assert bias_table([*rows, Row("a", "x")], np.append(right, True)) == []
    rows, right = grouped(a=(15, 20), small=(1, 2))
    assert [(e["name"], e["others"]) for e in bias_table(rows, right)] == [("a", 0.5)]


@pytest.mark.parametrize(
    ("text", "kind", "altered"),
    [
        ("Hello, World!", "lower case", "hello, world!"),
        ("Hello, World!", "upper case", "HELLO, WORLD!"),
        ("Straße", "upper case", "STRASSE"),
        ("Hi, don't use e-mail/SMS…", "no punctuation", "Hi dont use e mail SMS"),
        ("¿Dónde está?", "no punctuation", "Dónde está"),
        ("two  spaces", "no punctuation", "two  spaces"),
        ("???", "no punctuation", "???"),
        ("$5 + 3", "no punctuation", "$5 + 3"),
        ("", "no punctuation", ""),
        ("12 + 34", "typos", "12 + 34"),
        ("a", "typos", "a"),
        ("", "typos", ""),
    ],
)
def test_perturb(text: str, kind: str, altered: str) -> None:
    assert perturb(text, kind, 0) == altered


TYPOS = ["where si my parcle", "I want a refud plesse", "отемните мой заказ", "退在哪里"]


def test_typos_stay_as_they_are() -> None:
    """The same in every version of Python, so that reports can be compared."""
    texts = ["where is my parcel", "I want a refund please", "отмените мой заказ", "退款在哪里"]
    assert [perturb(text, "typos", 0) for text in texts] == TYPOS
    assert perturb(texts[0], "typos", 1) != perturb(texts[0], "typos", 0)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of typos, lower case"):
        perturb("a", "Typos", 0)


@given(st.text(max_size=60), st.sampled_from(PERTURBATIONS), st.integers(0, 5))
def test_perturb_is_deterministic_and_leaves_something(text: str, kind: str, seed: int) -> None:
    altered = perturb(text, kind, seed)
    assert altered == perturb(text, kind, seed)
    assert bool(altered) == bool(text)


@given(st.text(min_size=1, max_size=60), st.integers(0, 5))
def test_typos_change_little_but_something(text: str, seed: int) -> None:
    pairs = zip(text, text[1:], strict=False)
    assume(any(a.isalpha() and b.isalpha() for a, b in pairs))
    altered = perturb(text, "typos", seed)
    assert altered != text
    assert abs(len(altered) - len(text)) <= 2


@given(st.text(max_size=60))
def test_no_punctuation_once_is_enough(text: str) -> None:
    once = perturb(text, "no punctuation", 0)
    assert perturb(once, "no punctuation", 0) == once


def test_lone_surrogates_do_not_stop_it() -> None:
    for kind in PERTURBATIONS:
        assert perturb("ab \ud83d cd", kind, 0)
