"""Keep some layers of an encoder, and optionally narrow their feed-forward blocks.

This makes the student of the *layers* families. Layers keep their pretrained weights
(as in DistilBERT, Sanh et al. 2019). Of a feed-forward block the neurons with the
largest product of incoming and outgoing weight norms stay; importance measured on
data, and healing, belong to the pruning passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.train.encoders import TransformerEncoder
from attar.train.models import Model


@dataclass(frozen=True, slots=True)
class TakeLayers(Pass):
    """layers: indices kept, in order. feed_forward: neurons kept a layer, None for all."""

    name: ClassVar[str] = "take_layers"

    layers: tuple[int, ...]
    feed_forward: int | None = None

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder)
        if not isinstance(model.encoder, TransformerEncoder):
            raise AttarError("take_layers needs a transformer; the starting model has no layers")
        model.encoder.keep_layers(self.layers)
        if self.feed_forward is not None:
            for layer in model.encoder.layers:
                narrow_feed_forward(layer, self.feed_forward)
            model.encoder.encoder.config.intermediate_size = self.feed_forward
        model.save(folder)


def can_narrow(encoder: TransformerEncoder) -> bool:
    """True for the BERT family (BERT, RoBERTa, ELECTRA, XLM-R), whose block is two
    linear layers with one activation between."""
    return all(_block(layer) is not None for layer in encoder.layers)


def narrow_feed_forward(layer: nn.Module, kept: int) -> None:
    block = _block(layer)
    if block is None:
        raise AttarError(f"cannot narrow the feed-forward block of a {type(layer).__name__}")
    rising, falling = block
    importance = rising.weight.norm(dim=1) * falling.weight.norm(dim=0)  # (neurons,)
    chosen = importance.topk(min(kept, len(importance))).indices.sort().values
    with torch.no_grad():
        rising.weight = nn.Parameter(rising.weight[chosen].clone())
        rising.bias = nn.Parameter(rising.bias[chosen].clone())
        falling.weight = nn.Parameter(falling.weight[:, chosen].clone())
    rising.out_features = falling.in_features = len(chosen)


def _block(layer: nn.Module) -> tuple[nn.Linear, nn.Linear] | None:
    rising = getattr(getattr(layer, "intermediate", None), "dense", None)
    falling = getattr(getattr(layer, "output", None), "dense", None)
    if isinstance(rising, nn.Linear) and isinstance(falling, nn.Linear):
        return rising, falling
    return None
