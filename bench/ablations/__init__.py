"""What `passes.py` measures: one module a family of techniques, each with `ENTRIES`."""

from __future__ import annotations

from ablations import chain, distillation, pruning, quantization, starts, vocabulary
from ablations.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    *chain.ENTRIES,
    *starts.ENTRIES,
    *distillation.ENTRIES,
    *vocabulary.ENTRIES,
    *pruning.ENTRIES,
    *quantization.ENTRIES,
)
