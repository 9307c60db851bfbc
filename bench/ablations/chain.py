"""The chain of a default build, one pass after the other."""

from __future__ import annotations

from dataclasses import replace

from ablations.entry import FINE_TUNED, Entry
from attar.passes.distill import Distill
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune import Finetune
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary

#: Twice as long as a build with some 8,000 texts (`plan.search.distillation`), and shorter.
TAUGHT = Distill(epochs=6, learning_rate=4e-4)
SHORT = replace(TAUGHT, epochs=2)
FOUR = (0, 2, 3, 5)
INT4 = Quantize(weight_bits=4, embedding_bits=4)

ENTRIES = (
    Entry(FINE_TUNED, "chain", "pretrained", (Finetune(epochs=3),)),
    Entry(
        "chain: + two layers, distilled",
        "chain",
        "pretrained",
        (TrimVocabulary(), TakeLayers((0, 5)), TAUGHT),
    ),
    Entry("chain: + int8", "chain", "chain: + two layers, distilled", (ExportOnnx(), Quantize())),
    Entry(
        "chain from the fine-tuned model: two layers, distilled",
        "chain",
        FINE_TUNED,
        (TrimVocabulary(), TakeLayers((0, 5)), TAUGHT),
    ),
    Entry(
        "chain from the fine-tuned model: six layers, distilled for an epoch, int8",
        "chain",
        FINE_TUNED,
        (
            TrimVocabulary(),
            Distill(epochs=1, learning_rate=1e-4, head_factor=1.0),
            ExportOnnx(),
            Quantize(),
        ),
    ),
    Entry(
        "chain: two layers, distilled for 2 epochs",
        "chain",
        "pretrained",
        (TrimVocabulary(), TakeLayers((0, 5)), SHORT),
    ),
    Entry(
        "chain: four layers, distilled for 2 epochs, int4",
        "chain",
        "pretrained",
        (TrimVocabulary(), TakeLayers(FOUR), SHORT, ExportOnnx(), INT4),
    ),
    Entry(
        "chain from the fine-tuned model: two layers, distilled for 2 epochs",
        "chain",
        FINE_TUNED,
        (TrimVocabulary(), TakeLayers((0, 5)), SHORT),
    ),
    Entry(
        "chain from the fine-tuned model: four layers, distilled for 2 epochs, int4",
        "chain",
        FINE_TUNED,
        (TrimVocabulary(), TakeLayers(FOUR), SHORT, ExportOnnx(), INT4),
    ),
    Entry(
        "chain without layers, int8",
        "chain",
        "pretrained",
        (
            TrimVocabulary(),
            NoLayers(256, depth=2),
            Distill(epochs=6, learning_rate=3e-3, head_factor=1.0, bf16=False),
            ExportOnnx(),
            Quantize(),
        ),
    ),
)
