"""Vocabulary and embedding, on the fine-tuned model as it is."""

from __future__ import annotations

from ablations.entry import FINE_TUNED, Entry
from attar.passes.distill import Distill
from attar.passes.factorize import Factorize
from attar.passes.trim_vocabulary import TrimVocabulary

ENTRIES = (
    Entry("trim vocabulary", "vocabulary", FINE_TUNED, (TrimVocabulary(),)),
    Entry("trim vocabulary to 1,500 pieces", "vocabulary", FINE_TUNED, (TrimVocabulary(1500),)),
    Entry("embedding rank 128", "vocabulary", FINE_TUNED, (Factorize(128),)),
    Entry(
        "embedding rank 128, healed",
        "vocabulary",
        FINE_TUNED,
        (Factorize(128), Distill(epochs=1, learning_rate=1e-4, head_factor=1.0)),
    ),
)
