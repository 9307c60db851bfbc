"""Quantize an ONNX model: weights in 8 or 4 bits, products in int8.

Three schemes say how products with 8-bit weights run:

- dynamic: weights int8 per output channel, inputs uint8 with a scale computed at run time;
- static: the same with the inputs' scales fixed beforehand, from train rows;
- weight_only: weights int8 in blocks, each with a scale (ONNX Runtime's MatMulNBits).

With 4 bits products are in blocks under every scheme. Embeddings are separate: the
smaller a model, the more of its bytes they are.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import onnx

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.passes.quantizing.activations import round_at_run_time
from attar.passes.quantizing.weights import shorten_names, store, weights_of
from attar.train.grids import BITS

SCHEMES = ("dynamic", "static", "weight_only")


@dataclass(frozen=True, slots=True)
class Quantize(Pass):
    """scheme: how 8-bit products run (above). weight_bits: of the products' weights.
    embedding_bits: of embeddings, the table of positions among them."""

    name: ClassVar[str] = "quantize"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("data",)

    scheme: str = "dynamic"
    weight_bits: int = 8
    embedding_bits: int = 8

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        self._check()
        model = onnx.load(source.folder / "model.onnx")
        weights = weights_of(model)
        of_kind = {"embedding": self.embedding_bits, "product": self.weight_bits}
        bits = {weight.name: of_kind[weight.kind] for weight in weights}
        whole = {
            w.name
            for w in weights
            if w.kind == "product" and bits[w.name] == 8 and self.scheme != "weight_only"
        }
        store(model, [weight for weight in weights if weight.name not in whole], bits)
        if whole:
            round_at_run_time(model, folder / "model.onnx")
            model = onnx.load(folder / "model.onnx")
        shorten_names(model)
        onnx.save(model, folder / "model.onnx")
        for name in ("tokenizer.json", "input.json"):
            shutil.copy(source.folder / name, folder / name)

    def _check(self) -> None:
        if self.scheme not in SCHEMES:
            raise AttarError(f"quantize: scheme={self.scheme!r} is none of {', '.join(SCHEMES)}")
        for name in ("weight_bits", "embedding_bits"):
            if getattr(self, name) not in BITS:
                raise AttarError(f"quantize: {name}={getattr(self, name)} is neither 4 nor 8")
