"""Prune inside the layers: attention heads, feed-forward neurons, channels of the hidden
state.

The units that matter least to train rows leave, and the matrices become smaller. Where
they were chosen by activation, the matrices that read them are refitted to those that
stay, which costs nothing at run time and leaves less for a distillation to heal. Units
that the loss chose are not: a fit of all that was dropped, most of which the loss does
not care about, made them worse (docs/passes-pruning.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.train.encoders import TransformerEncoder
from attar.train.importance import Importance, Measure, measure, refit
from attar.train.models import Model
from attar.train.sparsity import is_sparse, linears_of

#: Train rows that importance is measured on.
ROWS = 1024


@dataclass(frozen=True, slots=True)
class Prune(Pass):
    """heads, feed_forward: kept a layer, on average where across_layers ranks those of all
    layers together, else in each. hidden: channels kept. None keeps all. by: the measure
    of importance (`train/importance.py`); "taylor" needs a trained head."""

    name: ClassVar[str] = "prune"
    reads: ClassVar[tuple[str, ...]] = ("data",)

    heads: int | None = None
    feed_forward: int | None = None
    hidden: int | None = None
    by: Measure = "activation"
    across_layers: bool = True

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder)
        encoder = model.encoder
        if not isinstance(encoder, TransformerEncoder):
            raise AttarError("prune needs a transformer; the starting model has no layers")
        self._check(encoder)
        texts, gold = sample(context)
        prune(model, measure(model, texts, gold, self.by, context.progress), self)
        model.save(folder)

    def _check(self, encoder: TransformerEncoder) -> None:
        if self.heads is self.feed_forward is self.hidden is None:
            raise AttarError("prune: nothing to prune; set heads, feed_forward or hidden")
        blocks = encoder.blocks
        for name, limit in (
            ("heads", min(block.heads for block in blocks)),
            ("feed_forward", min(block.neurons for block in blocks)),
            ("hidden", encoder.hidden),
        ):
            wanted = getattr(self, name)
            if wanted is not None and not 1 <= wanted <= limit:
                raise AttarError(f"prune: {name}={wanted} must lie between 1 and {limit}")


def sample(context: Context, most: int = ROWS) -> tuple[list[str], Tensor]:
    """Texts of up to `most` train rows, spread evenly, and their gold columns."""
    rows = context.dataset.train
    count = min(most, len(rows))
    chosen = [i * len(rows) // count for i in range(count)]
    return [rows[i].text for i in chosen], torch.from_numpy(context.targets()[chosen])


def prune(model: Model, found: Importance, settings: Prune) -> None:
    """Take the units out of the model that these settings do not keep."""
    encoder = model.encoder
    assert isinstance(encoder, TransformerEncoder)
    refits = settings.by == "activation"
    if refits and any(is_sparse(linear) for linear in linears_of(encoder)):
        raise AttarError(
            "prune: refitting would fill the zeros of a sparse model.\n"
            'hint: prune before sparsify, or by="taylor"'
        )
    heads = strongest(found.heads, settings.heads, settings.across_layers)
    neurons = strongest(found.neurons, settings.feed_forward, settings.across_layers)
    for i, block in enumerate(encoder.blocks):
        if refits:
            inside = torch.arange(block.joining.in_features).view(block.heads, -1)[heads[i]]
            refit(block.joining, inside.flatten(), found.joining[i])
            refit(block.falling, neurons[i], found.falling[i])
        block.keep_heads(heads[i])
        block.keep_neurons(neurons[i])
    if settings.hidden is not None:
        (channels,) = strongest([found.channels], settings.hidden)
        encoder.keep_channels(channels)
        model.head.keep_inputs(channels)


def strongest(
    scores: Sequence[Tensor], count: int | None, across_layers: bool = False
) -> list[Tensor]:
    """Indices of the `count` highest scores of each layer, ascending; across layers: of as
    many on average, at least one a layer. None: all."""
    if count is None:
        return [torch.arange(len(one)) for one in scores]
    if not across_layers:
        return [one.topk(min(count, len(one))).indices.sort().values for one in scores]
    ranked = [one.clone() for one in scores]
    for one in ranked:
        one[one.argmax()] = torch.inf  # a layer keeps its best
    chosen = torch.cat(ranked).topk(count * len(scores)).indices
    sizes = [len(one) for one in scores]
    kept = torch.zeros(sum(sizes), dtype=torch.bool)
    kept[chosen] = True
    return [part.nonzero().flatten() for part in torch.split(kept, sizes)]
