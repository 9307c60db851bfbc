"""Every built-in pass keeps the contract of passes, and the contract finds who does not."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")

from attar.errors import OutputError
from attar.passes import PASSES, Artifact, Context, Pass, apply_all, fingerprint
from attar.passes.add_labels import AddLabels
from attar.passes.distill import Distill
from attar.passes.distill_layers import DistillLayers
from attar.passes.distill_pairs import DistillPairs
from attar.passes.distill_quantized import DistillQuantized
from attar.passes.distill_vectors import DistillVectors
from attar.passes.export_onnx import ExportOnnx
from attar.passes.factorize import Factorize
from attar.passes.finetune import Finetune
from attar.passes.finetune_pairs import FinetunePairs
from attar.passes.finetune_vectors import FinetuneVectors
from attar.passes.no_layers import NoLayers
from attar.passes.prune import Prune
from attar.passes.quantize import Quantize
from attar.passes.sparsify import Sparsify
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.teacher import frozen_teacher
from attar.teachers.pairs import ScoresPairs
from attar.testing import check_pass
from attar.train.models import Model
from attar.train.start import start_model
from attar.types import Document
from tiny_vectors import reads_pairs

STEPS: list[Pass] = [
    AddLabels(known=("cancel", "delivery", "refund", "oos")),
    Distill(epochs=2, learning_rate=1e-3, copies=1, representation_weight=0.1),
    DistillLayers(epochs=1, copies=1, relation_heads=2, attention_weight=0.1),
    DistillPairs(epochs=1, made=4),
    DistillQuantized(epochs=1, learning_rate=1e-3, copies=1),
    DistillVectors(epochs=1, learning_rate=1e-3),
    ExportOnnx(),
    Factorize(rank=8),
    Finetune(epochs=1),
    Finetune(method="lora", epochs=1),
    Finetune(method="top_layers", epochs=1),
    Finetune(method="frozen"),
    Finetune(method="contrastive", epochs=1),
    Finetune(method="frozen", balance=0.5),
    FinetunePairs(epochs=1),
    FinetuneVectors(epochs=1),
    NoLayers(hidden=16),
    Prune(heads=1, feed_forward=24, hidden=24),
    Prune(feed_forward=24, by="taylor", across_layers=False),
    Quantize(),
    Quantize("static", embedding_bits=4),
    Quantize("weight_only", weight_bits=4, embedding_bits=4),
    Sparsify(share=0.5),
    Sparsify(share=0.5, by="magnitude"),
    TakeLayers(layers=(0, 2), feed_forward=24),
    TakeLayers(layers=2),
    TrimVocabulary(),
    TrimVocabulary(pieces=120),
]


def test_every_pass_is_checked_below() -> None:
    assert {step.name for step in STEPS} == set(PASSES)
    for step in STEPS:
        assert PASSES.get(step.name) is type(step)


@pytest.fixture
def pairs_start(tmp_path: Path, tiny_encoder: Path) -> Artifact:
    return reads_pairs(tmp_path / "pairs", tiny_encoder)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{step.settings()}")
def test_every_pass(
    step: Pass, tiny_start: Artifact, pairs_start: Artifact, tiny_context: Context
) -> None:
    source, context = tiny_start, tiny_context
    if "teacher" in step.reads:
        context = replace(context, teacher=frozen_teacher(source, context))
    if isinstance(step, AddLabels):  # train rows of a label that the source does not know
        rows = [replace(row, label="exchange") for row in context.dataset.train[:8]]
        dataset = replace(context.dataset, train=(*context.dataset.train, *rows))
        context = replace(context, dataset=dataset, columns=(*context.columns, "exchange"))
    if isinstance(step, DistillPairs | FinetunePairs | FinetuneVectors):
        documents = (Document("a", "please cancel it"), Document("b", "where is my parcel"))
        rows = [replace(row, label="b") for row in context.dataset.train]
        dataset = replace(context.dataset, train=tuple(rows), documents=documents)
        context = replace(context, dataset=dataset)
    if isinstance(step, DistillPairs | FinetunePairs):
        assert context.teacher is not None
        teacher = ScoresPairs(context.teacher, pairs_start.folder, "tiny pairs")
        source, context = pairs_start, replace(context, teacher=teacher)
    if isinstance(step, Quantize):
        source = ExportOnnx().apply(source, context)
    check_pass(step, source, context)


@dataclass(frozen=True, slots=True)
class Copy(Pass):
    """A well-behaved pass to spoil: copies its input."""

    name: ClassVar[str] = "copy"
    times: int = 1

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        for path in source.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())


@dataclass(frozen=True, slots=True)
class Moody(Copy):
    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        Copy.run(self, source, folder, context)
        (folder / "mood").write_bytes(os.urandom(8))


@dataclass(frozen=True, slots=True)
class Secretive(Copy):
    def key(self, source: Artifact, context: Context) -> str:
        return fingerprint(self.name, source.fingerprint)


@dataclass(frozen=True, slots=True)
class Liar(Copy):
    reads: ClassVar[tuple[str, ...]] = ("data",)

    def key(self, source: Artifact, context: Context) -> str:
        return fingerprint(self.name, self.times, source.fingerprint)


@dataclass(frozen=True, slots=True)
class Opaque(Copy):
    what: Any = Path("x")


@dataclass(slots=True)
class Changeable(Pass):
    name: ClassVar[str] = "changeable"

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Empty(Copy):
    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        (folder / "nothing").write_text("")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Moody(), "equal input gave another mood"),
        (Secretive(), "must depend on times"),
        (Liar(), "reads says otherwise about 'data'"),
        (Opaque(), "plain JSON values"),
        (Changeable(), "must be frozen"),
        (Empty(), "neither a torch model nor an export"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_check_pass_finds(
    step: Pass, expected: str, tiny_start: Artifact, tiny_context: Context
) -> None:
    with pytest.raises(AssertionError, match=expected):
        check_pass(step, tiny_start, tiny_context)


def test_check_pass_is_content_with_a_good_one(tiny_start: Artifact, tiny_context: Context) -> None:
    check_pass(Copy(), tiny_start, tiny_context)


def test_a_full_disk_names_the_pass_and_keeps_what_is_finished(
    tiny_start: Artifact, tiny_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = TrimVocabulary().apply(tiny_start, tiny_context)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"factorize: cannot write .*No space left") as caught:
        Factorize(rank=4).apply(done, tiny_context)
    assert "hint: free disk space" in str(caught.value)
    assert [path.name for path in tiny_context.cache.iterdir()] == [done.folder.name]
    monkeypatch.undo()
    made = apply_all((TrimVocabulary(), Factorize(rank=4)), tiny_start, tiny_context)
    assert made.folder.name.startswith("factorize-")


#: Pairs are cut, and have no windows.
WINDOWED = [step for step in STEPS if not step.name.endswith("_pairs")]


@pytest.mark.parametrize("step", WINDOWED, ids=lambda step: f"{step.name}-{step.settings()}")
def test_every_pass_takes_texts_of_several_windows(
    step: Pass, tiny_encoder: Path, tiny_context: Context, tmp_path: Path
) -> None:
    """Token ids of a long text are its windows in turn: never an input of their own."""
    torch.manual_seed(0)
    (tmp_path / "long").mkdir()
    start_model(str(tiny_encoder), "classify", 4, 16, windows=3).save(tmp_path / "long")
    source = Artifact(tmp_path / "long", "long start")
    rows = [replace(row, text=f"{row.text} {'order ' * 20}") for row in tiny_context.dataset.train]
    context = tiny_context
    if "teacher" in step.reads:
        context = replace(context, teacher=frozen_teacher(source, context))
    if isinstance(step, AddLabels):
        new = [replace(row, label="exchange") for row in rows[:8]]
        rows, context = rows + new, replace(context, columns=(*context.columns, "exchange"))
    context = replace(context, dataset=replace(context.dataset, train=tuple(rows)))
    made = step.apply(ExportOnnx().apply(source, context) if step.name == "quantize" else source,
                      context)  # fmt: skip
    if (made.folder / "attar.json").exists():
        assert Model.load(made.folder).windows == 3
    else:
        shape = json.loads((made.folder / "input.json").read_text())
        assert shape["windows"] == {"overlap": 4, "most": 3}
