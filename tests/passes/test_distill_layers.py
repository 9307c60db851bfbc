"""Layer distillation: the losses are what the papers write, and the student comes nearer."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log, sqrt

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor

from attar.errors import AttarError
from attar.passes import Artifact, Context
from attar.passes.distill_layers import (
    DistillLayers,
    _Objective,
    attention_loss,
    hidden_loss,
    relation_loss,
    spread_map,
    teacher_model,
)
from attar.passes.finetune import Finetune
from attar.passes.no_layers import NoLayers
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.teacher import frozen_teacher, local_teacher
from attar.teachers import Answers
from attar.teachers.ensemble import Ensemble
from attar.teachers.local import LocalTeacher
from attar.train.batches import padded_batches
from attar.train.layer_outputs import Attended, LayerOutputs
from attar.train.models import Model

pytestmark = pytest.mark.usefixtures("float32")

LENGTHS = (3, 5)


@pytest.fixture
def taught(tiny_start: Artifact, tiny_context: Context) -> Context:
    return replace(tiny_context, teacher=frozen_teacher(tiny_start, tiny_context))


def random_layer(width: int, seed: int) -> Attended:
    generator = torch.Generator().manual_seed(seed)
    return Attended(*(torch.randn(2, 5, width, generator=generator) for _ in range(3)))


def mask() -> Tensor:
    return torch.tensor([[1.0] * n + [0.0] * (5 - n) for n in LENGTHS])


def softmax(scores: list[float]) -> list[float]:
    total = sum(map(exp, scores))
    return [exp(score) / total for score in scores]


def naive_relations(rows: Tensor, text: int, token: int, head: int, heads: int) -> list[float]:
    size = rows.shape[-1] // heads
    part = rows[text, : LENGTHS[text], head * size : (head + 1) * size]
    return softmax([float(part[token] @ other) / sqrt(size) for other in part])


def test_relation_loss_is_the_papers() -> None:
    student, teacher, heads = random_layer(8, 0), random_layer(12, 1), 2
    total, count = 0.0, 0
    for ours, theirs in zip(student, teacher, strict=True):
        for text, length in enumerate(LENGTHS):
            for token in range(length):
                for head in range(heads):
                    p = naive_relations(theirs, text, token, head, heads)
                    q = naive_relations(ours, text, token, head, heads)
                    total += sum(a * log(a / b) for a, b in zip(p, q, strict=True))
                    count += 1
    found = relation_loss(student, teacher, mask(), heads)
    assert found.item() == pytest.approx(total / count, rel=1e-4)


def test_attention_and_hidden_losses_are_the_papers() -> None:
    student, teacher, heads = random_layer(8, 0), random_layer(12, 1), 2
    squares = []
    for text, length in enumerate(LENGTHS):
        for head in range(heads):
            for i in range(length):
                for j in range(length):
                    a, b = (
                        float(
                            layer.query[text, i].chunk(heads)[head]
                            @ layer.key[text, j].chunk(heads)[head]
                        )
                        / sqrt(layer.query.shape[-1] / heads)
                        for layer in (student, teacher)
                    )
                    squares.append((a - b) ** 2)
    found = attention_loss(student, teacher, mask(), heads)
    assert found.item() == pytest.approx(sum(squares) / len(squares), rel=1e-4)

    ours, theirs = student.query, random_layer(8, 2).query
    real = [(text, i) for text, n in enumerate(LENGTHS) for i in range(n)]
    above = sum(float((ours[at] - theirs[at]).square().sum()) for at in real)
    below = sum(float(theirs[at].square().sum()) for at in real)
    assert hidden_loss(ours, theirs, mask()).item() == pytest.approx(above / below, rel=1e-4)


def test_padding_counts_nowhere() -> None:
    student, teacher = random_layer(8, 0), random_layer(8, 1)
    garbled = Attended(*(rows.clone() for rows in student))
    for rows in garbled:
        rows[0, LENGTHS[0] :] = 9.0
    for loss in (relation_loss, attention_loss):
        expected = loss(student, teacher, mask(), 2)
        torch.testing.assert_close(loss(garbled, teacher, mask(), 2), expected)
    expected = hidden_loss(student.key, teacher.key, mask())
    torch.testing.assert_close(hidden_loss(garbled.key, teacher.key, mask()), expected)


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [(2, 6, (2, 5)), (3, 6, (1, 3, 5)), (4, 6, (1, 2, 3, 5)), (3, 3, (0, 1, 2)), (1, 6, (5,))],
)
def test_the_spread_map(student: int, teacher: int, expected: tuple[int, ...]) -> None:
    assert spread_map(student, teacher) == expected


def test_what_is_recorded_is_what_transformers_gives(tiny_start: Artifact) -> None:
    model = Model.load(tiny_start.folder).eval()
    batch = padded_batches(model.tokens(["where is my parcel", "refund"]), model.pad_id, 2)[0]
    with torch.no_grad(), LayerOutputs(model.encoder, [1]) as outputs:
        model(batch.input_ids, batch.attention_mask)
        expected = model.encoder.encoder(
            batch.input_ids, batch.attention_mask, output_hidden_states=True
        ).hidden_states
        for ours, theirs in zip(outputs.hidden, expected, strict=True):
            torch.testing.assert_close(ours, theirs)
        own = model.encoder.layers[1].attention.self
        torch.testing.assert_close(outputs.attended(1).value, own.value(expected[1]))
        torch.testing.assert_close(outputs.attended(1).query, own.query(expected[1]))
    kept = outputs.hidden
    model.answer(["a joke"])  # the hooks are gone: nothing is recorded any more
    assert outputs.hidden is kept
    torch.testing.assert_close(outputs.hidden[0], expected[0])


def objective_value(step: DistillLayers, student: Model, teacher: Model) -> float:
    """The objective on some texts, without dropout."""
    tokens = student.tokens(["where is my parcel now please", "refund my money", "joke"])
    student.eval()
    with torch.no_grad(), _Objective(step, student, teacher, tokens, 0) as objective:
        batch = padded_batches(tokens, student.pad_id, 8)[0]
        logits, embedding = student(batch.input_ids, batch.attention_mask)
        return float(objective(logits, embedding, torch.from_numpy(batch.rows)))


EVERYTHING = DistillLayers(epochs=1, relation_heads=2, attention_weight=1.0)


def test_a_teacher_has_nothing_to_learn_from_itself(
    tiny_start: Artifact, tiny_context: Context
) -> None:
    teacher = Model.load(tiny_start.folder).eval()
    assert objective_value(EVERYTHING, Model.load(tiny_start.folder), teacher) == pytest.approx(
        0.0, abs=1e-6
    )
    # The trimmed student numbers its pieces otherwise; the teacher reads the same text.
    trimmed = TrimVocabulary().apply(tiny_start, tiny_context)
    small = Model.load(trimmed.folder)
    assert small.encoder.vocabulary < teacher.encoder.vocabulary
    assert objective_value(EVERYTHING, small, teacher) == pytest.approx(0.0, abs=1e-6)
    fewer = TakeLayers(layers=(0, 2)).apply(trimmed, tiny_context)
    assert objective_value(EVERYTHING, Model.load(fewer.folder), teacher) > 0.01


@pytest.mark.parametrize(
    "weights",
    [
        {"hidden_weight": 0.0},
        {"relation_weight": 0.0},
        {"hidden_weight": 0.0, "relation_weight": 0.0, "attention_weight": 1.0},
    ],
    ids=["relations", "hidden", "attention"],
)
def test_the_student_comes_nearer(
    weights: dict[str, float], tiny_start: Artifact, taught: Context
) -> None:
    step = DistillLayers(
        epochs=4, learning_rate=3e-3, copies=1, relation_heads=2, layer_map=(0, 2), **weights
    )
    student = TakeLayers(layers=(0, 2)).apply(TrimVocabulary().apply(tiny_start, taught), taught)
    assert taught.teacher is not None
    teacher = teacher_model(taught.teacher)
    before = objective_value(step, Model.load(student.folder), teacher)
    made = Model.load(step.apply(student, taught).folder)
    assert objective_value(step, made, teacher) < 0.7 * before
    takes_head = torch.equal(made.head.linear.weight, teacher.head.linear.weight)
    assert takes_head == bool(step.hidden_weight)


def test_of_an_ensemble_the_first_member_is_looked_at(
    tiny_start: Artifact, tiny_context: Context
) -> None:
    tuned = local_teacher(Finetune(epochs=1), tiny_start, tiny_context)
    both = Ensemble([tuned, frozen_teacher(tiny_start, tiny_context)])
    assert both.folder == tuned.folder
    assert teacher_model(both).head.linear.weight.equal(teacher_model(tuned).head.linear.weight)


def test_refusals(tiny_start: Artifact, taught: Context) -> None:
    def refused(step: DistillLayers, match: str, source: Artifact = tiny_start) -> None:
        with pytest.raises(AttarError, match=match):
            step.apply(source, taught)

    refused(replace(EVERYTHING, relation_heads=5), "must divide the widths")
    refused(replace(EVERYTHING, layer_map=(0, 1)), "one of the teacher's 3 layers for each")
    refused(replace(EVERYTHING, layer_map=(0, 1, 3)), "one of the teacher's 3 layers for each")
    flat = NoLayers(hidden=16).apply(tiny_start, taught)
    refused(EVERYTHING, "needs a student and a teacher with transformer layers", flat)

    def answer_only(texts: object) -> Answers:
        raise AssertionError("nobody asks")

    voice = LocalTeacher("oracle", "f", lambda: answer_only, taught.cache)
    with pytest.raises(AttarError, match="'oracle' only gives answers"):
        EVERYTHING.apply(tiny_start, replace(taught, teacher=voice))
