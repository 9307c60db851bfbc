"""What a plan does where vectors are learned: dimensions, teaching, bytes of the documents."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from attar.passes import Context
from attar.passes.distill import Distill
from attar.plan.search import keeps_all, student_passes
from attar.plan.vectors import (
    documents_bytes,
    documents_note,
    vector_distillation,
    with_dimensions,
)
from attar.recipe import Budget
from attar.tasks.rank import RANK
from attar.train.shapes import Shape, Source
from attar.types import Derived, Document

SOURCE = Source(layers=3, hidden=384, feed_forward=64, positions=32, can_narrow=True)
WHOLE = Shape((0, 1, 2), 384, embedding_bits=4)


def ranking(context: Context, count: int) -> Context:
    documents = tuple(Document(f"{i}", f"text {i}") for i in range(count))
    return replace(
        context, task=RANK, dataset=replace(context.dataset, documents=documents), columns=("0",)
    )


def test_what_is_kept_whole_is_not_taught() -> None:
    assert keeps_all(WHOLE, SOURCE)
    for cut in (
        {"layers": (0, 2)},
        {"feed_forward": 32},
        {"rank": 64},
        {"pieces": 500},
        {"hidden": 128},
    ):
        shape = replace(WHOLE, **cut)  # type: ignore[arg-type]
        assert not keeps_all(shape, SOURCE)
        passes = student_passes(shape, 100, vectors=True, source=SOURCE)
        assert any(isinstance(step, Distill) for step in passes)
    whole = student_passes(WHOLE, 100, vectors=True, source=SOURCE)
    assert not any(isinstance(step, Distill) for step in whole)


def test_long_texts_are_visited_seldom() -> None:
    for has_layers in (True, False):
        trial, final = (vector_distillation(has_layers, 10_000, part) for part in (1 / 3, 1.0))
        assert 1 <= trial.epochs < final.epochs
        assert trial.copies == final.copies == 0
        assert final.gold_weight == 0
    assert vector_distillation(True, 10_000).epochs == 2
    assert vector_distillation(True, 100).epochs > vector_distillation(True, 5_000).epochs


def test_the_documents_shorten_vectors(tiny_context: Context, tiny_encoder: object) -> None:
    values: dict[str, Derived] = {}
    context = ranking(tiny_context, 100)
    whole = with_dimensions(str(tiny_encoder), Budget(size_mb=1.0), context, values)
    assert len(whole.columns) == values["dimensions"].value == 32
    # The shortest vector known is longer than the tiny encoder's: it stays as it is.
    tight = with_dimensions(str(tiny_encoder), Budget(size_mb=0.001), context, values)
    assert len(tight.columns) == 32


def test_documents_take_of_the_budget(tiny_context: Context) -> None:
    context = ranking(tiny_context, 100)
    wide = replace(context, columns=tuple(map(str, range(50))))
    assert documents_bytes(wide) - documents_bytes(context) == 100 * 49
    assert "100 documents alone take" in documents_note(wide)
    assert documents_bytes(tiny_context) == 0
    assert documents_note(tiny_context) == ""
