"""Quantize an ONNX model to int8.

Matrix products: weights int8 per output channel, activations uint8 with a scale
computed at run time (dynamic quantization, ONNX Runtime). Embedding tables: int8
with one scale a row, gathered as int8 and scaled after the gather, because one scale
a table costs accuracy and the tool's own would keep none a row.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from attar.passes import Artifact, Context, Pass


@dataclass(frozen=True, slots=True)
class Quantize(Pass):
    """Int8, dynamic, per channel. There is nothing to set yet."""

    name: ClassVar[str] = "quantize"
    version: ClassVar[int] = 2

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        graph = onnx.load(source.folder / "model.onnx")
        quantize_embeddings(graph)
        logging.getLogger("root").disabled = True  # the tool advises on the root logger
        try:
            quantize_dynamic(
                graph,
                folder / "model.onnx",
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.getLogger("root").disabled = False
        quantized = onnx.load(folder / "model.onnx")
        shorten_names(quantized)
        onnx.save(quantized, folder / "model.onnx")
        for name in ("tokenizer.json", "input.json"):
            shutil.copy(source.folder / name, folder / name)


def quantize_embeddings(model: onnx.ModelProto) -> None:
    """Replace every Gather of a float matrix by an int8 gather and its rows' scales."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        tensor = weights.get(node.input[0]) if node.op_type == "Gather" else None
        if tensor is None or tensor.data_type != TensorProto.FLOAT or len(tensor.dims) != 2:
            nodes.append(node)
        else:
            nodes.extend(_int8_gather(graph, node, numpy_helper.to_array(tensor)))
    used = {name for node in nodes for name in node.input}
    for name in sorted(weights.keys() - used):
        graph.initializer.remove(weights[name])
    del graph.node[:]
    graph.node.extend(nodes)


def shorten_names(model: onnx.ModelProto) -> None:
    """Number inner tensors and drop names that nothing reads: at a megabyte, the names
    that exporters give ("/encoder/layer.0/attention/…") are a twentieth of the file."""
    graph = model.graph
    del graph.value_info[:]
    if any(a.type == onnx.AttributeProto.GRAPH for n in graph.node for a in n.attribute):
        return  # an inner graph may read outer names
    kept = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        for names in (node.input, node.output):
            names[:] = [kept.setdefault(name, f"{len(kept):x}") for name in names]
    for tensor in graph.initializer:
        tensor.name = kept[tensor.name]


def _int8_gather(
    graph: onnx.GraphProto, node: onnx.NodeProto, table: np.ndarray
) -> list[onnx.NodeProto]:
    scale = np.abs(table).max(axis=1, keepdims=True).astype(np.float32) / 127.0
    scale[scale == 0] = 1.0
    quantized = np.clip(np.rint(table / scale), -127, 127).astype(np.int8)
    name, ids, output = node.input[0], node.input[1], node.output[0]
    made = {tensor.name for tensor in graph.initializer}  # another gather of this table's
    for suffix, value in (("int8", quantized), ("scale", scale)):
        if f"{name}.{suffix}" in made:
            continue
        graph.initializer.append(numpy_helper.from_array(value, f"{name}.{suffix}"))
    return [
        helper.make_node("Gather", [f"{name}.int8", ids], [f"{output}.int8"], axis=0),
        helper.make_node("Gather", [f"{name}.scale", ids], [f"{output}.scale"], axis=0),
        helper.make_node("Cast", [f"{output}.int8"], [f"{output}.cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{output}.cast", f"{output}.scale"], [output]),
    ]
