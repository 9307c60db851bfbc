"""Which layers of an encoder to keep: one after the other, the one missed least leaves.

A layer is missed by how far the pooled embedding moves when it is skipped, the mean of
1 - cosine over texts, measured anew after every layer that left. On Banking77 this chose
the layers that the loss on gold labels would have (docs/passes-pruning.md), and needs
neither labels nor a trained head. Block influence (ShortGPT, Men et al. 2024), which
compares the input and output of every layer once, chose worse ones there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from attar.train.encoders import TransformerEncoder
from attar.train.models import Model
from attar.types import Progress


def layers_to_keep(
    model: Model, count: int, texts: Sequence[str], progress: Progress
) -> tuple[int, ...]:
    """Indices of the `count` layers to keep, ascending."""
    assert isinstance(model.encoder, TransformerEncoder)
    names = [layer.state_dict().keys() for layer in model.encoder.layers]
    layers = range(len(names))
    fixed = [0] if names[0] != names[-1] else []  # ModernBERT's first has no norm to begin with
    kept = list(layers)
    whole = _embedding(model, (), texts)
    leaving = len(kept) - count
    for _ in progress.track(range(leaving), "choose layers", leaving):
        moved = {}
        for layer in (layer for layer in kept if layer not in fixed):
            skipped = [i for i in layers if i == layer or i not in kept]
            found = _embedding(model, skipped, texts)
            moved[layer] = float(1 - torch.cosine_similarity(found, whole).mean())
        kept.remove(min(moved, key=moved.__getitem__))
    return tuple(kept)


def _embedding(model: Model, skipped: Sequence[int], texts: Sequence[str]) -> Tensor:
    """Pooled embeddings of the texts, (texts, hidden), with some layers skipped."""
    assert isinstance(model.encoder, TransformerEncoder)
    layers = model.encoder.layers
    handles = [layers[i].register_forward_hook(_skip, with_kwargs=True) for i in skipped]
    try:
        _, embedding = model.answer(texts)
    finally:
        for handle in handles:
            handle.remove()
    return torch.from_numpy(embedding)


def _skip(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    given = args[0] if args else kwargs["hidden_states"]
    return (given, *output[1:]) if isinstance(output, tuple) else given
