"""Set the least important weights of every matrix to zero, wherever they lie.

The file keeps its size and the model its speed: bundles store weights raw, and ONNX
Runtime multiplies zeros like other numbers. What it buys is a file that compresses, when
it is sent or stored packed (figures: docs/passes-pruning.md). Training afterwards holds
the zeros (`train/sparsity.py`) and int8 keeps them, because its weights are symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.passes.prune import sample
from attar.train.batches import padded_batches
from attar.train.models import Model
from attar.train.sparsity import linears_of
from attar.types import Progress


@dataclass(frozen=True, slots=True)
class Sparsify(Pass):
    """share: of the weights of every matrix that become zero. by: "magnitude", the smallest
    |weight| of the matrix; "wanda", in every row the smallest |weight| times the norm of
    its input over train rows (Sun et al. 2024)."""

    name: ClassVar[str] = "sparsify"
    reads: ClassVar[tuple[str, ...]] = ("data",)

    share: float
    by: Literal["magnitude", "wanda"] = "wanda"

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        if not 0 < self.share < 1:
            raise AttarError(f"sparsify: share={self.share} must lie between 0 and 1")
        model = Model.load(source.folder).eval()
        linears = linears_of(model.encoder)
        if self.by == "wanda":
            norms = input_norms(model, linears, sample(context)[0], context.progress)
            for linear, norm in zip(linears, norms, strict=True):
                zero_smallest(linear, linear.weight.abs() * norm, self.share)
        else:
            for linear in linears:
                whole = linear.weight.abs().flatten()[None]
                zero_smallest(linear, whole, self.share)
        model.save(folder)


@torch.no_grad()
def input_norms(
    model: Model, linears: Sequence[nn.Linear], texts: Sequence[str], progress: Progress
) -> list[Tensor]:
    """Root of the summed squares of every input over all real tokens, (in,) a matrix."""
    squares = [torch.zeros(linear.in_features) for linear in linears]
    mask = torch.zeros(0)

    def watch(place: int) -> object:
        def hook(linear: nn.Module, args: tuple[Tensor]) -> None:
            squares[place] += args[0][mask.bool()].square().sum(0)

        return linears[place].register_forward_pre_hook(hook)

    handles = [watch(place) for place in range(len(linears))]
    batches = padded_batches(model.tokens(texts), model.pad_id, 32, model.max_length)
    for batch in progress.track(batches, "measure inputs", len(batches)):
        mask = batch.attention_mask
        model(batch.input_ids, batch.attention_mask)
    for handle in handles:
        handle.remove()  # type: ignore[attr-defined]
    return [one.sqrt() for one in squares]


def zero_smallest(linear: nn.Linear, scores: Tensor, share: float) -> None:
    """scores: (groups, size) of the weights in their order; of every group this share goes."""
    count = round(share * scores.shape[1])
    smallest = scores.topk(count, dim=1, largest=False).indices
    kept = torch.ones_like(scores).scatter_(1, smallest, 0.0)
    with torch.no_grad():
        linear.weight.mul_(kept.view_as(linear.weight))
