"""What a plan does where vectors are learned: dimensions, teaching, bytes of the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from attar.passes import Context, Pass
from attar.passes.distill_vectors import DistillVectors
from attar.plan.search import keeps_all, vector_passes
from attar.plan.vectors import (
    MADE,
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
CUT = Shape((0, 2), 384)


def ranking(context: Context, count: int) -> Context:
    documents = tuple(Document(f"{i}", f"the text of number {i}") for i in range(count))
    return replace(
        context, task=RANK, dataset=replace(context.dataset, documents=documents), columns=("0",)
    )


def test_what_is_kept_whole_is_not_taught(tiny_context: Context) -> None:
    context = ranking(tiny_context, 20)
    assert keeps_all(WHOLE, SOURCE)
    for cut in (
        {"layers": (0, 2)},
        {"feed_forward": 32},
        {"rank": 64},
        {"pieces": 500},
        {"hidden": 128},
        {"weight_bits": 4},
    ):
        shape = replace(WHOLE, **cut)  # type: ignore[arg-type]
        assert not keeps_all(shape, SOURCE)
        (taught,) = taught_by(vector_passes(shape, SOURCE, context))
        assert taught.weight_bits == (4 if shape.weight_bits == 4 else None)
    assert not taught_by(vector_passes(WHOLE, SOURCE, context))
    assert taught_by(vector_passes(None, None, context))


def taught_by(passes: Sequence[Pass]) -> list[DistillVectors]:
    return [step for step in passes if isinstance(step, DistillVectors)]


def test_many_texts_are_visited_seldom(tiny_context: Context) -> None:
    few, many = ranking(tiny_context, 20), ranking(tiny_context, 2_900)
    for shape in (CUT, Shape((), 64)):
        trial, final = (vector_distillation(shape, SOURCE, few, part) for part in (1 / 3, 1.0))
        assert 1 <= trial.epochs < final.epochs
        assert trial.made == final.made > 0
    assert (
        vector_distillation(CUT, SOURCE, many).epochs < vector_distillation(CUT, SOURCE, few).epochs
    )
    assert vector_distillation(CUT, SOURCE, many).made == MADE
    assert vector_distillation(WHOLE, SOURCE, many).epochs == 1  # rounding alone to mend
    assert vector_distillation(WHOLE, SOURCE, ranking(tiny_context, 0)).made == 0


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
