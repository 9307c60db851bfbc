"""Handing over: what the design sees, what calibrate guarantees, and the level it keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("scipy.stats")

from hypothesis import given, settings
from hypothesis import strategies as st

from attar.evaluate.handover import (
    Design,
    certify_threshold,
    curve,
    design_handover,
    fit_distance,
    fit_temperature,
    judged,
)
from attar.metrics import softmax
from attar.predictions import Prediction
from attar.recipe import ClaimSpec
from attar.runtime.distance import NearestLabel, read_distance, write_distance
from attar.tasks import TASKS
from attar.tasks.annotations import Span, name_of
from attar.tasks.extract import EXTRACT
from attar.types import Row

CLASSIFY = TASKS.get("classify")
ERROR = ClaimSpec("error_when_answering", at_most=0.05)
ACCEPTED = ClaimSpec("oos_acceptance", at_most=0.2)


def answers(generator: np.random.Generator, n: int, outside: float = 0.0) -> tuple[np.ndarray, ...]:
    """Acceptance, inside and right, where the chance to be wrong is 1 - acceptance."""
    acceptance = 1 - 0.4 * generator.random(n) ** 2
    inside = generator.random(n) >= outside
    acceptance[~inside] *= generator.random((~inside).sum())
    right = (generator.random(n) < acceptance) & inside
    return acceptance, inside, right


def designed(generator: np.random.Generator, claims: list[ClaimSpec], n: int = 800) -> Design:
    """A design from two-label logits whose best probability is the acceptance above."""
    acceptance, inside, right = answers(generator, n, 0.2 if len(claims) > 1 else 0.0)
    gap = np.log(acceptance / (1 - acceptance + 1e-9) + 1e-9)
    other = np.full(n, -30.0) if inside.all() else np.where(inside, -30.0, 3.0)
    logits = np.stack([gap, np.zeros(n), other], axis=1).astype(np.float32)
    labels = np.where(inside, np.where(right, "a", "b"), "oos")
    rows = [Row(f"text {i}", str(label)) for i, label in enumerate(labels)]
    options = {"labels": ["a", "b"], "out_of_scope": "oos", "temperature": 1.0, "threshold": None}
    return design_handover(
        CLASSIFY, {"logits": logits}, rows, options, ["probability", "energy"], claims, n
    )


def test_the_order_starts_where_it_can_hold_and_ends_at_always() -> None:
    design = designed(np.random.default_rng(0), [ERROR])
    assert design.thresholds[-1] == -math.inf
    assert list(design.thresholds) == sorted(design.thresholds, reverse=True)
    assert len(design.thresholds) > 10
    assert set(design.separation) == {"probability", "energy"}
    assert designed(np.random.default_rng(0), []).thresholds == (-math.inf,)


def test_a_certified_threshold_keeps_its_promise() -> None:
    """Over many calibrate samples the true error exceeds the claim at most one time in 20."""
    generator = np.random.default_rng(7)
    design = designed(generator, [ERROR])
    acceptance, inside, right = answers(generator, 200_000)
    broken = certified = answered = 0.0
    for _ in range(400):
        chosen = generator.integers(0, len(acceptance), 800)
        found = certify_threshold(
            design, acceptance[chosen], inside[chosen], right[chosen], [ERROR]
        )
        if not found.certified:
            continue
        certified += 1
        kept = acceptance >= (found.value if found.value is not None else -math.inf)
        answered += kept.mean()
        broken += (~right[kept]).mean() > 0.05
    assert certified > 300  # it does not keep its promise by never answering
    assert answered / certified > 0.4
    assert broken / 400 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


def test_rows_of_another_kind_are_tested_from_several_starts() -> None:
    """The design's rows are hard, so that it would begin where nothing holds; the promise holds."""
    generator = np.random.default_rng(3)
    thresholds = (*np.linspace(0.99, 0.61, 39).tolist(), -math.inf)
    alone = Design(1.0, "probability", {}, thresholds[30:])
    several = Design(1.0, "probability", {}, thresholds, starts=(4, 8, 12, 20))
    acceptance, inside, right = answers(generator, 200_000)
    broken = certified = answered = 0.0
    for _ in range(300):
        chosen = generator.integers(0, len(acceptance), 1000)
        sample = acceptance[chosen], inside[chosen], right[chosen]
        assert not certify_threshold(alone, *sample, [ERROR]).certified
        found = certify_threshold(several, *sample, [ERROR])
        if not found.certified or found.value is None:
            continue
        certified += 1
        kept = acceptance >= found.value
        answered += kept.mean()
        broken += (~right[kept]).mean() > 0.05
    assert "4 starts" in found.method
    assert certified > 200
    assert answered / certified > 0.3
    assert broken / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_for_rows_of_another_kind_probabilities_are_tried() -> None:
    generator = np.random.default_rng(0)
    acceptance = generator.random(50)
    logits = np.stack([np.log(acceptance / (1 - acceptance)), np.zeros(50)], axis=1)
    rows = [Row(f"text {i}", "a") for i in range(50)]
    options = {"labels": ["a", "b"], "out_of_scope": None, "temperature": 1.0, "threshold": None}
    given = ({"logits": logits.astype(np.float32)}, rows, options, ["probability"])
    design = design_handover(CLASSIFY, *given, [ERROR], 1000, alike=False)
    assert len(design.starts) == 4 and design.thresholds[-1] == -math.inf
    assert list(design.thresholds) == sorted(design.thresholds, reverse=True)
    begins = [design.thresholds[start] for start in design.starts]
    assert begins == pytest.approx([0.995, 0.99, 0.975, 0.95], abs=0.01)
    assert design_handover(CLASSIFY, *given, [], 1000, alike=False).starts == (0,)


