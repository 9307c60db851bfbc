"""Products in int8: weights a channel, and inputs rounded with scales taken from the
batch at hand (dynamic) or from train rows beforehand (static). ONNX Runtime's tools."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

PRODUCTS = ["MatMul", "Gemm"]


def round_at_run_time(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` to `path` with dynamic int8 products."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=PRODUCTS,
            per_channel=True,
            weight_type=QuantType.QInt8,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The tools advise on the root logger."""
    logging.getLogger("root").disabled = True
    try:
        yield
    finally:
        logging.getLogger("root").disabled = False
