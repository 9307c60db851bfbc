"""A model that reads pairs learns which document is right, a small one learns from it, and the
runtime reads pairs as training does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tokenizers import Tokenizer

from attar.passes import Artifact, Context, apply_all
from attar.passes.distill_pairs import DistillPairs
from attar.passes.draft import SecondModel
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune_pairs import FinetunePairs, drawn_groups, near_documents
from attar.passes.quantize import Quantize
from attar.passes.take_layers import TakeLayers
from attar.plan.teacher import vector_teacher
from attar.runtime.engines.onnx import OnnxEngine
from attar.runtime.rescore import Rescorer
from attar.teachers.pairs import ScoresPairs
from attar.train.heads import HEADS
from attar.train.models import Model, types_after
from attar.train.pairs import groups_of, hard_negatives, scores_of
from tiny_vectors import ranking_context, ranking_start, reads_pairs


@pytest.fixture
def start(tmp_path: Path, tiny_encoder: Path) -> Artifact:
    return reads_pairs(tmp_path / "pairs", tiny_encoder)


@pytest.fixture
def context(tmp_path: Path, tiny_encoder: Path) -> Context:
    made = ranking_context(tmp_path / "cache", 200)
    first = ranking_start(tmp_path / "first", tiny_encoder)
    return replace(made, teacher=vector_teacher(first, made))


def right_first(model: Model, context: Context) -> float:
    """Share of fresh queries whose right document has the highest score beside wrong ones."""
    fresh = replace(context, dataset=replace(context.dataset, train=context.dataset.select))
    queries, chosen = near_documents(fresh, 5)
    documents = [one.read for one in context.dataset.documents]
    scores = scores_of(model, groups_of(model, queries, documents, chosen))
    return float((np.nanargmax(scores, axis=1) == 0).mean())


def test_a_small_model_learns_what_a_large_one_learned(start: Artifact, context: Context) -> None:
    before = right_first(Model.load(start.folder), context)
    step = FinetunePairs(epochs=16, learning_rate=3e-3, negatives=5, pool=8)
    scorer = step.apply(start, context)
    taught = right_first(Model.load(scorer.folder), context)
    assert taught > before + 0.15
    assert context.teacher is not None
    told = replace(context, teacher=ScoresPairs(context.teacher, scorer.folder, "tiny"))
    small = TakeLayers(layers=(0, 1)).apply(scorer, told)
    student = DistillPairs(
        epochs=4, learning_rate=3e-3, others=5, made=20, weight_bits=4, embedding_bits=4
    ).apply(small, told)
    model = Model.load(student.folder)
    assert model.pairs
    assert right_first(model, context) > 0.7 * taught


def test_the_runtime_reads_pairs_as_training_does(start: Artifact, context: Context) -> None:
    model = Model.load(start.folder)
    exported = ExportOnnx().apply(start, context)
    documents = list(context.dataset.documents)[:4]
    query = "where is [SEP] the parcel of yesterday"
    said = [one.read for one in documents]
    expected = scores_of(model, groups_of(model, [query], said, [[0, 1, 2, 3]]))[0]

    def scores(folder: Path) -> np.ndarray:
        engine = OnnxEngine()
        engine.load({"model.onnx": (folder / "model.onnx").read_bytes()}, 1)
        settings = SecondModel(Artifact(folder, ""), 4).settings(1.0)
        assert settings == {"max_length": 40, "pad_id": 0, "top": 4, "weight": 1.0}
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        rescorer = Rescorer(engine, tokenizer, settings, 0.0)
        outputs = {
            "documents": np.array([documents], object),
            "cosine": np.zeros((1, 4)),
            "words": np.zeros((1, 4)),
        }
        found = rescorer(outputs, [query])["rescored"][0]
        assert rescorer(outputs, [query])["rescored"][0].tolist() == found.tolist()
        return np.asarray(found)

    # In bfloat16, where the processor has it.
    assert scores(exported.folder) == pytest.approx(expected, abs=0.05)
    for quantize in (Quantize(), Quantize(weight_bits=4, embedding_bits=4)):
        rounded = apply_all([quantize], exported, context)
        assert np.isfinite(scores(rounded.folder)).all()


def test_token_types_change_after_the_first_separator() -> None:
    ids = torch.tensor([[2, 7, 3, 8, 9, 3], [2, 3, 8, 3, 0, 0]])
    assert types_after(ids, 3).tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]]


def test_negatives_are_the_nearest_wrong_ones(context: Context) -> None:
    documents = np.eye(4, dtype=np.float32)
    queries = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]], np.float32)
    gold = np.array([[1, 2], [-1, -1]])
    assert hard_negatives(queries, documents, gold, 5) == [[1, 0, 3], []]
    near, drawn = near_documents(context, 6), drawn_groups(context, 2, 6)
    assert near[0] == drawn[0]
    for numbers, kept in zip(near[1], drawn[1], strict=True):
        assert kept[0] == numbers[0]
        assert len(kept) == 3
        assert {*kept} <= {*numbers}


def test_losses_of_groups() -> None:
    head = HEADS.get("pairs")(4, 1)
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, float("nan")]])[..., None]
    logits.requires_grad_(True)
    found = head.gold_loss(logits, torch.zeros(2))
    shares = [np.exp(2) / (np.exp(2) + np.exp(1) + 1), 1 / (1 + np.exp(1))]
    assert found.item() == pytest.approx(-np.mean(np.log(shares)))
    teacher = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, float("nan")]])[..., None]
    soft = head.soft_loss(logits, teacher, 1.0)
    assert soft.item() == pytest.approx(((1 - 2) ** 2 + (2 - 3) ** 2 + (-1 - 0) ** 2) / 3)
    (found + soft).backward()
    assert torch.isfinite(logits.grad).all()


def test_a_saved_model_still_reads_pairs(start: Artifact, tmp_path: Path) -> None:
    assert json.loads((start.folder / "attar.json").read_text())["pairs"] is True
    model = Model.load(start.folder)
    assert model.template is not None
    assert model.template.separator == 3
