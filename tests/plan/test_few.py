"""Few rows a label: what the plan does otherwise, and that it builds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.data.label_names import FILE
from attar.passes import Artifact, Context
from attar.passes.finetune import FEW_A_LABEL
from attar.plan import few
from attar.plan.few import add_label_names, few_rows, rows_a_label, student_start, wide_vocabulary
from attar.plan.teacher import frozen_teacher
from attar.teachers.ensemble import Ensemble
from attar.testing import check_bundle
from attar.train.models import Model
from attar.types import Derived

RECIPE = """
[budget]
size_mb = 0.4
"""


def test_rows_a_label(tiny_context: Context) -> None:
    assert rows_a_label(tiny_context) == 24
    assert not few_rows(tiny_context)
    rows = tiny_context.dataset.train
    most_of_one = [row for row in rows if row.label == "refund"][2:]  # the middle stays
    kept = tuple(row for row in rows if row not in most_of_one)
    unequal = replace(tiny_context, dataset=replace(tiny_context.dataset, train=kept))
    assert rows_a_label(unequal) == 24
    fifteen = replace(tiny_context.dataset, train=rows[: 4 * (FEW_A_LABEL - 1)])
    named = few.with_label_names(fifteen, "oos")
    assert few_rows(replace(tiny_context, dataset=named))  # names do not count as rows


def encoder_that_knows(share: float) -> Callable[..., Any]:
    """Embeds a text by its label's words; the first `share` of texts right, others wrong."""
    labels = ["cancel", "delivery", "refund"]

    def answer(self: object, texts: list[str], *rest: object) -> tuple[None, Any]:
        rows = np.eye(3, dtype=np.float32) + 0.01
        if list(texts) == labels:
            return None, rows
        right = share * len(texts)
        return None, rows[[i % 3 if i < right else (i + 1) % 3 for i in range(len(texts))]]

    return answer


@pytest.mark.parametrize(("share", "understood"), [(1.0, True), (0.5, False)])
def test_names_join_where_the_encoder_understands_them(
    share: float,
    understood: bool,
    tiny_start: Artifact,
    tiny_context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With three labels two in three must be found: twice as many as by chance."""
    in_scope = [row for row in tiny_context.dataset.train if row.label != "oos"]
    order = sorted(range(len(in_scope)), key=lambda i: i // 3)
    train = tuple(in_scope[i] for i in order)
    assert [row.label for row in train[:3]] == ["cancel", "delivery", "refund"]
    context = replace(tiny_context, dataset=replace(tiny_context.dataset, train=train))
    monkeypatch.setattr(Model, "answer", encoder_that_knows(share))
    values: dict[str, Derived] = {}
    found = add_label_names(context, tiny_start, values)
    assert values["label_names"].value is understood
    assert any(row.file == FILE for row in found.dataset.train) is understood


def test_the_vocabulary_is_filled_up(tiny_start: Artifact, tiny_context: Context) -> None:
    used = Model.load(few.TrimVocabulary().apply(tiny_start, tiny_context).folder)
    assert wide_vocabulary(tiny_start, tiny_context, 1e-3).pieces == used.encoder.vocabulary
    wide = wide_vocabulary(tiny_start, tiny_context, 1.0)
    assert wide.pieces == int(0.17e6 / 42)


def test_the_student_starts_from_the_first_member(
    tiny_start: Artifact, tiny_context: Context
) -> None:
    frozen = frozen_teacher(tiny_start, tiny_context)
    start = student_start(Ensemble([frozen, frozen]))
    assert start == student_start(frozen)
    assert start is not None
    assert (start.folder, start.fingerprint) == (frozen.folder, frozen.fingerprint)


def test_a_build_from_few_rows(tmp_path: Path, write_desk: Callable[..., Path]) -> None:
    recipe = write_desk(tmp_path, RECIPE, rows=12)
    report = build(recipe, tmp_path / "few.attar")
    check_bundle(tmp_path / "few.attar")
    plan = report["plan"]
    assert plan["teacher.finetune"]["value"] == "contrastive"
    assert plan["start"]["value"] == "the teacher"
    assert plan["distill_layers.copies"]["value"] == 6
    assert plan["label_names"]["value"] in (True, False)
    assert len(report["candidates"]) == 1
    assert report["metrics"]["accuracy"] > report["chance"]
    assert report["size_bytes"] <= 0.4e6
    again = build(recipe, tmp_path / "again.attar")
    assert again["content_sha256"] == report["content_sha256"]
