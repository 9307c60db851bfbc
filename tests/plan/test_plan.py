"""The plan's choices on their own: settings by size, order of candidates, latency, frontier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from attar.evaluate.latency_table import LatencyTable
from attar.passes import Artifact, Context
from attar.passes.distill import Distill
from attar.passes.finetune import FEW_A_LABEL
from attar.passes.no_layers import NoLayers
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan import _best, _fitting, _student, search
from attar.plan.prepare import Prepared
from attar.plan.search import (
    FEW,
    MANY,
    SHORT,
    TRIAL,
    Candidate,
    distillation,
    labels_suffice,
    quick_enough,
    shape_passes,
    source_of,
)
from attar.plan.start import longest_text, start_artifact
from attar.plan.teacher import balance_of, frozen_teacher, make_teacher
from attar.recipe import Budget, ClaimSpec, StudentSection, TeacherSection
from attar.tasks.classify import CLASSIFY
from attar.train.models import Model
from attar.train.shapes import Shape, Source, reports_bytes
from attar.types import Derived, Row


@given(st.booleans(), st.integers(2, 2_000_000))
def test_distillation_settings(has_layers: bool, texts: int) -> None:
    step = distillation(has_layers, texts)
    assert step.epochs >= 2
    assert step.copies >= 1
    assert 0 < step.learning_rate < 0.1
    visits = step.epochs * (1 + step.copies)
    assert visits <= 36
    fewer = distillation(has_layers, max(2, texts // 2))
    if texts // 2 >= FEW:  # a small set is seen more often
        assert fewer.epochs * (1 + fewer.copies) >= visits - 2
    else:
        assert fewer.epochs * (1 + fewer.copies) == 16
    short, long = (distillation(has_layers, texts, part) for part in (SHORT, TRIAL))
    assert 1 <= short.epochs * (1 + short.copies) <= long.epochs * (1 + long.copies) <= visits / 2


@given(st.booleans(), st.sampled_from([SHORT, TRIAL, 1.0]))
def test_distillation_from_labels(has_layers: bool, part: float) -> None:
    """Of the same family's rates, but no copies; epochs grow with the part only with layers."""
    step = distillation(has_layers, MANY, part, from_labels=True)
    assert step.copies == 0
    assert step.gold_weight > 0.5
    assert step.learning_rate == distillation(has_layers, MANY).learning_rate
    assert step.epochs == ({SHORT: 1, TRIAL: 2, 1.0: 4}[part] if has_layers else 4)


