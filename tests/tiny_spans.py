"""A tiny real bundle that marks spans, made without torch: "refund" is a thing, and so is
"parcel" right after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from conftest import DIMENSIONS, KEYWORDS, SPECIAL, VOCABULARY, tiny_manifest, tiny_tokenizer

COLUMNS = ("O", "B-thing", "I-thing")
STRENGTH = 8.0


def spans_onnx() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    words = np.zeros((len(VOCABULARY), DIMENSIONS), np.float32)
    words[range(len(SPECIAL), len(SPECIAL) + DIMENSIONS), range(DIMENSIONS)] = 1.0
    weight = np.zeros((DIMENSIONS, len(COLUMNS)), np.float32)
    place = [*KEYWORDS].index
    weight[place("refund")] = (0, 2 * STRENGTH, 0)
    weight[place("delivery")] = (0, 0, 2 * STRENGTH)  # an I alone, which no span begins with
    constants = {
        "words": words,
        "weight": weight,
        "bias": np.array([STRENGTH, 0, 0], np.float32),
        "places": np.array([1]),
    }
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors"], ["embedding"], axes=[1], keepdims=0),
        helper.make_node("Unsqueeze", ["embedding", "places"], ["text"]),
        helper.make_node("Concat", ["text", "vectors"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weight"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "places", 3]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSIONS]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "spans", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return content.SerializeToString()


def write_spans_bundle(path: Path, **keys: Any) -> Path:
    """keys: of the manifest, replaced."""
    from attar.bundle import write_bundle
    from attar.tasks.extract import EXTRACT

    manifest = tiny_manifest() | {
        "name": "things",
        "task": "extract",
        "capabilities": [*EXTRACT.capabilities],
        "task_settings": EXTRACT.settings(COLUMNS, None, threshold=0.5),
        **keys,
    }
    write_bundle(path, manifest, {"model.onnx": spans_onnx(), "tokenizer.json": tiny_tokenizer()})
    return path
