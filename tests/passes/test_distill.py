"""Distillation: the student comes near its teacher; unlabeled rows carry no gold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.metrics import softmax
from attar.passes import Artifact, Context, apply_all
from attar.passes.distill import Distill, transfer_set
from attar.passes.no_layers import NoLayers
from attar.passes.take_layers import TakeLayers
from attar.plan.teacher import frozen_teacher
from attar.tasks import TASKS
from attar.tasks.summaries import reference_name
from attar.teachers import Answers, Teacher
from attar.train.heads.classify import ClassifyHead
from attar.train.models import Model
from attar.types import Row


@pytest.fixture
def taught(tiny_start: Artifact, tiny_context: Context) -> Context:
    return replace(tiny_context, teacher=frozen_teacher(tiny_start, tiny_context))


def divergence(model: Model, context: Context) -> float:
    """Mean KL from the teacher on texts that nobody trained on."""
    texts = [row.text for row in context.dataset.certify]
    assert context.teacher is not None
    p = softmax(context.teacher.answer(texts).logits)
    q = softmax(model.answer(texts)[0])
    return float((p * np.log(p / q)).sum(1).mean())


@pytest.mark.parametrize("shape", [TakeLayers(layers=(0,)), NoLayers(hidden=32)])
@pytest.mark.parametrize("representation_weight", [0.0, 0.5])
def test_the_student_comes_near_its_teacher(
    shape: Any, representation_weight: float, tiny_start: Artifact, taught: Context
) -> None:
    student = shape.apply(tiny_start, taught)
    step = Distill(
        epochs=6, learning_rate=3e-3, copies=2, head_factor=2.0, gold_weight=0.1,
        representation_weight=representation_weight,
    )  # fmt: skip
    before = divergence(Model.load(student.folder), taught)
    made = Model.load(step.apply(student, taught).folder)
    assert divergence(made, taught) < 0.7 * before
    assert not any("projection" in name for name in made.state_dict())


def test_the_transfer_set_and_its_gold(tiny_context: Context) -> None:
    texts, gold = transfer_set(tiny_context, copies=2)
    dataset = tiny_context.dataset
    labeled, unlabeled = len(dataset.train), len(dataset.unlabeled)
    assert len(texts) == len(gold) == 3 * (labeled + unlabeled)
    assert texts[:labeled] == [row.text for row in dataset.train]
    assert texts[labeled : labeled + unlabeled] == [row.text for row in dataset.unlabeled]
    assert gold[:labeled].tolist() == tiny_context.targets().tolist()
    assert set(gold[labeled:].tolist()) == {-1}
    assert transfer_set(tiny_context, copies=2)[0] == texts
    held_out = {r.text for r in (*dataset.select, *dataset.calibrate, *dataset.certify)}
    assert not held_out & set(texts)


def test_gold_counts_only_where_it_is_known() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 5.0], [1.0, 1.0]], requires_grad=True)
    only_first = ClassifyHead.gold_loss(logits, torch.tensor([0, -1, -1]))
    expected = torch.nn.functional.cross_entropy(logits[:1], torch.tensor([0]))
    torch.testing.assert_close(only_first, expected)
    nobody = ClassifyHead.gold_loss(logits, torch.full((3,), -1))
    nobody.backward()
    assert nobody.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_soft_loss_is_the_divergence_and_zero_for_equals() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(5, 4), torch.randn(5, 4)
    p, q = softmax(teacher.numpy()), softmax(student.numpy())
    expected = (p * np.log(p / q)).sum(1).mean()
    assert ClassifyHead.soft_loss(student, teacher, 1.0).item() == pytest.approx(expected, rel=1e-5)
    assert ClassifyHead.soft_loss(teacher, teacher, 2.0).item() == pytest.approx(0.0, abs=1e-6)
    # Scaled by T², a hot temperature keeps the gradient's size.
    hot = ClassifyHead.soft_loss(student, teacher, 50.0).item()
    centered = (teacher - student) - (teacher - student).mean(1, keepdim=True)
    assert hot == pytest.approx((centered**2).sum(1).mean().item() / 8, rel=0.05)


@dataclass(frozen=True, slots=True)
class Stubborn:
    """Answers everything with one column."""

    name: str = "stubborn"
    fingerprint: str = "stubborn"

    def answer(self, texts: Sequence[str]) -> Answers:
        logits = np.zeros((len(texts), 4), np.float32)
        logits[:, 1] = 9.0
        return Answers(logits, np.zeros((len(texts), 32), np.float32))


def test_the_teacher_decides_and_gold_outweighs_it(
    tiny_start: Artifact, tiny_context: Context
) -> None:
    teacher: Teacher = Stubborn()
    context = replace(tiny_context, teacher=teacher)
    step = Distill(epochs=3, learning_rate=3e-3, copies=0, gold_weight=0.0)
    obedient = Model.load(step.apply(tiny_start, context).folder)
    texts = [row.text for row in context.dataset.certify]
    assert set(obedient.answer(texts)[0].argmax(1)) == {1}
    free = replace(step, gold_weight=1.0, epochs=8)
    own = Model.load(apply_all([free], tiny_start, context).folder)
    assert len(set(own.answer(texts)[0].argmax(1))) == 4


def test_copies_of_documents_keep_their_sentences(tiny_context: Context) -> None:
    """Each altered by itself, in a line of its own."""
    said = "Agent: hello again. My parcel is late! I want my money back"
    row = Row(said, reference_name({"a": "x"}))
    dataset = replace(tiny_context.dataset, train=(row,) * 20, unlabeled=())
    context = replace(
        tiny_context, task=TASKS.get("summarize"), dataset=dataset, columns=("(left out)", "a")
    )
    texts, gold = transfer_set(context, copies=2)
    assert len(texts) == len(gold) == 60
    assert texts[:20] == [row.text] * 20
    assert {len(text.split("\n")) for text in texts[20:]} == {3}
    assert gold[0].tolist() == [0, 0, 0]
    assert bool((gold[20:] == -1).all())
