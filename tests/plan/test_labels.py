"""Suspicious labels in the plan: out of fold, mended in train, decided by their number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("cleanlab")

from attar.data.suspicious import Suspect
from attar.passes import Artifact, Context
from attar.plan.labels import FOLDS, mend_labels, out_of_fold
from attar.recipe import DataSection, Recipe
from attar.train.linear import fit_linear
from attar.types import Derived, Row
from conftest import synthetic_rows

FLIPS = 12


def recipe_of(folder: Path, how: str) -> Recipe:
    (folder / ".attar").mkdir(exist_ok=True)
    data = DataSection((folder / "train.jsonl",), suspicious_labels=how)
    return Recipe("classify", data, folder=folder)


def with_flips(context: Context, count: int) -> tuple[Context, set[str]]:
    """Some train rows get the next label, drawn alike from all; the texts of those."""
    rows = list(context.dataset.train)
    places = np.random.default_rng(0).choice(len(rows), count, replace=False).tolist()
    for i in places:
        label = context.columns[(context.columns.index(rows[i].label or "") + 1) % 4]
        rows[i] = replace(rows[i], label=label)
    dataset = replace(context.dataset, train=tuple(rows), fingerprint=f"{count} flips")
    return replace(context, dataset=dataset), {rows[i].text for i in places}


def labels(rows: tuple[Row, ...]) -> dict[str, str | None]:
    return {row.text: row.label for row in rows}


def test_every_row_is_judged_by_a_head_that_did_not_see_it(tiny_context: Context) -> None:
    """A row whose vector nobody else has is classified right only by a head that saw it."""
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(2), 20)
    vectors = np.zeros((40, 41), np.float32)
    vectors[:, :40] = 9 * np.eye(40)
    vectors[:, 40] = rng.normal(size=40)
    seen = fit_linear(vectors, target, 2).logits(vectors).argmax(1)
    assert (seen == target).all()
    found = out_of_fold(vectors, target, 2, tiny_context)
    assert found.shape == (40, 2) and np.allclose(found.sum(1), 1)
    assert (found.argmax(1) == target).mean() < 0.8
    assert np.array_equal(found, out_of_fold(vectors, target, 2, tiny_context))


def test_every_fold_has_its_share_of_each_label(
    tiny_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []

    def count(vectors: np.ndarray, target: np.ndarray, columns: int) -> object:
        counted.append(np.bincount(target, minlength=columns).tolist())
        return fit_linear(vectors, target, columns)

    monkeypatch.setattr("attar.plan.labels.fit_linear", count)
    target = np.array([0] * 50 + [1] * 10)
    vectors = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    out_of_fold(vectors, target, 2, tiny_context)
    assert counted == [[40, 8]] * FOLDS


@pytest.mark.parametrize("how", ["drop", "relabel", "keep"])
def test_the_recipe_decides(
    how: str, tiny_start: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    context, _ = with_flips(tiny_context, FLIPS)
    values: dict[str, Derived] = {}
    mended, joined = mend_labels(recipe_of(tmp_path, how), tiny_start, context, values)
    before, after = context.dataset, mended.dataset
    # What is not train is as it was, and select has joined train in the second context.
    for name in ("select", "calibrate", "certify", "unlabeled"):
        assert getattr(after, name) == getattr(before, name)
    assert joined.dataset.select == ()
    if how == "keep":
        assert after == before and values == {}
        return
    assert values["suspicious_labels"].value == how
    assert after.fingerprint != before.fingerprint != joined.dataset.fingerprint
    lines = (tmp_path / ".attar" / "suspicious.jsonl").read_text().splitlines()
    suspects = {e["text"]: e["suggested"] for e in map(json.loads, lines)}
    assert suspects
    texts = labels(after.train)
    if how == "drop":
        assert not texts.keys() & suspects.keys()
        assert len(after.train) + len(suspects) == len(before.train)
        assert len(after.dropped) == len(suspects)
    else:
        assert texts == {t: suspects.get(t, label) for t, label in labels(before.train).items()}
        assert len(after.flagged) == len(suspects)


def test_auto_keeps_clean_labels(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perfect(monkeypatch, tiny_context)
    values: dict[str, Derived] = {}
    mended, _ = mend_labels(recipe_of(tmp_path, "auto"), tiny_start, tiny_context, values)
    assert mended.dataset.train == tiny_context.dataset.train
    assert values["suspicious_labels"].value == "keep"
    assert "under 5%" in values["suspicious_labels"].reason


def test_auto_drops_where_many_are_wrong(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = synthetic_rows(150, seed=7)  # enough rows of select to tell the difference
    train, select = tuple(rows[:120]), tuple(rows[120:])
    dataset = replace(tiny_context.dataset, train=train, select=select)
    clean = replace(tiny_context, dataset=dataset)
    context, flipped = with_flips(clean, 3 * FLIPS)
    perfect(monkeypatch, clean)
    values: dict[str, Derived] = {}
    mended, _ = mend_labels(recipe_of(tmp_path, "auto"), tiny_start, context, values)
    assert values["suspicious_labels"].value == "drop", values
    gone = labels(context.dataset.train).keys() - labels(mended.dataset.train).keys()
    assert len(gone & flipped) >= 2 * FLIPS and len(gone - flipped) <= FLIPS


def test_auto_keeps_what_select_would_miss(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suspects that are right and merely the model's weakness: nearly all rows of a label."""
    perfect(monkeypatch, tiny_context)
    doomed = [row for row in tiny_context.dataset.train if row.label == "refund"][:-1]
    suspects = [Suspect(row, "cancel", 0.1, 0.8) for row in doomed]
    monkeypatch.setattr("attar.plan.labels.suspicious_labels", lambda *_: suspects)
    values: dict[str, Derived] = {}
    mended, _ = mend_labels(recipe_of(tmp_path, "auto"), tiny_start, tiny_context, values)
    assert mended.dataset.train == tiny_context.dataset.train
    assert values["suspicious_labels"].value == "keep"
    assert "no evidence" in values["suspicious_labels"].reason


def perfect(monkeypatch: pytest.MonkeyPatch, context: Context) -> None:
    """Embeddings that tell the true labels apart, which random weights do not."""
    truth = {row.text: row.label or "" for row in (*context.dataset.train, *context.dataset.select)}
    rng = np.random.default_rng(0)

    def vectors(start: Artifact, some: Context) -> dict[str, np.ndarray]:
        found = {}
        for row in some.dataset.train:
            vector = rng.normal(0, 0.3, 8).astype(np.float32)
            vector[context.columns.index(truth[row.text])] += 1
            found[row.text] = vector
        return found

    monkeypatch.setattr("attar.plan.labels.embedded", vectors)
