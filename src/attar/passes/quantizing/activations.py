"""Products in int8: weights a channel, and inputs rounded with scales taken from the
batch at hand (dynamic) or from train rows beforehand (static). ONNX Runtime's tools."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx

from attar.passes.quantizing.sample import Inputs

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


def round_beforehand(model: onnx.ModelProto, path: Path, inputs: Sequence[Inputs]) -> None:
    """Write `model` to `path` with int8 products whose inputs have fixed scales.

    inputs: what the model reads of some train rows; the least and the largest activation
    among them are a product's range (entropy and percentiles were no better). Only what goes
    into products is rounded: rounding what comes out too, the tool's default, costs accuracy.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(inputs)

        def get_next(self) -> Inputs | None:
            return next(self.left, None)

    with _quiet():
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=PRODUCTS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "MatMulConstBOnly": True,
                "OpTypesToExcludeOutputQuantization": PRODUCTS,
            },
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The tools advise on the root logger."""
    logging.getLogger("root").disabled = True
    try:
        yield
    finally:
        logging.getLogger("root").disabled = False