def test_two_claims_are_both_kept() -> None:
    generator = np.random.default_rng(2)
    design = designed(generator, [ERROR, ACCEPTED], 2000)
    sample = answers(generator, 3000, 0.2)
    alone = certify_threshold(design, *sample, [ERROR])
    both = certify_threshold(design, *sample, [ERROR, ACCEPTED])
    assert both.certified
    assert both.value is not None
    assert alone.value is None or both.value >= alone.value
    acceptance, inside, _ = sample
    assert (acceptance[~inside] >= both.value).mean() <= 0.2


def test_what_cannot_be_guaranteed_is_said() -> None:
    acceptance = np.linspace(0.5, 1, 60)
    inside = np.ones(60, bool)
    design = Design(1.0, "probability", {}, (0.5, -math.inf))
    found = certify_threshold(design, acceptance, inside, inside, [ERROR])
    assert found.certified is True  # no mistake in 60 rows; 59 are needed for 5 %
    assert found.value is None
    strict = ClaimSpec("error_when_answering", at_most=0.01)
    design = Design(1.0, "probability", {}, (0.9, 0.5, -math.inf))
    found = certify_threshold(design, acceptance, inside, inside, [strict])
    assert (found.certified, found.value) == (False, 0.9)


def test_without_claims_it_is_youden_or_always() -> None:
    design = Design(1.0, "probability", {}, (-math.inf,))
    acceptance = np.array([0.9, 0.8, 0.2, 0.1])
    inside = np.array([True, True, False, False])
    found = certify_threshold(design, acceptance, inside, inside, [])
    assert found.value == 0.5
    assert found.certified is None
    assert certify_threshold(design, acceptance, inside | True, inside, []).value is None


def test_claims_about_labels_count_labels_alone() -> None:
    rows = [Row("a b", name_of("go", [Span(0, 1, "x")])), Row("a b", name_of("end", []))]
    answers = [Prediction(name_of("go", []), 0.9), Prediction(name_of("go", []), 0.9)]
    label = ClaimSpec("label_error_when_answering", at_most=0.05)
    assert judged(EXTRACT, rows, answers, [label]).tolist() == [True, False]
    assert judged(EXTRACT, rows, answers, [label, ERROR]).tolist() == [False, False]
    assert judged(EXTRACT, rows, answers, []).tolist() == [False, False]


@settings(deadline=None, max_examples=20)
@given(st.floats(0.3, 3.0), st.integers(0, 100))
def test_the_temperature_is_found_again(temperature: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(4000, 5)).astype(np.float32) * 2
    shares = softmax(logits / temperature)
    gold = [int(generator.choice(5, p=row)) for row in shares]
    names = [str(i) for i in range(5)]
    rows = [Row("a text", names[column]) for column in gold]
    plain = CLASSIFY.settings(names, None)

    def loss(tried: float, count: int | None = None) -> float:
        tempered = {**plain, "temperature": tried}
        return CLASSIFY.log_loss({"logits": logits[:count]}, rows[:count], tempered)

    assert fit_temperature(loss) == pytest.approx(temperature, rel=0.15)
    assert fit_temperature(lambda tried: loss(tried, 0)) == 1.0


def test_distances_are_mahalanobis() -> None:
    """With every axis kept and no shrinking to speak of, against the textbook formula."""
    generator = np.random.default_rng(4)
    gold = np.repeat(np.arange(6), 200)
    mixing = generator.normal(size=(5, 5))
    centers = 3 * generator.normal(size=(6, 5))
    embedding = (centers[gold] + generator.normal(size=(1200, 5)) @ mixing).astype(np.float32)
    values = fit_distance(embedding, gold, 6)
    found = NearestLabel(values, 6)(embedding)
    fitted = np.stack([embedding[gold == i].mean(0) for i in range(6)])
    away = embedding - fitted[gold]
    within = away.T @ away / (1200 - 6)
    within = 0.9 * within + 0.1 * np.trace(within) / 5 * np.eye(5)
    gaps = embedding[:, None] - fitted
    expected = np.einsum("rlh,hk,rlk->rl", gaps, np.linalg.inv(within), gaps).min(1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    far = NearestLabel(values, 6)(np.full((1, 5), 50, np.float32))
    assert far[0] > found.max()
    again = read_distance(write_distance(values), 6)
    np.testing.assert_allclose(again(embedding), found, rtol=0.05, atol=0.05)


def test_the_curve_runs_from_few_to_all() -> None:
    acceptance = np.array([0.9, 0.8, 0.7, 0.6, 0.3])
    inside = np.array([True, True, True, True, False])
    right = np.array([True, True, False, True, False])
    points = curve(acceptance, inside, right, 0.75)
    answered = [point["answered"] for point in points]
    assert answered == sorted(answered)
    assert answered[-1] == 1.0
    assert points[-1]["error"] == 0.25
    assert points[-1]["oos_accepted"] == 0.0
    assert any(point["threshold"] == 0.75 and point["error"] == 0.0 for point in points)
    assert curve(acceptance, ~inside & False, right, None) == []
