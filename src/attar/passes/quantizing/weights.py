"""The weights of an ONNX graph that can be rounded, and the nodes that read them rounded.

Embeddings in 8 bits: gathered as int8 and scaled after the gather, one scale a row,
because one scale a table costs accuracy and the tool's own would keep none a row.
Embeddings in 4 bits, and products in blocks: the operators of ONNX Runtime that unpack
blocks themselves (GatherBlockQuantized, MatMulNBits). Products in 8 bits a channel are
the business of `activations.py`, because they round their inputs too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from attar.train.grids import BLOCK, in_blocks, in_rows

DOMAIN = "com.microsoft"  # the operators that ONNX Runtime adds to the standard
_INT8_ACTIVATIONS = 4  # accuracy level: MatMulNBits rounds its input block by block


@dataclass(frozen=True, slots=True)
class Weight:
    """A float matrix of the graph. kind: "embedding" where nodes gather its rows,
    "product" where they multiply by it. transposed: stored as (width, rows)."""

    name: str
    kind: str
    transposed: bool
    tensor: onnx.TensorProto

    @property
    def rows(self) -> Tensor:
        """The matrix as grids take it: (rows, width)."""
        array = numpy_helper.to_array(self.tensor)
        return torch.from_numpy(np.array(array.T if self.transposed else array, order="C"))


def weights_of(model: onnx.ModelProto) -> list[Weight]:
    """Every matrix that a Gather, MatMul or Gemm reads as its weight, in the graph's order."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, Weight] = {}
    for node in model.graph.node:
        place = _weight_input(node)
        tensor = tensors.get(node.input[place]) if place is not None else None
        if tensor is not None and tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2:
            kind = "embedding" if node.op_type == "Gather" else "product"
            transposed = kind == "product" and not _attribute(node, "transB", 0)
            found.setdefault(tensor.name, Weight(tensor.name, kind, transposed, tensor))
    return list(found.values())


def store(model: onnx.ModelProto, weights: Sequence[Weight], bits: Mapping[str, int]) -> None:
    """Round these weights to `bits[name]`, and replace the nodes that read them."""
    graph = model.graph
    chosen = {weight.name: weight for weight in weights}
    made: dict[str, onnx.TensorProto] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        place = _weight_input(node)
        weight = chosen.get(node.input[place]) if place is not None else None
        if weight is None:
            nodes.append(node)
            continue
        if weight.kind == "product":
            replaced, tensors = _block_product(node, weight, bits[weight.name])
        elif bits[weight.name] == 8:
            replaced, tensors = _row_gather(node, weight)
        else:
            replaced, tensors = _block_gather(node, weight, bits[weight.name])
        nodes.extend(replaced)
        made.update((tensor.name, tensor) for tensor in tensors)  # once for all its readers
    read = {name for node in nodes for name in node.input}
    for name in sorted(chosen.keys() - read):
        graph.initializer.remove(chosen[name].tensor)
    graph.initializer.extend(made.values())
    del graph.node[:]
    graph.node.extend(nodes)
    _declare_domain(model)


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


def _weight_input(node: onnx.NodeProto) -> int | None:
    """Which input of a node may be such a matrix; None where there is none."""
    if node.op_type == "Gather" and _attribute(node, "axis", 0) == 0:
        return 0
    plain = not _attribute(node, "transA", 0) and all(
        _attribute(node, name, 1.0) == 1.0 for name in ("alpha", "beta")
    )
    return 1 if node.op_type == "MatMul" or (node.op_type == "Gemm" and plain) else None


def _attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    for attribute in node.attribute:
        if attribute.name == name:
            value: float = helper.get_attribute_value(attribute)
            return value
    return default


Replacement = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _row_gather(node: onnx.NodeProto, weight: Weight) -> Replacement:
    codes, scales = in_rows(weight.rows)
    name, ids, output = weight.name, node.input[1], node.output[0]
    nodes = [
        helper.make_node("Gather", [f"{name}.int8", ids], [f"{output}.int8"], axis=0),
        helper.make_node("Gather", [f"{name}.scale", ids], [f"{output}.scale"], axis=0),
        helper.make_node("Cast", [f"{output}.int8"], [f"{output}.cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{output}.cast", f"{output}.scale"], [output]),
    ]
    return nodes, [_tensor(codes, f"{name}.int8"), _tensor(scales, f"{name}.scale")]


def _block_gather(node: onnx.NodeProto, weight: Weight, bits: int) -> Replacement:
    rows = weight.rows
    grid, width = in_blocks(rows, bits), rows.shape[1]
    even = width + width % (8 // bits)  # whole bytes a row
    packed = _packed(grid.codes.flatten(1)[:, :even], bits)
    name, ids, output = weight.name, node.input[1], node.output[0]
    gathered = output if even == width else f"{output}.even"
    gather = helper.make_node(
        "GatherBlockQuantized", [f"{name}.packed", ids, f"{name}.scale"], [gathered],
        domain=DOMAIN, bits=bits, block_size=BLOCK, gather_axis=0, quantize_axis=1,
    )  # fmt: skip
    nodes = [_scale(name), gather]
    tensors = [_tensor(packed, f"{name}.packed"), _tensor(grid.scales, f"{name}.half")]
    if even != width:
        cut = {"from": 0, "to": width, "along": -1}
        nodes.append(
            helper.make_node("Slice", [gathered, *(f"{name}.{key}" for key in cut)], [output])
        )
        tensors += [_tensor(torch.tensor([value]), f"{name}.{key}") for key, value in cut.items()]
    return nodes, tensors


def _block_product(node: onnx.NodeProto, weight: Weight, bits: int) -> Replacement:
    rows = weight.rows
    grid, name = in_blocks(rows, bits), weight.name
    bias = node.input[2] if len(node.input) > 2 else ""
    inputs = [node.input[0], f"{name}.packed", f"{name}.scale", *(["", "", bias] if bias else [])]
    product = helper.make_node(
        "MatMulNBits", inputs, [node.output[0]], domain=DOMAIN, bits=bits, block_size=BLOCK,
        N=rows.shape[0], K=rows.shape[1], accuracy_level=_INT8_ACTIVATIONS,
    )  # fmt: skip
    packed = _tensor(_packed(grid.codes, bits), f"{name}.packed")
    return [_scale(name), product], [packed, _tensor(grid.scales, f"{name}.half")]


def _scale(name: str) -> onnx.NodeProto:
    """Scales lie in the file as float16 and are widened once, when the model is loaded."""
    return helper.make_node("Cast", [f"{name}.half"], [f"{name}.scale"], to=TensorProto.FLOAT)


def _packed(codes: Tensor, bits: int) -> Tensor:
    """As many codes a byte as fit, the first in the low bits, along the last axis."""
    if bits == 8:
        return codes
    return codes[..., 0::2] | (codes[..., 1::2] << 4)


def _tensor(values: Tensor, name: str) -> onnx.TensorProto:
    array: NDArray[np.generic] = np.ascontiguousarray(values.numpy())
    return numpy_helper.from_array(array, name)


def _declare_domain(model: onnx.ModelProto) -> None:
    """Name the added operators' domain, and say that they give floats, which tools of the
    standard cannot know."""
    added = [node for node in model.graph.node if node.domain == DOMAIN]
    if added and DOMAIN not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    for node in added:
        model.graph.value_info.append(
            helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
        )