def test_labels_are_looked_at_where_they_are_many(
    tiny_start: Artifact, tiny_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = source_of(tiny_start)
    taught = replace(tiny_context, teacher=frozen_teacher(tiny_start, tiny_context))
    found = labels_suffice(source, tiny_start, taught)
    assert found.value is False
    assert "20,000 labeled texts" in found.reason
    monkeypatch.setattr("attar.plan.search.MANY", 10)
    monkeypatch.setattr("attar.plan.search.PROBE", Shape((), 8))
    seen: list[bool] = []
    monkeypatch.setattr(
        "attar.plan.search.surely_better",
        lambda before, after: bool(seen.append(len(before) == len(after)) or True),
    )
    found = labels_suffice(source, tiny_start, taught)
    assert (found.value, seen) == (True, [True])
    assert "beyond chance" in found.reason


SHAPES = {
    name: Shape((), width) for width, name in enumerate(["small", "large", "fat", "oos", "none"])
}

BALANCED = Derived(0.0, "as they come")


def candidate(name: str, size: int, **figures: float) -> Candidate:
    return Candidate(SHAPES[name], size, 1, figures, CLASSIFY.score(figures))


def test_the_best_that_fits_wins() -> None:
    small = candidate("small", 500_000, accuracy=0.8, agreement=0.9)
    large = candidate("large", 900_000, accuracy=0.9, agreement=0.9)
    budget = Budget(size_mb=1.0)
    fat = candidate("fat", 1_000_001 - reports_bytes(2), accuracy=0.99)
    assert _fitting((small, large, fat), ("a", "b"), budget) == [small, large]
    assert _best((small, large)) is large
    assert _best((small, replace(large, figures=small.figures, score=small.score))) is small
    told_apart = candidate("oos", 900_000, accuracy=0.85, oos_auroc=0.99)
    confused = candidate("none", 900_000, accuracy=0.86, oos_auroc=0.6)
    assert _best((confused, told_apart)) is told_apart
    assert _best(()) is None


def test_sources(tiny_start: Artifact, tiny_context: Context) -> None:
    source, pieces = source_of(tiny_start)
    assert source == Source(3, 32, 64, 16, can_narrow=True)
    assert pieces == Model.load(tiny_start.folder).tokenizer.get_vocab_size()
    flat = NoLayers(hidden=16).apply(tiny_start, tiny_context)
    assert source_of(flat) == (None, pieces)
    assert shape_passes(None) == ()
    names = [step.name for step in shape_passes(Shape((0, 2), 32, None, 8))]
    assert names == ["take_layers", "factorize"]


def test_shapes_are_shortened_until_quick_enough(
    tiny_start: Artifact, tiny_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_depth(shape: Shape, *rest: Any) -> float:
        return 0.5 + len(shape.layers)

    monkeypatch.setattr(search, "latency_of", by_depth)
    source, _ = source_of(tiny_start)
    assert source is not None
    shapes = [Shape((0, 1, 2), 32), Shape((0, 2), 32, 32), Shape((), 32)]

    def names(limit: float) -> list[int]:
        kept = quick_enough(shapes, source, tiny_start, limit, tiny_context)
        return [len(shape.layers) for shape in kept]

    assert names(9.0) == [3, 2, 0]
    assert names(2.5) == [2, 2, 0]
    assert names(1.5) == [1, 1, 0]
    assert names(0.5) == [0]
    assert names(0.1) == []


def test_latencies_come_from_the_table(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTAR_CACHE", str(tmp_path))
    measured = []
    lookup = LatencyTable.lookup

    def watched(self: LatencyTable, shape: str, bundle: Callable[[], Path]) -> float:
        def build() -> Path:
            measured.append(shape)
            return bundle()

        return lookup(self, shape, build)

    monkeypatch.setattr(LatencyTable, "lookup", watched)
    source, _ = source_of(tiny_start)
    assert source is not None
    first = search.latency_of(Shape((0,), 32), source, tiny_start, tiny_context)
    assert search.latency_of(Shape((0,), 32), source, tiny_start, tiny_context) == first > 0
    assert len(measured) == 1


def test_the_longest_text(tiny_encoder: Path, tiny_context: Context) -> None:
    found = longest_text(str(tiny_encoder), tiny_context)
    assert found.value == 16
    assert "99.5 %" in found.reason
    rows = tuple(Row("refund " * 30, "refund") for _ in range(10))
    dataset = replace(tiny_context.dataset, train=rows)
    assert longest_text(str(tiny_encoder), replace(tiny_context, dataset=dataset)).value == 32
    rows = tuple(Row("refund " * 300, "refund") for _ in range(10))
    dataset = replace(tiny_context.dataset, train=rows)
    cut = longest_text(str(tiny_encoder), replace(tiny_context, dataset=dataset)).value
    assert cut == 64  # what the encoder has positions for


def test_starting_models_are_cached_by_content(tiny_encoder: Path, tiny_context: Context) -> None:
    first = start_artifact(str(tiny_encoder), 16, tiny_context)
    assert start_artifact(str(tiny_encoder), 16, tiny_context) == first
    others = [
        start_artifact(str(tiny_encoder), 24, tiny_context),
        start_artifact(str(tiny_encoder), 16, replace(tiny_context, seed=1)),
        start_artifact(str(tiny_encoder), 16, replace(tiny_context, columns=("a", "b"))),
    ]
    assert len({a.fingerprint for a in [first, *others]}) == 4
    assert len(list(tiny_context.cache.iterdir())) == 4


def test_the_teacher_of_a_recipe(tiny_start: Artifact, tiny_context: Context) -> None:
    values: dict[str, Derived] = {}
    plain = Derived(0.0, "")
    section = TeacherSection("encoder", "frozen")
    frozen = make_teacher(section, tiny_start, tiny_context, plain, values)
    assert frozen.fingerprint == frozen_teacher(tiny_start, tiny_context).fingerprint
    assert values["teacher.finetune"] == Derived("frozen", "the recipe says so")
    values.clear()
    both = make_teacher(TeacherSection("encoder"), tiny_start, tiny_context, plain, values)
    assert frozen.fingerprint in both.fingerprint
    assert values["teacher.model"].value == "encoder"
    assert values["teacher.finetune"].value == "full"
    texts = [row.text for row in tiny_context.dataset.select]
    assert both.answer(texts).logits.shape == (len(texts), 4)


def test_few_rows_a_label_are_contrasted(tiny_start: Artifact, tiny_context: Context) -> None:
    rows = tiny_context.dataset.train[: 4 * (FEW_A_LABEL - 1)]  # in turns of the four labels
    few = replace(tiny_context, dataset=replace(tiny_context.dataset, train=rows))
    values: dict[str, Derived] = {}
    made = make_teacher(TeacherSection("encoder"), tiny_start, few, BALANCED, values)
    assert made.name == "contrastive + frozen"
    assert values["teacher.finetune"].value == "contrastive"
    assert f"{FEW_A_LABEL - 1} rows a label" in values["teacher.finetune"].reason


def test_members_differ_by_seed(tiny_start: Artifact, tiny_context: Context) -> None:
    values: dict[str, Derived] = {}
    section = TeacherSection("encoder", "top_layers", members=2)
    made = make_teacher(section, tiny_start, tiny_context, BALANCED, values)
    assert made.name == "top_layers + top_layers + frozen"
    assert values["teacher.members"].value == "2 fine-tuned, frozen"
    prints = made.fingerprint.split("+")
    assert len(set(prints)) == 3
    single = make_teacher(replace(section, members=1), tiny_start, tiny_context, BALANCED, values)
    assert single.fingerprint.split("+") == [prints[0], prints[2]]


def test_rare_labels_are_favored_unless_accuracy_is_claimed(tiny_context: Context) -> None:
    assert balance_of((), tiny_context).value == 0.0
    rows = [row for row in tiny_context.dataset.train if row.label == "refund"]
    others = [row for row in tiny_context.dataset.train if row.label != "refund"][:3]
    context = replace(tiny_context, dataset=replace(tiny_context.dataset, train=(*rows, *others)))
    found = balance_of((ClaimSpec("macro_f1", at_least=0.5),), context)
    assert found.value == 0.5 and "as diverse as" in found.reason
    claimed = balance_of((ClaimSpec("accuracy", at_least=0.5),), context)
    assert claimed.value == 0.0 and "accuracy is claimed" in claimed.reason


def test_texts_never_outgrow_the_positions(
    tiny_context: Context, tmp_path: Path, wordpiece: Any
) -> None:
    """Batches are padded to whole fours, which once led past the last of 30 positions."""
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=wordpiece.get_vocab_size(), hidden_size=8, num_hidden_layers=1,
        num_attention_heads=1, intermediate_size=8, max_position_embeddings=30,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path)
    transformers.PreTrainedTokenizerFast(tokenizer_object=wordpiece).save_pretrained(tmp_path)
    rows = tuple(Row("refund " * 300, "refund") for _ in range(10))
    context = replace(tiny_context, dataset=replace(tiny_context.dataset, train=rows))
    longest = longest_text(str(tmp_path), context).value
    start = start_artifact(str(tmp_path), longest, context)
    logits, _ = Model.load(start.folder).answer([rows[0].text])
    assert logits.shape == (1, 4)


def test_where_a_student_starts(tiny_start: Artifact, tiny_context: Context) -> None:
    """Near the teacher: from the teacher. Else, or where the recipe says so: pretrained."""
    source, pieces = source_of(tiny_start)
    frozen = frozen_teacher(tiny_start, tiny_context)
    base = Prepared(
        tiny_start, TrimVocabulary(), tiny_start, tiny_start, source, pieces, False, BALANCED,
        False, False, tiny_context, tiny_context,
    )  # fmt: skip

    def start(layers: tuple[int, ...], named: str | None = None) -> tuple[bool, int]:
        values: dict[str, Derived] = {}
        section = StudentSection(start=named)
        artifact, passes = _student(Shape(layers, 32), base, frozen, section, values)
        taught = next(step for step in passes if isinstance(step, Distill))
        return "start" in values and artifact != tiny_start, taught.epochs

    few = [start((0, 1, 2)), start((0,)), start(())]
    assert few == [(False, 4)] * 3
    rows = tuple(Row(f"text {i}") for i in range(FEW))
    dataset = replace(tiny_context.dataset, unlabeled=rows)
    base = replace(base, context=replace(tiny_context, dataset=dataset))
    assert start((0, 1, 2)) == start((0, 2)) == (True, 1)
    assert start((0,)) == start(()) == start((0, 1, 2), "other") == (False, 6)
