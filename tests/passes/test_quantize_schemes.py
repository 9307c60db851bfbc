"""Schemes and bits: the graph beside a naive computation, ranges, sensitivity, limits."""

from __future__ import annotations

import shutil
import subprocess
import sys
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
from onnx import TensorProto, helper, numpy_helper

from attar.errors import AttarError
from attar.passes import Artifact, Context
from attar.passes.export_onnx import ExportOnnx
from attar.passes.factorize import Factorize
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.quantizing.sample import train_inputs
from attar.passes.quantizing.sensitivity import raised, sensitivities
from attar.passes.quantizing.weights import store, weights_of
from attar.passes.take_layers import TakeLayers
from attar.runtime.engines.onnx import OnnxEngine
from attar.train.grids import BLOCK
from attar.types import Silent

pytestmark = pytest.mark.usefixtures("float32")
SETTINGS = {
    "int8, int4 embedding": Quantize(embedding_bits=4),
    "int8 in blocks": Quantize("weight_only"),
    "int4": Quantize("weight_only", weight_bits=4, embedding_bits=4),
    "static": Quantize("static"),
    "static, int4 embedding": Quantize("static", embedding_bits=4),
}
SHAPES: dict[str, Any] = {
    "as it is": (),
    "factorized to an odd rank": (TakeLayers(layers=(0, 2)), Factorize(rank=9)),
    "no layers": (NoLayers(hidden=24, depth=2),),
}


@pytest.fixture(params=list(SHAPES))
def exported(
    request: pytest.FixtureRequest, tiny_start: Artifact, tiny_context: Context
) -> Artifact:
    made = tiny_start
    for step in (*SHAPES[request.param], ExportOnnx()):
        made = step.apply(made, tiny_context)
    return made


def answers(folder: Path, inputs: Any) -> np.ndarray:
    engine = OnnxEngine()
    engine.load({"model.onnx": (folder / "model.onnx").read_bytes()}, threads=1)
    return np.concatenate([engine.run(**given)["embedding"] for given in inputs])


def operators(folder: Path) -> set[str]:
    return {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}


def naive_blocks(rows: np.ndarray, bits: int) -> np.ndarray:
    """Weights rounded block by block in plain loops, with scales of float16."""
    half, made = 2 ** (bits - 1), np.zeros_like(rows)
    for i, row in enumerate(rows):
        for start in range(0, len(row), BLOCK):
            block = row[start : start + BLOCK]
            scale = np.float32(np.float16(block[np.abs(block).argmax()] / np.float32(-half)))
            codes = np.clip(np.rint(block / (scale or 1.0)), -half, half - 1)
            made[i, start : start + BLOCK] = codes * scale
    return made


@pytest.mark.parametrize("chosen", SETTINGS)
def test_every_scheme_answers_nearly_as_in_float(
    chosen: str, exported: Artifact, tiny_context: Context
) -> None:
    step = SETTINGS[chosen]
    made = step.apply(exported, tiny_context)
    inputs = train_inputs(exported.folder, tiny_context)[:8]
    exact, rough = answers(exported.folder, inputs), answers(made.folder, inputs)
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(rough, axis=1)
    assert ((exact * rough).sum(1) / norms).min() > (
        0.97 if 4 in step.settings().values() else 0.99
    )
    found = operators(made.folder)
    assert ("GatherBlockQuantized" in found) == (step.embedding_bits == 4)
    assert ("MatMulNBits" in found) == (step.scheme == "weight_only")
    assert ("QuantizeLinear" in found) == (step.scheme == "static")
    assert ("DynamicQuantizeLinear" in found) == (step.scheme == "dynamic")
    floats = [
        tensor.name
        for tensor in onnx.load(made.folder / "model.onnx").graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2
        if tensor.dims[0] > 4 and tensor.dims[1] > 1
    ]
    assert floats == []  # nothing wide was forgotten


