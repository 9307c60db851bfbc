"""Where a student starts: the pretrained encoder, or the fine-tuned model, in equal time."""

from __future__ import annotations

from dataclasses import replace

from ablations.chain import TAUGHT
from ablations.entry import FINE_TUNED, Entry
from attar.passes.export_onnx import ExportOnnx
from attar.passes.quantize import Quantize
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary

FAMILY = "starts"
SHORT = replace(TAUGHT, epochs=2)
FOUR = (0, 2, 3, 5)
INT4 = Quantize(weight_bits=4, embedding_bits=4)

ENTRIES = (
    Entry(
        "chain from the fine-tuned model: two layers, distilled",
        FAMILY,
        FINE_TUNED,
        (TrimVocabulary(), TakeLayers((0, 5)), TAUGHT),
    ),
    Entry(
        "chain: two layers, distilled for 2 epochs",
        FAMILY,
        "pretrained",
        (TrimVocabulary(), TakeLayers((0, 5)), SHORT),
    ),
    Entry(
        "chain: four layers, distilled for 2 epochs, int4",
        FAMILY,
        "pretrained",
        (TrimVocabulary(), TakeLayers(FOUR), SHORT, ExportOnnx(), INT4),
    ),
    Entry(
        "chain from the fine-tuned model: two layers, distilled for 2 epochs",
        FAMILY,
        FINE_TUNED,
        (TrimVocabulary(), TakeLayers((0, 5)), SHORT),
    ),
    Entry(
        "chain from the fine-tuned model: four layers, distilled for 2 epochs, int4",
        FAMILY,
        FINE_TUNED,
        (TrimVocabulary(), TakeLayers(FOUR), SHORT, ExportOnnx(), INT4),
    ),
)
