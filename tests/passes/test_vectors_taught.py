"""Vectors: a student comes near its teacher's ranking, a teacher learns from pairs, and what
documents have stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.passes import Artifact, Context
from attar.passes.distill_vectors import (
    DistillVectors,
    document_vectors,
    ranking_loss,
    sentences_to_learn,
    spread,
    transfer_texts,
)
from attar.passes.finetune_vectors import FinetuneVectors, _Objective, gold_documents
from attar.passes.take_layers import TakeLayers
from attar.plan.teacher import vector_teacher
from attar.tasks.right_documents import documents_name
from attar.train.models import Model
from attar.types import Document
from tiny_vectors import ranking_context, ranking_start


@pytest.fixture
def start(tmp_path: Path, tiny_encoder: Path) -> Artifact:
    return ranking_start(tmp_path / "start", tiny_encoder)


@pytest.fixture
def taught(tmp_path: Path, start: Artifact) -> Context:
    context = ranking_context(tmp_path / "cache", 240)
    return replace(context, teacher=vector_teacher(start, context))


def documents_of(context: Context) -> np.ndarray:
    found = document_vectors(context)
    assert found is not None
    return found


def nearness(model: Model, context: Context) -> float:
    """Mean cosine to the teacher's vectors of queries that nobody learned."""
    texts = [row.text for row in context.dataset.select]
    assert context.teacher is not None
    return float((model.answer(texts)[0] * context.teacher.answer(texts).logits).sum(1).mean())


@pytest.mark.parametrize("bits", [None, 4])
def test_the_student_comes_near_its_teacher(
    bits: int | None, start: Artifact, taught: Context
) -> None:
    student = TakeLayers(layers=(0,)).apply(start, taught)
    step = DistillVectors(4, 3e-3, made=200, weight_bits=bits, embedding_bits=bits)
    made = Model.load(step.apply(student, taught).folder)
    before = nearness(Model.load(student.folder), taught)
    assert 1 - nearness(made, taught) < 0.5 * (1 - before)


def test_what_is_learned_from(taught: Context) -> None:
    sentences, queries = transfer_texts(taught, 5, 30)
    known = sentences_to_learn(taught.dataset.documents)
    assert len(sentences) == 5 and {*sentences} < {*known}
    assert taught.dataset.documents[0].title in known
    train = [row.text for row in taught.dataset.train]
    assert queries[: len(train)] == train
    assert "is there anything else" in queries
    assert len(queries) == len(train) + 1 + 30
    assert not {document.read for document in taught.dataset.documents} & {*queries}
    assert not {row.text for row in taught.dataset.select} & {*queries}
    nothing = replace(taught, dataset=replace(taught.dataset, documents=()))
    assert transfer_texts(nothing, 5, 30)[0] == []
    assert document_vectors(nothing) is None


def test_sentences_of_ordinary_length() -> None:
    text = "Hold the button. No. " + "very " * 60 + "long. Hold the button."
    assert sentences_to_learn([Document("a", text)]) == ["Hold the button."]


def test_spread_over_all() -> None:
    assert spread(["a", "b"], 2) == ["a", "b"]
    assert spread([*"abcdef"], 3) == ["a", "c", "e"]


def test_the_ranking_loss_is_nothing_where_rankings_agree() -> None:
    torch.manual_seed(0)
    teacher, documents, other = (
        torch.nn.functional.normalize(torch.randn(n, 8), dim=-1) for n in (3, 5, 3)
    )
    assert float(ranking_loss(teacher, teacher, documents)) == pytest.approx(0, abs=1e-6)
    assert float(ranking_loss(other, teacher, documents)) > 0.1
    # What no document can tell apart does not count.
    plane = torch.zeros(5, 8)
    plane[:, 0] = torch.linspace(-1, 1, 5)
    moved = teacher.clone()
    moved[:, 1] += 3.0
    assert float(ranking_loss(moved, teacher, plane)) == pytest.approx(0, abs=1e-6)


def test_pairs_teach_queries_and_documents_stay(start: Artifact, taught: Context) -> None:
    step = FinetuneVectors(epochs=16, learning_rate=3e-3, sentences=50)
    tuned, plain = Model.load(step.apply(start, taught).folder), Model.load(start.folder)
    fresh = replace(taught, dataset=replace(taught.dataset, train=taught.dataset.select))
    gold, texts = gold_documents(fresh), [row.text for row in taught.dataset.select]

    def found(model: Model) -> float:
        nearest = (model.answer(texts)[0] @ documents_of(taught).T).argmax(axis=1)
        return float((nearest[:, None] == gold).any(axis=1)[gold[:, 0] >= 0].mean())

    assert found(tuned) > found(plain) + 0.15
    read = [document.text for document in taught.dataset.documents]
    moved = 1 - (tuned.answer(read)[0] * plain.answer(read)[0]).sum(axis=1)
    asked = 1 - (tuned.answer(texts)[0] * plain.answer(texts)[0]).sum(axis=1)
    assert moved.mean() < 0.5 * asked.mean()
    table = "encoder.encoder.embeddings.word_embeddings.weight"
    assert torch.equal(tuned.state_dict()[table], plain.state_dict()[table])
    assert all(parameter.requires_grad for parameter in tuned.parameters())


def test_rows_name_documents_one_several_or_none(taught: Context) -> None:
    train, documents = list(taught.dataset.train), taught.dataset.documents
    both = documents_name([documents[2].id, documents[0].id])
    train[0] = replace(train[0], label=both)
    gold = gold_documents(replace(taught, dataset=replace(taught.dataset, train=tuple(train))))
    assert gold.shape == (len(train), 2)
    assert sorted(gold[0]) == [0, 2]
    for row, (number, second) in zip(train[1:], gold[1:], strict=True):
        assert second == -1
        if row.label == "nothing":
            assert number == -1
        else:
            assert documents[number].id == row.label


def test_of_several_right_documents_any_is_right() -> None:
    documents = np.eye(4, dtype=np.float32)
    gold = np.array([[0, 1], [2, -1]])
    loss = _Objective(documents, gold, None)
    rows = torch.arange(2)
    here, there = torch.eye(4)[[0, 2]], torch.eye(4)[[1, 2]]
    nothing = torch.zeros(2, 4)
    assert float(loss(here, nothing, rows)) == pytest.approx(float(loss(there, nothing, rows)))
    assert float(loss(here, nothing, rows)) < float(loss(torch.eye(4)[[3, 2]], nothing, rows))


def test_whole_documents_are_learned_where_asked(start: Artifact, taught: Context) -> None:
    """Those that are added later the student reads itself."""

    def cosine(passages: int) -> float:
        student = TakeLayers(layers=(0,)).apply(start, taught)
        step = DistillVectors(epochs=4, learning_rate=3e-3, sentences=0, passages=passages)
        model = Model.load(step.apply(student, taught).folder)
        read = [one.read for one in taught.dataset.documents]
        return float((model.answer(read)[0] * documents_of(taught)).sum(1).mean())

    assert cosine(100) > cosine(0)
