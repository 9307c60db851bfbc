"""Claims: the three statuses, the level after several seals, words, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy.stats")

from attar.errors import RecipeError
from attar.evaluate.claims import (
    adjusted,
    check_claims,
    check_labels,
    decide,
    decide_all,
    evidence_name,
    in_words,
    measured,
    spec_of,
)
from attar.evidence import Difference, Exact, Proportion, Quantile
from attar.recipe import ClaimSpec
from attar.tasks import TASKS

CLASSIFY = TASKS.get("classify")


def share(value: float, rows: int) -> Proportion:
    return Proportion(np.arange(rows) < round(value * rows))


@pytest.mark.parametrize(
    ("value", "rows", "bound", "status"),
    [
        (0.95, 1000, 0.90, "met"),
        (0.95, 1000, 0.95, "undecided"),
        (0.95, 1000, 0.97, "unmet"),
        (0.95, 20, 0.90, "undecided"),
        (1.0, 149, 0.98, "met"),
        (1.0, 148, 0.98, "undecided"),
        (0.0, 10, 0.0, "met"),
    ],
)
def test_statuses(value: float, rows: int, bound: float, status: str) -> None:
    found = decide(ClaimSpec("accuracy", at_least=bound), share(value, rows))
    assert found["status"] == status
    assert found["lower"] <= value <= found["upper"]
    assert found["rows"] == rows
    assert (found["more_rows"] is not None) == (status == "undecided" and value != bound)
    assert (found["p_value"] <= 0.05 + 1e-6) == (status == "met")
    opposite = decide(ClaimSpec("error_when_answering", at_most=1 - bound), share(1 - value, rows))
    assert opposite["status"] == status
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("evidence", [None, share(0.5, 0), Exact(math.nan)])
def test_nothing_decides_nothing(evidence: Any) -> None:
    found = decide(ClaimSpec("accuracy", at_least=0.0), evidence)
    assert found["status"] == "undecided"
    assert found["value"] is None
    assert found["p_value"] == 1.0
    assert "no row can decide it" in in_words(found)


def test_every_look_at_the_rows_costs_level() -> None:
    claim = ClaimSpec("accuracy", at_least=0.93)
    evidence = share(0.945, 1000)
    statuses = [decide(claim, evidence, seals)["status"] for seals in (1, 2, 10)]
    assert statuses == ["met", "undecided", "undecided"]
    first, tenth = decide(claim, evidence, 1), decide(claim, evidence, 10)
    assert tenth["lower"] < first["lower"]
    assert tenth["p_value"] == pytest.approx(min(1, 10 * first["p_value"]))


def test_all_together_is_harder_than_each() -> None:
    claims = [ClaimSpec("accuracy", at_least=b) for b in (0.93, 0.931, 0.80)]
    decided = decide_all(claims, {"accuracy": share(0.945, 1000)})
    assert [c["status"] for c in decided] == ["met", "met", "met"]
    together = [c["together"] for c in adjusted(decided)]
    assert together == [False, False, True]
    assert adjusted([]) == []
    assert adjusted(decided[:1])[0]["together"]


def test_recall_is_about_its_label() -> None:
    claims = [
        ClaimSpec("recall", "refund", at_least=0.5),
        ClaimSpec("recall", "cancel", at_least=0.5),
    ]
    found = decide_all(claims, {"recall of refund": share(1.0, 40)})
    assert [c["status"] for c in found] == ["met", "undecided"]
    assert evidence_name(claims[0]) == "recall of refund"
    assert "recall of refund at least 0.5" in in_words(found[0])
    assert spec_of(found[0]) == claims[0]


def test_the_claims_of_other_kinds() -> None:
    right = np.arange(2000) < 1900
    found = decide(ClaimSpec("retained", at_least=-0.01), Difference(right, right))
    assert (found["status"], found["value"]) == ("met", 0.0)
    latency = ClaimSpec("latency_p99_ms", at_most=2.0)
    assert measured(latency)
    assert decide(latency, Quantile(np.full(400, 1.5), 0.99))["status"] == "met"
    few = decide(latency, Quantile(np.full(100, 1.5), 0.99))
    assert (few["status"], few["upper"]) == ("undecided", None)
    assert "(1.5 to ?) on 100 calls" in in_words(few)
    size = decide(ClaimSpec("size_mb", at_most=5.0), Exact(5.1))
    assert size["status"] == "unmet"
    assert "rows" not in in_words(size)


def test_words_say_what_would_settle_it() -> None:
    found = decide(ClaimSpec("accuracy", at_least=0.9), share(0.95, 20))
    assert in_words(found).endswith("more rows would settle it, if the rate stays")
    assert str(found["more_rows"]) in in_words(found)
    exactly = decide(ClaimSpec("accuracy", at_least=0.5), share(0.5, 20))
    assert in_words(exactly).endswith("no sensible number of rows would settle it")


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (ClaimSpec("acuracy", at_least=0.9), "number 1: metric = 'acuracy'. Did you mean"),
        (ClaimSpec("accuracy", at_least=90), "accuracy is a share: expected a number from 0 to 1"),
        (ClaimSpec("accuracy", at_least=-0.1), "expected a number from 0 to 1"),
        (ClaimSpec("retained", at_least=-2), "expected a number from -1 to 1"),
        (ClaimSpec("recall", at_least=0.5), 'add label = "…"'),
        (ClaimSpec("accuracy", "refund", at_least=0.5), "take its label out"),
    ],
)
def test_what_no_task_could_keep(claim: ClaimSpec, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        check_claims([claim], CLASSIFY)
    assert message in str(error.value)


def test_a_label_must_be_there() -> None:
    check_claims([ClaimSpec("latency_p50_ms", at_most=20)], CLASSIFY)
    claim = ClaimSpec("recall", "refnd", at_least=0.5)
    with pytest.raises(RecipeError, match="Did you mean 'refund'"):
        check_labels([claim], ["refund", "cancel"])
    check_labels([ClaimSpec("recall", "refund", at_least=0.5)], ["refund"])


def test_grouped_rows_are_decided_on_one_a_group() -> None:
    hits = np.arange(300) < 270
    evidence = Proportion(hits, np.arange(300) // 10)
    found = decide(ClaimSpec("accuracy", at_least=0.8), evidence)
    assert found["rows"] == 30
    assert found["value"] == 0.9
    assert found["lower"] < found["value"] < found["upper"]
    assert found["status"] == "undecided"
    assert 0 < found["more_rows"] < 100  # of rows of other groups
