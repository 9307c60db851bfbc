"""Pairs teach the teacher where that helps on rows it has not seen, and only there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.errors import RecipeError
from attar.passes import Artifact, Context
from attar.plan import pairs
from attar.plan.few import student_start
from attar.plan.handover import design_rows
from attar.plan.pairs import halved, make_vector_teacher, with_vector_teacher
from attar.recipe import TeacherSection
from attar.teachers.documents import KnowsDocuments
from attar.types import Derived, Row
from tiny_vectors import ranking_context, ranking_start, strangers


@pytest.fixture
def start(tmp_path: Path, tiny_encoder: Path) -> Artifact:
    return ranking_start(tmp_path / "start", tiny_encoder)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    tuning = pairs.FinetuneVectors

    def quick(epochs: int) -> pairs.FinetuneVectors:
        return tuning(epochs=12, learning_rate=3e-3, sentences=50)

    monkeypatch.setattr(pairs, "FinetuneVectors", quick)  # a tiny encoder learns at a higher rate
    return ranking_context(tmp_path / "cache", 240)


def decided(method: str, start: Artifact, context: Context) -> tuple[Context, Derived]:
    values: dict[str, Derived] = {}
    found = with_vector_teacher(method, start, context, values)
    made = make_vector_teacher(TeacherSection("embedded"), start, context, values)
    assert isinstance(made, KnowsDocuments) == values["teacher.pairs"].value
    assert values["teacher.finetune"].value == (
        "pairs" if values["teacher.pairs"].value else "frozen"
    )
    return found, values["teacher.pairs"]


def test_what_helps_is_taken(start: Artifact, context: Context) -> None:
    found, reason = decided("auto", start, context)
    assert reason.value and "beyond chance" in reason.reason
    assert isinstance(found.teacher, KnowsDocuments)
    began = student_start(found.teacher)
    assert began is not None and began.folder != start.folder
    # Fresh rows alone design handing over.
    learned = {row.text for row in found.dataset.train}
    assert learned and not learned & {row.text for row in design_rows(found)}
    assert len(found.dataset.train) + len(design_rows(found)) == 240 + 120


def test_what_does_not_help_is_left(start: Artifact, context: Context) -> None:
    lost = strangers(context)
    found, reason = decided("auto", start, lost)
    assert not reason.value and "no more" in reason.reason
    assert found.dataset is lost.dataset
    assert len(design_rows(found)) == 240 + 120
    assert decided("full", start, lost)[1].value  # the recipe says so
    assert not decided("frozen", start, context)[1].value
    few = replace(context, dataset=replace(context.dataset, train=context.dataset.train[:99]))
    assert "name a document" in decided("auto", start, few)[1].reason
    with pytest.raises(RecipeError, match='"lora" does not learn to rank'):
        decided("lora", start, context)


def test_halves_hold_groups_together(context: Context) -> None:
    rows = tuple(Row(f"query {i}", "a", group=f"group {i // 4}") for i in range(80))
    both = halved(replace(context.dataset, train=rows, select=()))
    assert 20 <= len(both.train) <= 60
    assert {*both.train} | {*both.select} == {*rows}
    assert not {row.group for row in both.train} & {row.group for row in both.select}
    assert both.fingerprint != context.dataset.fingerprint


def test_documents_keep_their_vectors(
    start: Artifact, context: Context, float32: Callable[[], None]
) -> None:
    found, _ = decided("full", start, context)
    frozen, _ = decided("frozen", start, context)
    assert found.teacher is not None and frozen.teacher is not None
    read = [document.read for document in context.dataset.documents][:3]
    asked = [row.text for row in context.dataset.select][:3]
    mixed = [text for pair in zip(asked, read, strict=True) for text in pair]
    answers, before = found.teacher.answer(mixed), frozen.teacher.answer(mixed)
    assert np.allclose(answers.logits[1::2], before.logits[1::2], atol=1e-6)
    assert np.allclose(answers.embedding[1::2], before.embedding[1::2], atol=1e-5)
    assert not np.allclose(answers.logits[::2], before.logits[::2], atol=1e-2)
    assert np.allclose(answers.logits[::2], found.teacher.answer(asked).logits, atol=1e-6)
