"""Which weights suffer most from few bits, and which of them get more under a limit."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from attar.passes.quantizing.sample import Inputs
from attar.passes.quantizing.weights import Weight
from attar.train.grids import blocks_back, in_blocks
from attar.types import Progress

NODES = 400  # bytes that the nodes of a product in int8 may take beyond those in blocks


def sensitivities(
    model: onnx.ModelProto,
    weights: Sequence[Weight],
    bits: int,
    inputs: Sequence[Inputs],
    progress: Progress,
) -> dict[str, float]:
    """For each weight how far the logits move once it alone is rounded to `bits` in blocks:
    the mean squared change over `inputs` and columns, which suits every task."""
    session = _overridable(model, weights)

    def logits(changed: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        found = [session.run(["logits"], {**given, **changed})[0] for given in inputs]
        return np.concatenate(found).astype(np.float64)

    exact = logits({})
    found = {}
    for weight in progress.track(weights, "sensitivity", len(weights)):
        rows = weight.rows
        back = blocks_back(in_blocks(rows, bits), bits, rows.shape[1]).numpy()
        changed = np.ascontiguousarray(back.T if weight.transposed else back)
        found[weight.name] = float(np.square(logits({weight.name: changed}) - exact).mean())
    return found


def raised(
    weights: Sequence[Weight], sensitivity: Mapping[str, float], spare_bytes: float
) -> list[str]:
    """Names of the weights to keep at 8 bits instead of 4: by change avoided a byte, the
    largest first, as far as `spare_bytes` go."""
    costs = {weight.name: weight.rows.numel() / 2 + NODES for weight in weights}
    order = sorted(costs, key=lambda name: (-sensitivity[name] / costs[name], name))
    chosen = []
    for name in order:
        if costs[name] <= spare_bytes:
            chosen.append(name)
            spare_bytes -= costs[name]
    return chosen


def _overridable(model: onnx.ModelProto, weights: Sequence[Weight]) -> Any:
    """A session that takes other values of these weights as inputs, in place of its own."""
    import onnxruntime

    model = copy.deepcopy(model)
    for weight in weights:
        model.graph.input.append(
            helper.make_tensor_value_info(weight.name, TensorProto.FLOAT, weight.tensor.dims)
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one sum in one order, wherever there are more cores
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
