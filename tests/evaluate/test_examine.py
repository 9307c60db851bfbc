"""The examination: what the report says follows from the answers, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy.stats")

from attar.evaluate.examine import SHOWN_CHARACTERS, SHOWN_ROWS, Examination
from attar.runtime.predictor import load
from attar.tasks import TASKS
from attar.types import Row

COLUMNS = ("cancel", "delivery", "refund", "oos")


class Contrary:
    """A teacher that names the label after the right one."""

    name = "contrary"

    def __init__(self, right: dict[str, str]) -> None:
        self.right = right

    def answer(self, texts: Any) -> Any:
        logits = np.zeros((len(texts), 4), np.float32)
        for i, text in enumerate(texts):
            logits[i, (COLUMNS.index(self.right[text]) + 1) % 3] = 5.0
        return logits, np.zeros((len(texts), 2), np.float32)


@pytest.fixture
def examined(tiny_bundle: Path) -> Examination:
    predictor = load(tiny_bundle)
    texts = [f"{word} number {i}" for i in range(20) for word in ("refund", "parcel", "cancel")]
    given = {text: answer.label for text, answer in zip(texts, predictor(texts), strict=True)}
    rows = [Row(text, given[text], "left" if i % 2 else "right") for i, text in enumerate(texts)]
    for i in range(15):  # wrong gold: fifteen errors
        label = COLUMNS[(COLUMNS.index(given[texts[i]]) + 2) % 3]
        rows[i] = Row(texts[i] + " long" * (100 if i == 0 else 0), label, rows[i].group)
    rows += [Row("weather", "oos"), Row("song", "oos")]
    named = {row.text: given.get(row.text, "cancel") for row in rows}
    return Examination(TASKS.get("classify"), predictor, rows, Contrary(named), COLUMNS, "oos")


def test_sections_by_hand(examined: Examination) -> None:
    found = examined.sections()
    wrong = int((~examined.right[examined.inside]).sum())
    assert 14 <= wrong <= 16
    comparison = found["comparison"]
    assert comparison["gains"] == 60 - wrong  # the teacher is never right where the student is
    assert 0 <= comparison["p_value"] <= 1
    assert len(comparison["rows"]) <= SHOWN_ROWS
    assert sum(pair["rows"] for pair in found["confusions"]) == wrong
    assert all(pair["gold"] != pair["named"] for pair in found["confusions"])
    counts = [pair["rows"] for pair in found["confusions"]]
    assert counts == sorted(counts, reverse=True)
    bins = found["reliability"]["bins"]
    assert sum(entry["rows"] for entry in bins) == 60
    gap = sum(entry["rows"] * abs(entry["score"] - entry["accuracy"]) for entry in bins) / 60
    assert found["reliability"]["ece"] == pytest.approx(gap, abs=1e-5)
    scores = [error["score"] for error in found["errors"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == min(wrong, SHOWN_ROWS)
    assert all(len(error["text"]) <= SHOWN_CHARACTERS for error in found["errors"])
    assert {entry["name"] for entry in found["bias"]} == {"left", "right"}
    assert found["worst_slice"] in found["slices"]
    json.dumps(found, allow_nan=False)


def test_a_student_alone(tiny_bundle: Path) -> None:
    alone = Examination(
        TASKS.get("classify"), load(tiny_bundle), [Row("a refund", "refund")], None, COLUMNS, None
    )
    assert alone.sections()["comparison"] is None
    assert "retained" not in alone.evidence()
    assert alone.curve(0.5)[-1]["answered"] == 1.0


def test_out_of_scope_rows_only(tiny_bundle: Path) -> None:
    outside = Examination(
        TASKS.get("classify"), load(tiny_bundle), [Row("a song", "oos")], None, COLUMNS, "oos"
    )
    found = outside.sections()
    assert found["slices"] == []
    assert found["worst_slice"] is None
    assert found["reliability"] is None
    assert outside.curve(None) == []