@pytest.mark.parametrize("chosen", ["int8 in blocks", "int4"])
def test_blocks_in_the_graph_are_the_naive_ones(
    chosen: str, exported: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    """The float graph with weights rounded in plain loops answers as the packed one does."""
    step = replace(SETTINGS[chosen], embedding_bits=4)
    packed = onnx.load(step.apply(exported, tiny_context).folder / "model.onnx")
    for node in packed.graph.node:
        if node.op_type == "MatMulNBits":  # products in float32, to compare closely
            level = next(a for a in node.attribute if a.name == "accuracy_level")
            level.i = 1
    (tmp_path / "packed").mkdir()
    onnx.save(packed, tmp_path / "packed" / "model.onnx")
    model = onnx.load(exported.folder / "model.onnx")
    for weight in weights_of(model):
        bits = 4 if weight.kind == "embedding" else step.weight_bits
        rounded = naive_blocks(weight.rows.numpy(), bits)
        array = np.ascontiguousarray(rounded.T if weight.transposed else rounded)
        weight.tensor.CopyFrom(numpy_helper.from_array(array, weight.name))
    (tmp_path / "naive").mkdir()
    onnx.save(model, tmp_path / "naive" / "model.onnx")
    inputs = train_inputs(exported.folder, tiny_context)[:8]
    np.testing.assert_allclose(
        answers(tmp_path / "packed", inputs), answers(tmp_path / "naive", inputs), atol=2e-5
    )


def product_model(weight: np.ndarray, bias: bool) -> Any:
    """Gemm by a transposed weight (rows, width) where there is a bias, else MatMul."""
    rows, width = weight.shape
    tensors = [numpy_helper.from_array(weight if bias else weight.T.copy(), "weight")]
    if bias:
        tensors.append(numpy_helper.from_array(np.arange(rows, dtype=np.float32), "bias"))
        node = helper.make_node("Gemm", ["x", "weight", "bias"], ["y"], transB=1)
    else:
        node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    graph = helper.make_graph(
        [node], "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", rows])],
        tensors,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 40), st.integers(1, 100), st.sampled_from([4, 8]), st.booleans(),
    st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
)  # fmt: skip
def test_products_of_any_size(rows: int, width: int, bits: int, bias: bool, size: float) -> None:
    rng = np.random.default_rng(rows * 1000 + width)
    weight = (rng.normal(size=(rows, width)) * size).astype(np.float32)
    model = product_model(weight, bias)
    store(model, weights_of(model), {"weight": bits})
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = rng.normal(size=(3, width)).astype(np.float32)
    expected = x @ naive_blocks(weight, bits).T + (np.arange(rows) if bias else 0)
    # The operator rounds x to int8 as well: half of a 127th of the largest, in every term.
    slack = np.abs(x).max() / 127 * np.abs(weight).sum(1).max() + 1e-5
    assert np.abs(session.run(None, {"x": x})[0] - expected).max() <= slack


