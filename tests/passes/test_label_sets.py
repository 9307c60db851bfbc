"""The passes that learn, on rows with label sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.metrics import sigmoid
from attar.passes import Artifact, Context
from attar.passes.distill import Distill, transfer_set
from attar.passes.finetune import Finetune
from attar.plan.teacher import make_teacher
from attar.recipe import TeacherSection
from attar.tasks import TASKS
from attar.tasks.label_sets import name_of
from attar.teachers.local import LocalTeacher
from attar.train.models import Model
from attar.train.start import start_model
from attar.types import Dataset, Derived, Row
from conftest import tagged

TASK = TASKS.get("multilabel")
LABELS = ("cancel", "delivery", "refund")


@pytest.fixture
def start(tiny_encoder: Path, tmp_path: Path) -> Artifact:
    torch.manual_seed(0)
    (tmp_path / "start").mkdir()
    start_model(str(tiny_encoder), "multilabel", len(LABELS), 32).save(tmp_path / "start")
    return Artifact(tmp_path / "start", "start with label sets")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    rows = tuple(Row(text, name_of(labels)) for text, labels in tagged(150, 1))
    unlabeled = tuple(Row(text) for text, _ in tagged(20, 5))
    dataset = Dataset(rows, (), (), (), unlabeled, fingerprint="tags")
    return Context(TASK, dataset, LABELS, tmp_path / "cache")


def precision(artifact: Artifact, context: Context) -> float:
    """Average precision on fresh rows."""
    rows = [Row(text, name_of(labels)) for text, labels in tagged(100, 2)]
    logits, _ = Model.load(artifact.folder).answer([row.text for row in rows])
    settings = {"task_settings": TASK.settings(LABELS, None)}
    return TASK.metrics(rows, TASK.decode({"logits": logits}, settings), None)["average_precision"]


def test_targets_are_rows_of_zeros_and_ones(context: Context) -> None:
    targets = context.targets()
    assert targets.shape == (150, 3)
    expected = [[label in labels for label in LABELS] for _, labels in tagged(150, 1)]
    np.testing.assert_array_equal(targets, expected)
    texts, gold = transfer_set(context, copies=1)
    assert gold.shape == (len(texts), 3)
    np.testing.assert_array_equal(gold[:150].numpy(), targets)
    assert bool((gold[150:] == -1).all())


def test_teachers_and_student_learn(start: Artifact, context: Context, float32: None) -> None:
    tuned = Finetune(epochs=12, learning_rate=1e-3).apply(start, context)
    frozen = Finetune(method="frozen").apply(start, context)
    untrained, best = precision(start, context), precision(tuned, context)
    assert best > untrained + 0.2
    assert precision(frozen, context) > untrained + 0.15
    values: dict[str, Derived] = {}
    teacher = make_teacher(TeacherSection(), start, context, Derived(0.0, "as they come"), values)
    texts = [text for text, _ in tagged(5, 3)]
    members = [member.answer(texts).logits for member in teacher.members]  # type: ignore[attr-defined]
    np.testing.assert_allclose(
        sigmoid(teacher.answer(texts).logits),
        np.mean([sigmoid(logits) for logits in members], axis=0),
        atol=1e-5,
    )
    model = Model.load(tuned.folder)
    taught = replace(
        context, teacher=LocalTeacher("tuned", "tuned", lambda: model.answer, context.cache)
    )
    student = Distill(epochs=12, learning_rate=1e-3).apply(start, taught)
    assert precision(student, taught) > untrained + 0.15
