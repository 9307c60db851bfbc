"""Export and int8: what the exported graph answers beside torch and beside its numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from attar.bundle import read_bundle
from attar.errors import AttarError
from attar.passes import Artifact, Context
from attar.passes.draft import write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.passes.factorize import Factorize
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.quantizing.weights import store, weights_of
from attar.passes.take_layers import TakeLayers
from attar.runtime.engines.onnx import OnnxEngine
from attar.runtime.predictor import Predictor
from attar.train.models import Model

pytestmark = pytest.mark.usefixtures("float32")
SHAPES: dict[str, Any] = {
    "as it is": (),
    "one layer, narrow": (TakeLayers(layers=(1,), feed_forward=24),),
    "factorized": (TakeLayers(layers=(0, 2)), Factorize(rank=8)),
    "no layers": (NoLayers(hidden=24),),
}


@pytest.fixture(params=list(SHAPES))
def trained(
    request: pytest.FixtureRequest, tiny_start: Artifact, tiny_context: Context
) -> Artifact:
    made = tiny_start
    for step in SHAPES[request.param]:
        made = step.apply(made, tiny_context)
    return made


def engine(folder: Path) -> OnnxEngine:
    made = OnnxEngine()
    made.load({"model.onnx": (folder / "model.onnx").read_bytes()}, threads=1)
    return made


def weight_bytes(folder: Path) -> int:
    tensors = onnx.load(folder / "model.onnx").graph.initializer
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in tensors)


@pytest.mark.parametrize("unit", [False, True])
def test_export_and_int8_against_torch(
    unit: bool, trained: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    start = Model.load(trained.folder)
    start.head.unit = unit
    start.save(tmp_path)
    trained = Artifact(tmp_path, f"{trained.fingerprint}, unit {unit}")
    exported = ExportOnnx().apply(trained, tiny_context)
    quantized = Quantize().apply(exported, tiny_context)
    model = Model.load(trained.folder).eval()
    float32, int8 = engine(exported.folder), engine(quantized.folder)
    generator = torch.Generator().manual_seed(1)
    for batch, time in ((1, 1), (1, 16), (5, 7)):
        ids = torch.randint(0, model.encoder.vocabulary, (batch, time), generator=generator)
        mask = torch.ones_like(ids)
        mask[-1, 1 + time // 2 :] = 0
        with torch.no_grad():
            logits, embedding = model(ids, mask)
        outputs = float32.run(ids.numpy(), mask.numpy())
        np.testing.assert_allclose(outputs["logits"], logits.numpy(), atol=1e-4)
        np.testing.assert_allclose(outputs["embedding"], embedding.numpy(), atol=1e-4)
        rough = int8.run(ids.numpy(), mask.numpy())["embedding"]
        cosine = (rough * embedding.numpy()).sum(1) / (
            np.linalg.norm(rough, axis=1) * embedding.norm(dim=1).numpy()
        )
        assert cosine.min() > 0.99
    sizes = [(a.folder / "model.onnx").stat().st_size for a in (exported, quantized)]
    assert sizes[1] < sizes[0]  # most of a file this small is nodes
    weights = [weight_bytes(a.folder) for a in (exported, quantized)]
    assert weights[1] < 0.5 * weights[0]
    expected = {"max_length": 16, "pad_id": 0}
    for artifact in (exported, quantized):
        assert json.loads((artifact.folder / "input.json").read_text()) == expected


def test_weights_are_int8_per_channel_and_nothing_large_stays_float(
    trained: Artifact, tiny_context: Context
) -> None:
    made = Quantize().apply(ExportOnnx().apply(trained, tiny_context), tiny_context)
    graph = onnx.load(made.folder / "model.onnx").graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    quantized = [n for n in graph.node if n.op_type in ("MatMulInteger", "DynamicQuantizeMatMul")]
    assert quantized
    # The scales, one an output channel, enter the product with the activation's scale.
    read = [name for n in graph.node if n.op_type == "Mul" for name in n.input]
    scales = {w.dims[0] for name, w in weights.items() if name in read and len(w.dims) == 1}
    for node in quantized:
        weight = weights[node.input[1]]
        assert weight.data_type == TensorProto.INT8
        assert weight.dims[1] in scales
    floats = [t for t in weights.values() if t.data_type == TensorProto.FLOAT and len(t.dims) == 2]
    # Scales of embedding rows are (rows, 1); anything else wide was forgotten.
    assert [t.name for t in floats if t.dims[1] > 1 and t.dims[0] > 4] == []


def test_an_export_that_differs_from_torch_is_refused(
    tiny_start: Artifact, tiny_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = onnxruntime.InferenceSession.run

    def crooked(self: Any, names: Any, inputs: Any) -> Any:
        return [value + 0.01 for value in run(self, names, inputs)]

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", crooked)
    with pytest.raises(AttarError, match="differ by 0.01 from torch"):
        ExportOnnx().apply(tiny_start, tiny_context)
    assert list(tiny_context.cache.iterdir()) == []


def gather_model(table: np.ndarray, uses: int = 1) -> Any:
    nodes = [helper.make_node("Gather", ["table", "ids"], [f"out{i}"], axis=0) for i in range(uses)]
    outputs = [
        helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, ["n", table.shape[-1]])
        for i in range(uses)
    ]
    graph = helper.make_graph(
        nodes, "gather", [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])], outputs,
        [numpy_helper.from_array(table, "table")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


TABLES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 9)),
    elements=st.floats(-1e4, 1e4, width=32),
)


@settings(deadline=None, max_examples=30)
@given(TABLES, st.integers(1, 2))
def test_int8_rows_are_within_half_a_step(table: np.ndarray, uses: int) -> None:
    model = gather_model(table, uses)
    store(model, weights_of(model), {"table": 8})
    onnx.checker.check_model(model)
    assert "table" not in [tensor.name for tensor in model.graph.initializer]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for found in session.run(None, {"ids": np.arange(len(table))}):
        step = np.abs(table).max(axis=1, keepdims=True) / 127
        assert (np.abs(found - table) <= 0.5 * step * (1 + 1e-5) + 1e-30).all()


def test_other_gathers_are_left_alone() -> None:
    model = gather_model(np.arange(6, dtype=np.float32))
    before = model.SerializeToString()
    store(model, weights_of(model), {})
    assert model.SerializeToString() == before


def test_narrowing_keeps_the_neurons_that_do_something(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    model = Model.load(tiny_start.folder)
    for block in model.encoder.blocks:
        with torch.no_grad():  # neurons that do next to nothing, at odd places
            block.falling.weight[:, 1::2] = 1e-12
    model.save(tmp_path)
    texts = [row.text for row in tiny_context.dataset.select]
    step = TakeLayers(layers=(0, 1, 2), feed_forward=32)
    made = Model.load(step.apply(Artifact(tmp_path, "half"), tiny_context).folder)
    assert made.encoder.blocks[0].rising.out_features == 32
    np.testing.assert_allclose(made.answer(texts)[0], model.answer(texts)[0], atol=1e-4)


def test_passes_for_transformers_refuse_others(tiny_start: Artifact, tiny_context: Context) -> None:
    flat = NoLayers(hidden=16).apply(tiny_start, tiny_context)
    for step, message in (
        (TakeLayers(layers=(0,)), "no layers"),
        (Factorize(rank=4), "needs a transformer"),
        (NoLayers(hidden=8), "starts from a transformer"),
    ):
        with pytest.raises(AttarError, match=message):
            step.apply(flat, tiny_context)
    with pytest.raises(AttarError, match="rank=32 must lie between"):
        Factorize(rank=32).apply(tiny_start, tiny_context)
    with pytest.raises(AttarError, match="the start has only 32"):
        NoLayers(hidden=33).apply(tiny_start, tiny_context)


def test_the_draft_is_a_bundle_that_answers(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    exported = ExportOnnx().apply(tiny_start, tiny_context)
    task = tiny_context.task
    settings = task.settings(tiny_context.columns, "oos", threshold=0.25)
    path = tmp_path / "made" / "draft.attar"
    draft = write_draft(path, exported, task, settings, "a draft")
    assert draft.report is None
    assert draft.manifest["task_settings"] == settings
    assert len(draft.manifest["build"]["fingerprint"]) == 64
    texts = [row.text for row in tiny_context.dataset.select]
    answers = Predictor(draft)(texts)
    logits, embedding = Model.load(tiny_start.folder).answer(texts)
    expected = task.decode({"logits": logits}, {"task_settings": settings})
    assert [a.label for a in answers] == [a.label for a in expected]
    np.testing.assert_allclose(Predictor(draft).embed(texts), embedding, atol=1e-3)
    again = write_draft(path, exported, task, settings, "a draft")  # replaces
    assert again.content_sha256 == draft.content_sha256 == read_bundle(path).content_sha256
    other = write_draft(path, exported, task, {**settings, "threshold": None}, "a draft")
    assert other.manifest["build"] != draft.manifest["build"]
    moved = write_draft(path, replace(exported, fingerprint="x"), task, settings, "a draft")
    assert moved.manifest["build"] != draft.manifest["build"]
