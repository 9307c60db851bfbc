"""Quantize an ONNX model: weights in 8 or 4 bits, products in int8.

Three schemes say how products with 8-bit weights run:

- dynamic: weights int8 per output channel, inputs uint8 with a scale computed at run time;
- static: the same with the inputs' scales fixed beforehand, from train rows;
- weight_only: weights int8 in blocks, each with a scale (ONNX Runtime's MatMulNBits).

With 4 bits products are in blocks under every scheme. Embeddings are separate: the
smaller a model, the more of its bytes they are.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import onnx

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.passes.quantizing.activations import (
    round_at_run_time,
    round_beforehand,
)
from attar.passes.quantizing.sample import train_inputs
from attar.passes.quantizing.sensitivity import raised, sensitivities
from attar.passes.quantizing.weights import shorten_names, store, weights_of
from attar.train.grids import BITS

SCHEMES = ("dynamic", "static", "weight_only")


@dataclass(frozen=True, slots=True)
class Quantize(Pass):
    """scheme: how 8-bit products run (above). weight_bits: of the products' weights.
    embedding_bits: of embeddings, the table of positions among them. limit_bytes: of the
    model file; under it, as many weights as fit have 8 bits instead of 4, those first whose
    rounding moves the answers to train rows most. None leaves all as they are set."""

    name: ClassVar[str] = "quantize"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("data",)

    scheme: str = "dynamic"
    weight_bits: int = 8
    embedding_bits: int = 8
    limit_bytes: int | None = None

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        self._check()
        model = onnx.load(source.folder / "model.onnx")
        of_kind = {"embedding": self.embedding_bits, "product": self.weight_bits}
        bits = {weight.name: of_kind[weight.kind] for weight in weights_of(model)}
        if self.limit_bytes is not None:
            bits = self._under_limit(model, bits, source, folder, context)
        self._write(model, bits, source, folder, context)
        for name in ("tokenizer.json", "input.json"):
            shutil.copy(source.folder / name, folder / name)

    def _write(
        self,
        model: onnx.ModelProto,
        bits: Mapping[str, int],
        source: Artifact,
        folder: Path,
        context: Context,
    ) -> None:
        """Write the model with `bits` for each of its weights, and spend the `model` given."""
        weights, path = weights_of(model), folder / "model.onnx"
        in_int8 = {
            weight.name
            for weight in weights
            if weight.kind == "product" and bits[weight.name] == 8 and self.scheme != "weight_only"
        }
        store(model, [weight for weight in weights if weight.name not in in_int8], bits)
        if in_int8 and self.scheme == "dynamic":
            round_at_run_time(model, path)
            model = onnx.load(path)
        elif in_int8:
            round_beforehand(model, path, train_inputs(source.folder, context))
            model = onnx.load(path)
        shorten_names(model)
        onnx.save(model, path)

    def _under_limit(
        self,
        model: onnx.ModelProto,
        bits: dict[str, int],
        source: Artifact,
        folder: Path,
        context: Context,
    ) -> dict[str, int]:
        assert self.limit_bytes is not None
        self._write(copy.deepcopy(model), bits, source, folder, context)
        least = (folder / "model.onnx").stat().st_size
        if least > self.limit_bytes:
            raise AttarError(
                f"quantize: limit_bytes={self.limit_bytes}, but with the bits set the model takes "
                f"{least} bytes; a smaller one fits"
            )
        few = [weight for weight in weights_of(model) if bits[weight.name] < 8]
        inputs = train_inputs(source.folder, context)
        found = sensitivities(model, few, min(BITS), inputs, context.progress)
        return bits | dict.fromkeys(raised(few, found, self.limit_bytes - least), 8)

    def _check(self) -> None:
        for name, value, known in (
            ("scheme", self.scheme, SCHEMES),
            ("weight_bits", self.weight_bits, BITS),
            ("embedding_bits", self.embedding_bits, BITS),
        ):
            if value not in known:
                choices = ", ".join(str(choice) for choice in known)
                raise AttarError(f"quantize: {name}={value!r} is none of {choices}")