@pytest.mark.parametrize("width", [1, 2, 31, 33, 64])
def test_embeddings_of_any_width_in_four_bits(width: int) -> None:
    table = np.random.default_rng(width).normal(size=(7, width)).astype(np.float32)
    table[3] = 0.0
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["y"])], "gather",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "t", width])],
        [numpy_helper.from_array(table, "table")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    store(model, weights_of(model), {"table": 4})
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ids = np.array([[0, 6, 3], [1, 1, 5]])
    np.testing.assert_array_equal(session.run(None, {"ids": ids})[0], naive_blocks(table, 4)[ids])


def test_scaled_gemms_are_left_to_others() -> None:
    model = product_model(np.ones((3, 4), np.float32), bias=True)
    model.graph.node[0].attribute.append(helper.make_attribute("alpha", 0.5))
    assert weights_of(model) == []


def test_static_ranges_do_not_depend_on_what_is_asked(
    tiny_start: Artifact, tiny_context: Context
) -> None:
    """With dynamic ranges a text's neighbors in a batch move its answer; with static ones not."""
    exported = ExportOnnx().apply(tiny_start, tiny_context)
    made = Quantize("static").apply(exported, tiny_context)
    inputs = train_inputs(exported.folder, tiny_context)
    same = [i for i in inputs if i["input_ids"].shape == inputs[0]["input_ids"].shape][:4]
    together = {name: np.concatenate([i[name] for i in same]) for name in same[0]}
    np.testing.assert_allclose(
        answers(made.folder, same), answers(made.folder, [together]), atol=1e-5
    )


def test_train_inputs_are_spread_over_train(tiny_start: Artifact, tiny_context: Context) -> None:
    exported = ExportOnnx().apply(tiny_start, tiny_context)
    assert len(train_inputs(exported.folder, tiny_context)) == len(tiny_context.dataset.train)
    some = train_inputs(exported.folder, tiny_context, rows=5)
    every = train_inputs(exported.folder, tiny_context)
    assert len(some) == 5
    step = len(every) / 5
    for i, one in enumerate(some):
        np.testing.assert_array_equal(one["input_ids"], every[int(i * step)]["input_ids"])


def test_sensitivity_is_what_rounding_one_weight_changes(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    exported = ExportOnnx().apply(tiny_start, tiny_context)
    inputs = train_inputs(exported.folder, tiny_context, rows=6)
    model = onnx.load(exported.folder / "model.onnx")
    weights = weights_of(model)
    found = sensitivities(model, weights, 4, inputs, Silent())
    assert set(found) == {weight.name for weight in weights}

    def logits(model: Any) -> np.ndarray:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return np.concatenate([session.run(["logits"], given)[0] for given in inputs])

    exact = logits(model)
    for weight in weights[::5]:
        changed = onnx.load(exported.folder / "model.onnx")
        (tensor,) = (t for t in changed.graph.initializer if t.name == weight.name)
        rounded = naive_blocks(weight.rows.numpy(), 4)
        array = np.ascontiguousarray(rounded.T if weight.transposed else rounded)
        tensor.CopyFrom(numpy_helper.from_array(array, weight.name))
        expected = np.square(logits(changed) - exact).mean()
        assert found[weight.name] == pytest.approx(expected, rel=1e-2)
        assert found[weight.name] > 0


def test_more_bits_go_where_a_byte_avoids_most() -> None:
    def model(rows: int, name: str) -> Any:
        made = product_model(np.ones((rows, 64), np.float32), bias=False)
        made.graph.initializer[0].name = made.graph.node[0].input[1] = name
        return weights_of(made)[0]

    small, large, calm = model(8, "small"), model(80, "large"), model(8, "calm")
    moved = {"small": 1.0, "large": 1.5, "calm": 0.01}
    weights = [large, calm, small]
    assert raised(weights, moved, 1e6) == ["small", "large", "calm"]
    assert raised(weights, moved, 2000) == ["small", "calm"]  # large alone would take more
    assert raised(weights, moved, 100) == []


def test_a_limit_mixes_bits(tiny_start: Artifact, tiny_context: Context) -> None:
    exported = ExportOnnx().apply(tiny_start, tiny_context)
    four = Quantize("weight_only", weight_bits=4, embedding_bits=4)
    eight = Quantize("weight_only")
    sizes = [
        (step.apply(exported, tiny_context).folder / "model.onnx").stat().st_size
        for step in (four, eight)
    ]
    limit = (sizes[0] + sizes[1]) // 2
    mixed = replace(four, limit_bytes=limit).apply(exported, tiny_context)
    assert sizes[0] < (mixed.folder / "model.onnx").stat().st_size <= limit
    bits = {
        attribute.i
        for node in onnx.load(mixed.folder / "model.onnx").graph.node
        if node.op_type == "MatMulNBits"
        for attribute in node.attribute
        if attribute.name == "bits"
    }
    assert bits == {4, 8}
    for scheme in ("dynamic", "static"):  # 8-bit products in int8 beside 4-bit ones in blocks
        made = replace(four, scheme=scheme, limit_bytes=limit).apply(exported, tiny_context)
        assert (made.folder / "model.onnx").stat().st_size <= limit
        assert "MatMulNBits" in operators(made.folder)
        inputs = train_inputs(exported.folder, tiny_context)[:4]
        assert np.isfinite(answers(made.folder, inputs)).all()
    with pytest.raises(AttarError, match=r"limit_bytes=1000, but with the bits set .* takes"):
        replace(four, limit_bytes=1000).apply(exported, tiny_context)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Quantize("statik"), "scheme='statik' is none of dynamic, static, weight_only"),
        (Quantize(weight_bits=3), "weight_bits=3 is none of 4, 8"),
        (Quantize(embedding_bits=16), "embedding_bits=16 is none of 4, 8"),
    ],
)
def test_settings_are_checked(
    step: Quantize, message: str, tiny_start: Artifact, tiny_context: Context
) -> None:
    exported = ExportOnnx().apply(tiny_start, tiny_context)
    with pytest.raises(AttarError, match=message):
        step.apply(exported, tiny_context)


SATURATES = """
import sys
import numpy as np
from attar.runtime.engines.onnx import OnnxEngine
engine = OnnxEngine()
engine.load({"model.onnx": open(sys.argv[1], "rb").read()}, threads=1)
ids = np.ones((1, 4), np.int64)
found = engine.run(ids, ids)["logits"]
assert np.abs(found - 64).max() < 1, found
"""


@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-user")
def test_int8_does_not_saturate_without_vnni(tmp_path: Path) -> None:
    """256 products of large weights and inputs, added in pairs of 16 bits, came out as 25
    on a Haswell, where there should be 64."""
    from onnxruntime.quantization import quantize_dynamic

    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "wide"], ["y"]),
            helper.make_node("MatMul", ["y", "weight"], ["logits"]),
        ],
        "large",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 3])],
        [
            numpy_helper.from_array(np.full((4, 256), 0.25, np.float32), "wide"),
            numpy_helper.from_array(np.full((256, 3), 0.25, np.float32), "weight"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path = tmp_path / "large.onnx"
    quantize_dynamic(model, path, per_channel=True)
    subprocess.run(
        ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-c", SATURATES, str(path)], check=True
    )
