"""Distill quantized: teach a student while its weights are rounded as they will ship.

Teacher, texts and loss are those of `distill`; every product and embedding computes with
weights on the grid of the quantize pass. The result is a torch model as before: its own
weights are not rounded, and lose least when `Quantize` rounds them to the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from attar.errors import AttarError
from attar.passes import Artifact, Context
from attar.passes.distill import Distill
from attar.train.fake_quantization import rounding
from attar.train.grids import BITS
from attar.train.models import Model


@dataclass(frozen=True, slots=True)
class DistillQuantized(Distill):
    """weight_bits, embedding_bits: as `Quantize` will be set; the rest as in `Distill`.
    The inputs of products stay float here, also where they will be int8."""

    name: ClassVar[str] = "distill_quantized"
    version: ClassVar[int] = 1
    reasons: ClassVar[dict[str, str]] = {}

    weight_bits: int = 4
    embedding_bits: int = 4

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        for name, bits in (("weight", self.weight_bits), ("embedding", self.embedding_bits)):
            if bits not in BITS:
                raise AttarError(f"distill_quantized: {name}_bits={bits} is neither 4 nor 8")
        model = Model.load(source.folder)
        with rounding(model, self.weight_bits, self.embedding_bits):
            self.teach(model, source, context)
        model.save(folder)
