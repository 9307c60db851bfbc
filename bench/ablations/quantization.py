"""Bits: on the fine-tuned model as it is, and on the small students of the chain."""

from __future__ import annotations

from ablations import chain
from ablations.entry import FINE_TUNED, Entry
from attar.passes import Pass
from attar.passes.distill import Distill
from attar.passes.distill_quantized import DistillQuantized
from attar.passes.export_onnx import ExportOnnx
from attar.passes.quantize import Quantize

TWO_LAYERS = "chain: + two layers, distilled"
NO_LAYERS = "no layers, distilled"

INT4 = Quantize("weight_only", weight_bits=4, embedding_bits=4)
SMALL_EMBEDDING = Quantize(embedding_bits=4)
HEALED = Distill(epochs=1, learning_rate=1e-4, head_factor=1.0, copies=1)
AWARE = DistillQuantized(epochs=1, learning_rate=1e-4, head_factor=1.0, copies=1)
#: The student without layers learns at a higher rate (`plan.search.distillation`).
FAST = {"epochs": 2, "learning_rate": 1e-3, "head_factor": 1.0, "bf16": False}


def _entry(start: str, what: str, *steps: Pass, remark: str = "") -> Entry:
    short = {FINE_TUNED: "bits", TWO_LAYERS: "two layers", NO_LAYERS: "no layers"}[start]
    return Entry(f"{short}: {what}", "quantization", start, steps, remark)


def _rounded(start: str, limit_bytes: int) -> tuple[Entry, ...]:
    """What is not trained for, from the model `start`."""
    mixed = Quantize("dynamic", weight_bits=4, embedding_bits=4, limit_bytes=limit_bytes)
    return (
        _entry(start, "int8", ExportOnnx(), Quantize()),
        _entry(start, "int8, static", ExportOnnx(), Quantize("static")),
        _entry(start, "int8 in blocks, weights only", ExportOnnx(), Quantize("weight_only")),
        _entry(start, "int4 embedding, int8", ExportOnnx(), SMALL_EMBEDDING),
        _entry(start, "int4", ExportOnnx(), INT4),
        _entry(start, "int4, int8 where sensitive", ExportOnnx(), mixed,
               remark=f"model of {limit_bytes / 1e6:g} MB"),
    )  # fmt: skip


_no_layers = next(entry for entry in chain.ENTRIES if entry.name == "chain without layers, int8")

ENTRIES = (
    *_rounded(FINE_TUNED, 16_000_000),
    _entry(FINE_TUNED, "int4 after an epoch of distillation", HEALED, ExportOnnx(), INT4),
    _entry(FINE_TUNED, "int4 after an epoch trained for it", AWARE, ExportOnnx(), INT4),
    *_rounded(TWO_LAYERS, 3_500_000),
    _entry(TWO_LAYERS, "int4 after an epoch of distillation", HEALED, ExportOnnx(), INT4),
    _entry(TWO_LAYERS, "int4 after an epoch trained for it", AWARE, ExportOnnx(), INT4),
    Entry(NO_LAYERS, "quantization", "pretrained", _no_layers.steps[:-2]),
    *_rounded(NO_LAYERS, 800_000),
    _entry(NO_LAYERS, "int4 after two epochs of distillation",
           Distill(**FAST), ExportOnnx(), INT4),
    _entry(NO_LAYERS, "int4 after two epochs trained for it",
           DistillQuantized(**FAST), ExportOnnx(), INT4),
    _entry(NO_LAYERS, "int4 embedding, int8, after two epochs trained for it",
           DistillQuantized(**FAST, weight_bits=8), ExportOnnx(), SMALL_EMBEDDING),
)  # fmt: skip
