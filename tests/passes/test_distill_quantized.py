"""Quantization-aware training: the grid trained on is the grid that ships, and it helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime
from onnx import TensorProto, numpy_helper

from attar.errors import AttarError
from attar.metrics import softmax
from attar.passes import Artifact, Context, apply_all
from attar.passes.distill import Distill
from attar.passes.distill_quantized import DistillQuantized
from attar.passes.export_onnx import ExportOnnx
from attar.passes.factorize import Factorize
from attar.passes.finetune import Finetune
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.sparsify import Sparsify
from attar.passes.take_layers import TakeLayers
from attar.plan.teacher import frozen_teacher
from attar.train.fake_quantization import rounding
from attar.train.grids import in_rows
from attar.train.models import Model

pytestmark = pytest.mark.usefixtures("float32")
SHAPES: dict[str, Any] = {
    "factorized": (TakeLayers(layers=(0, 2)), Factorize(rank=10)),
    "no layers": (NoLayers(hidden=24, depth=2),),
}
FOUR = Quantize("weight_only", weight_bits=4, embedding_bits=4)


@pytest.fixture
def taught(tiny_start: Artifact, tiny_context: Context) -> Context:
    return replace(tiny_context, teacher=frozen_teacher(tiny_start, tiny_context))


def run(model: Any, ids: Any, mask: Any) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    logits: np.ndarray = session.run(["logits"], given)[0]
    return logits


@pytest.mark.parametrize("shape", SHAPES)
def test_the_grid_trained_on_is_the_grid_that_ships(
    shape: str, tiny_start: Artifact, tiny_context: Context
) -> None:
    source = apply_all(SHAPES[shape], tiny_start, tiny_context)
    model = Model.load(source.folder).eval()
    ids = torch.randint(0, model.encoder.vocabulary, (3, 9))
    mask = torch.ones_like(ids)
    mask[-1, 5:] = 0
    with torch.no_grad():
        exact = model(ids, mask)[0].numpy()
        with rounding(model, 4, 4):
            faked = model(ids, mask)[0].numpy()
        np.testing.assert_array_equal(model(ids, mask)[0].numpy(), exact)  # back again
    made = apply_all((ExportOnnx(), FOUR), source, tiny_context)
    packed = onnx.load(made.folder / "model.onnx")
    shipped = run(packed, ids, mask)
    assert np.abs(faked - exact).max() > 0.01  # rounding is felt
    assert np.abs(shipped - faked).max() < 0.2 * np.abs(faked - exact).max()
    for node in packed.graph.node:  # with products in float32, exactly the same
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 1
    np.testing.assert_allclose(run(packed, ids, mask), faked, atol=1e-4)


def test_int8_codes_are_those_of_the_export(tiny_start: Artifact, tiny_context: Context) -> None:
    model = Model.load(tiny_start.folder)
    made = apply_all((ExportOnnx(), Quantize()), tiny_start, tiny_context)
    graph = onnx.load(made.folder / "model.onnx").graph
    stored = [
        numpy_helper.to_array(t) for t in graph.initializer if t.data_type == TensorProto.INT8
    ]
    linears = [part for part in model.modules() if isinstance(part, torch.nn.Linear)]
    assert linears
    for linear in linears:
        codes = in_rows(linear.weight.detach()).codes.numpy().T
        assert any(np.array_equal(codes, other) for other in stored)


def test_training_on_the_grid_loses_less(tiny_start: Artifact, taught: Context) -> None:
    """A copy of the teacher loses by rounding alone. Of two copies trained on alike, the one
    that saw its weights rounded is nearer to the teacher once they are."""
    copy = Finetune(method="frozen").apply(tiny_start, taught)
    heal: dict[str, Any] = {"epochs": 4, "learning_rate": 3e-4, "copies": 2, "head_factor": 1.0}
    texts = [row.text for row in taught.dataset.certify]
    assert taught.teacher is not None
    wanted = softmax(taught.teacher.answer(texts).logits)

    def divergence(source: Artifact) -> float:
        model = Model.load(source.folder)
        with rounding(model, 4, 4):
            found = softmax(model.answer(texts)[0])
        return float((wanted * np.log(wanted / found)).sum(1).mean())

    aware = divergence(DistillQuantized(**heal).apply(copy, taught))
    unaware = divergence(Distill(**heal).apply(copy, taught))
    assert aware < 0.8 * min(unaware, divergence(copy))


def test_gradients_pass_the_rounding(tiny_start: Artifact) -> None:
    model = Model.load(tiny_start.folder)
    ids = torch.ones(1, 4, dtype=torch.int64)
    with rounding(model, 4, 4):
        model(ids, ids)[0].sum().backward()
    for part in model.modules():
        if isinstance(part, torch.nn.Linear | torch.nn.Embedding):
            assert part.weight.grad is not None
            assert part.weight.grad.abs().sum() > 0


def test_zeros_stay_zero(tiny_start: Artifact, taught: Context) -> None:
    sparse = Sparsify(share=0.5).apply(tiny_start, taught)
    made = DistillQuantized(epochs=1, learning_rate=1e-3, copies=0).apply(sparse, taught)
    before, after = (Model.load(a.folder).state_dict() for a in (sparse, made))
    name = next(n for n in before if n.endswith("query.weight"))
    assert ((before[name] == 0) == (after[name] == 0)).all()
    assert not torch.equal(before[name], after[name])


def test_a_killed_training_goes_on(
    tiny_start: Artifact, taught: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = DistillQuantized(epochs=2, learning_rate=1e-3, copies=0)
    whole = Model.load(step.apply(tiny_start, taught).folder).state_dict()
    elsewhere = replace(taught, cache=tmp_path / "elsewhere")
    elsewhere.cache.mkdir()
    save: Callable[..., None] = Model.save

    def killed(self: Model, folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        step.apply(tiny_start, elsewhere)
    assert step.checkpoint(tiny_start, elsewhere).exists()
    monkeypatch.setattr(Model, "save", save)
    again = Model.load(step.apply(tiny_start, elsewhere).folder).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_bits_are_checked(tiny_start: Artifact, taught: Context) -> None:
    with pytest.raises(AttarError, match="embedding_bits=5 is neither 4 nor 8"):
        DistillQuantized(epochs=1, learning_rate=1e-3, embedding_bits=5).apply(tiny_start, taught)
