"""Spans through the passes: an encoder tuned to mark them, a student that learns from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from attar.data.read import read_rows
from attar.passes import Artifact, Context, apply_all
from attar.passes.distill import Distill
from attar.passes.draft import write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune import Finetune
from attar.passes.quantize import Quantize
from attar.passes.take_layers import TakeLayers
from attar.plan.start import start_artifact
from attar.plan.teacher import model_teacher
from attar.recipe import DataSection
from attar.runtime.predictor import Predictor
from attar.tasks import TASKS
from attar.train.models import Model
from attar.types import Dataset
from test_extract_build import annotated

FIELDS = DataSection(train=(), label="intent")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder, task = tmp_path_factory.mktemp("extract"), TASKS.get("extract")
    splits = {}
    for name, count, seed in (("train", 500, 1), ("certify", 80, 2)):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in annotated(count, seed)))
        rows, _ = read_rows([path], FIELDS, labeled=True, strict=True, kind="spans")
        splits[name] = tuple(rows)
    dataset = Dataset(**splits, select=(), calibrate=(), fingerprint="extract")
    return Context(task, dataset, task.targets(dataset.train, None), folder / "cache", None)


@pytest.fixture(scope="module")
def tuned(context: Context, tiny_encoder: Path) -> Artifact:
    start = start_artifact(str(tiny_encoder), 24, context)
    return Finetune(epochs=40, learning_rate=4e-3).apply(start, context)


def figures(model: Artifact, context: Context) -> dict[str, float]:
    """Of the int8 bundle on texts that nobody learned from."""
    exported = apply_all((ExportOnnx(), Quantize()), model, context)
    settings = context.task.settings(context.columns, None)
    draft = write_draft(context.cache / "t.attar", exported, context.task, settings, "t")
    rows = context.dataset.certify
    return context.task.metrics(rows, Predictor(draft)([row.text for row in rows]), None)


def test_a_tuned_encoder_marks_spans(context: Context, tuned: Artifact) -> None:
    found = figures(tuned, context)
    assert found["span_f1"] > 0.7
    assert found["accuracy"] > 0.9


def test_a_student_learns_spans_from_answers_alone(context: Context, tuned: Artifact) -> None:
    taught = replace(context, teacher=model_teacher("tuned", tuned, context))
    learns = Distill(epochs=12, learning_rate=4e-3, copies=1, gold_weight=0.0, head_factor=1.0)
    student = apply_all((TakeLayers((0, 2)), learns), tuned, taught)
    assert figures(student, context)["span_f1"] > 0.6


def test_torch_and_the_bundle_read_the_same_words(context: Context, tuned: Artifact) -> None:
    exported = ExportOnnx().apply(tuned, context)
    settings = context.task.settings(context.columns, None)
    draft = write_draft(context.cache / "w.attar", exported, context.task, settings, "w")
    texts = ["cancel my courier!", "", "a 🛑 b", " ".join(["please"] * 40)]
    mine, _ = Model.load(tuned.folder).answer(texts)
    shipped = Predictor(draft).outputs(texts)["logits"]
    assert mine.shape == shipped.shape == (4, 41, len(context.columns))
    unread = torch.from_numpy(mine.astype("float32")).isnan().numpy()
    assert (unread == (shipped != shipped)).all()
    assert unread[3, -1].all(), "the text is longer than what is read"
    assert abs(mine[~unread] - shipped[~unread]).max() < 0.2  # bfloat16, where it is native
