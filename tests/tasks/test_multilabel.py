"""Label sets: their names, thresholds that calibrate fixes, F1 against naive counting."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attar.errors import BundleError, DataError
from attar.evidence import Proportion, Ratio
from attar.metrics import average_precision, best_f1_threshold, logit, sigmoid
from attar.predictions import LabelSet
from attar.tasks.label_sets import labels_in, name_of
from attar.tasks.multilabel import MULTILABEL, SHRINK
from attar.types import Row

LABELS = ["a", "b", "c"]


def manifest(**changed: Any) -> dict[str, Any]:
    return {"task_settings": MULTILABEL.settings(LABELS, None) | changed}


def rows_of(*sets: list[str]) -> list[Row]:
    return [Row(f"text {i}", name_of(labels), None, "f", i) for i, labels in enumerate(sets)]


def outputs(*shares: list[float]) -> dict[str, Any]:
    return {"logits": logit(np.array(shares)).astype(np.float32)}


@given(st.lists(st.text()))
def test_a_set_has_one_name(labels: list[str]) -> None:
    name = name_of(labels)
    assert name == name_of(reversed(labels)) == name_of(labels * 2)
    assert labels_in(name) == tuple(sorted(set(labels)))
    assert labels_in(None) == ()


def test_answers() -> None:
    settings = manifest(label_thresholds=[0.5, 0.2, 0.9])
    both, none = MULTILABEL.decode(outputs([0.9, 0.3, 0.8], [0.4, 0.1, 0.05]), settings)
    assert isinstance(both, LabelSet)
    assert both.label == '["a", "b"]'
    assert both.named == ("a", "b")
    assert [round(score, 3) for _, score in both.labels] == [0.9, 0.3]
    assert both.score == pytest.approx(0.9 * 0.3 * (1 - 0.8), abs=1e-6)
    assert both.to_json()["labels"] == [["a", 0.9], ["b", 0.3]]
    assert none.label == "[]"
    assert none.named == ()
    assert none.to_json()["labels"] == []
    # Nearest to being named first: 0.4 of 0.5, then 0.1 of 0.2.
    assert [label for label, _ in none.alternatives] == ["a", "b", "c"]
    assert none.score == pytest.approx(0.6 * 0.9 * 0.95, abs=1e-6)


def test_a_golden_example_bears_rounding_but_no_other_label() -> None:
    settings = manifest()
    (sealed,) = MULTILABEL.decode(outputs([0.9, 0.495, 0.1]), settings)
    golden = json.loads(json.dumps(sealed.to_golden()))
    (flipped,) = MULTILABEL.decode(outputs([0.9, 0.505, 0.1]), settings)
    assert flipped.named != sealed.named
    assert flipped.differs(golden, 0.02) is None
    (moved,) = MULTILABEL.decode(outputs([0.9, 0.6, 0.1]), settings)
    assert "'b' 0.6000 instead of 0.4950" in str(moved.differs(golden, 0.02))
    (other,) = MULTILABEL.decode(outputs([0.8, 0.495, 0.1]), settings)
    assert "'a'" in str(other.differs(golden, 0.02))
    unknown = {**golden, "labels": [["z", 0.9]]}
    assert "instead of ['z']" in str(sealed.differs(unknown, 0.02))


@settings(deadline=None)
@given(
    hnp.arrays(bool, (12, 3)),
    hnp.arrays(np.float64, (12, 3), elements=st.floats(0.01, 0.99).map(lambda x: round(x, 2))),
)
def test_metrics_are_those_of_naive_counting(gold: Any, shares: Any) -> None:
    rows = rows_of(*[[x for x, yes in zip(LABELS, row, strict=True) if yes] for row in gold])
    answers = MULTILABEL.decode(outputs(*shares.tolist()), manifest())
    found = MULTILABEL.metrics(rows, answers, None)
    named = [set(answer.named) for answer in answers]
    sets = [set(labels_in(row.label)) for row in rows]
    f1s, both, either = [], 0, 0
    for label in LABELS:
        hits = sum(label in g and label in n for g, n in zip(sets, named, strict=True))
        total = sum(label in g for g in sets) + sum(label in n for n in named)
        both, either = both + hits, either + total
        if total:
            f1s.append(2 * hits / total)
    micro = 2 * both / either if either else math.nan
    macro = sum(f1s) / len(f1s) if f1s else math.nan
    assert found["micro_f1"] == pytest.approx(micro, nan_ok=True)
    assert found["macro_f1"] == pytest.approx(macro, nan_ok=True)
    exact = sum(g == n for g, n in zip(sets, named, strict=True)) / len(rows)
    assert found["subset_accuracy"] == pytest.approx(exact)
    wrong = sum(len(g ^ n) for g, n in zip(sets, named, strict=True)) / (3 * len(rows))
    assert found["hamming_loss"] == pytest.approx(wrong)
    evidence = MULTILABEL.evidence(rows, answers, [row.label or "" for row in rows], None)
    shared = evidence["micro_f1"]
    assert isinstance(shared, Ratio)
    assert shared.value == pytest.approx(micro, nan_ok=True)
    assert evidence["macro_f1"].value == pytest.approx(macro, nan_ok=True)
    assert evidence["subset_accuracy"].value == pytest.approx(exact)
    assert evidence["retained"].value == pytest.approx(exact - 1)
    recall = evidence.get("recall of a")
    assert (recall is None) == (not gold[:, 0].any())
    if recall is not None:
        assert isinstance(recall, Proportion)
        having = [n for n, g in zip(named, sets, strict=True) if "a" in g]
        assert recall.hits.tolist() == ["a" in n for n in having]


@settings(deadline=None)  # the first call imports scikit-learn
@given(
    hnp.arrays(np.float64, 30, elements=st.integers(0, 8).map(lambda x: x / 8)),
    hnp.arrays(bool, 30),
)
def test_average_precision_is_scikit_learns(scores: Any, positive: Any) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    found = average_precision(scores, positive)
    if not positive.any():
        assert math.isnan(found)
    else:
        assert found == pytest.approx(sklearn.average_precision_score(positive, scores))


@given(
    hnp.arrays(np.float64, 20, elements=st.integers(1, 9).map(lambda x: x / 10)),
    hnp.arrays(bool, 20),
)
def test_no_other_threshold_has_a_higher_f1(scores: Any, positive: Any) -> None:
    found = best_f1_threshold(scores, positive)
    if not positive.any():
        assert found is None
        return

    def f1(cut: float) -> float:
        named = scores >= cut
        return float(2 * (named & positive).sum() / (named.sum() + positive.sum()))

    assert found is not None
    assert f1(found) == pytest.approx(max(f1(cut) for cut in np.linspace(0, 1, 101)))


def test_few_positive_rows_lean_on_the_shared_threshold() -> None:
    """A label that one row has hardly moves from the threshold that is best for all."""
    generator = np.random.default_rng(0)
    count = 400
    gold = np.zeros((count, 2), bool)
    gold[:200, 0] = True
    gold[7, 1] = True
    shares = np.where(gold, 0.35, 0.05) + generator.uniform(0, 0.05, (count, 2))
    shares[7, 1] = 0.98  # alone, it would be given from 0.54 on
    rows = rows_of(*[[x for x, yes in zip("ab", row, strict=True) if yes] for row in gold])
    plain = MULTILABEL.settings(["a", "b"], None)
    tuned = MULTILABEL.tuned(outputs(*shares.tolist()), rows, plain)["label_thresholds"]
    own = [best_f1_threshold(shares[:, i], gold[:, i]) for i in range(2)]
    known = gold.sum() / (gold.sum() + SHRINK)
    shared = best_f1_threshold(shares.ravel(), (known * gold + (1 - known) * shares).ravel())
    assert own[0] is not None and own[1] is not None and shared is not None
    assert own[1] > 0.5 > shared
    weight = 1 / (1 + SHRINK)
    expected = sigmoid(weight * logit(np.array(own[1])) + (1 - weight) * logit(np.array(shared)))
    assert tuned[1] == pytest.approx(float(expected), abs=1e-5)
    assert abs(tuned[1] - shared) < abs(tuned[1] - own[1])
    assert tuned[0] == pytest.approx(own[0], abs=0.01)
    assert MULTILABEL.tuned(outputs([0.5, 0.5]), rows_of([]), plain) == {}


def test_the_shared_threshold_of_few_labels_is_what_the_probabilities_promise() -> None:
    """One gold label at 0.9 alone would name nothing under it; probabilities that are right
    say that half of the best F1 is worth naming (Lipton et al. 2014)."""
    generator = np.random.default_rng(1)
    shares = generator.beta(0.3, 1.2, (400, 1))
    shares[0] = 0.97
    rows = rows_of(["a"], *([[]] * 399))
    plain = MULTILABEL.settings(["a"], None)
    (tuned,) = MULTILABEL.tuned(outputs(*shares.tolist()), rows, plain)["label_thresholds"]
    ranked = np.sort(shares.ravel())[::-1]
    expected = 2 * np.cumsum(ranked) / (np.arange(1, 401) + ranked.sum())
    alone = best_f1_threshold(shares.ravel(), np.arange(400) == 0)
    assert alone is not None and alone > 0.9
    assert tuned == pytest.approx(expected.max() / 2, abs=0.05)


def test_a_label_that_the_model_does_not_know_is_missed() -> None:
    rows = rows_of(["a", "new"])
    found = MULTILABEL.metrics(rows, MULTILABEL.decode(outputs([0.9, 0.1, 0.1]), manifest()), None)
    assert found["micro_f1"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx(1 / 2)
    assert found["subset_accuracy"] == 0.0
    assert MULTILABEL.gold(rows, LABELS).tolist() == [[1, 0, 0]]


def test_chance_is_the_best_constant_answer() -> None:
    rows = rows_of(["a"], ["a", "b"], ["a"], [], ["b"])
    one = 2 * 3 / (5 + 5)  # always a: 3 hits of 5 given, 5 gold labels
    two = 2 * 5 / (10 + 5)
    assert MULTILABEL.chance(rows) == pytest.approx(max(one, two))
    assert math.isnan(MULTILABEL.chance(rows_of([], [])))


def test_the_mean_is_that_of_the_sigmoids() -> None:
    one, two = np.array([[0.0, 4.0]], np.float32), np.array([[-2.0, 90.0]], np.float32)
    found = sigmoid(MULTILABEL.mean([one, two]))
    np.testing.assert_allclose(found, (sigmoid(one) + sigmoid(two)) / 2, atol=1e-6)


def test_what_cannot_be_learned() -> None:
    with pytest.raises(DataError, match="has this one row only"):
        MULTILABEL.check(rows_of(["a", "b"], ["a"]))
    with pytest.raises(DataError, match="none of the 2 rows has a label"):
        MULTILABEL.check(rows_of([], []))
    with pytest.raises(DataError, match="empty list of labels"):
        MULTILABEL.targets(rows_of(["a"]), "other")
    assert MULTILABEL.targets(rows_of(["b"], ["a"], []), None) == ("a", "b")


@pytest.mark.parametrize(
    "changed",
    [
        {"label_thresholds": [0.5]},
        {"label_thresholds": None},
        {"label_thresholds": [0.5, 0.5, math.nan]},
        {"labels": ["a", "a", "b"]},
        {"temperature": 0},
    ],
)
def test_hostile_settings(changed: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        MULTILABEL.check_manifest(manifest(**changed))
