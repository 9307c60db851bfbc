"""The chain of a default build, one pass after the other."""

from __future__ import annotations

from ablations.entry import FINE_TUNED, Entry
from attar.passes.distill import Distill
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune import Finetune
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary

#: As a build with some 10,000 texts learns (`plan.search.distillation`).
TAUGHT = Distill(epochs=3, learning_rate=4e-4)

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
        "chain without layers, int8",
        "chain",
        "pretrained",
        (
            TrimVocabulary(),
            NoLayers(256, depth=2),
            Distill(epochs=5, learning_rate=3e-3, head_factor=1.0, bf16=False),
            ExportOnnx(),
            Quantize(),
        ),
    ),
)
