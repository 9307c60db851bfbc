"""Training on the grid: products and embeddings compute with rounded weights, while the
weights that learn stay as they are (quantization-aware training, Jacob et al. 2018).

The gradient passes the rounding as if it were not there (the straight-through estimator,
Bengio et al. 2013). The grids are those of the quantize pass, so that what is exported
and quantized afterwards computes with the weights that were trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from attar.train.grids import rounded


@contextmanager
def rounding(model: nn.Module, weight_bits: int, embedding_bits: int) -> Iterator[None]:
    """Within, every linear layer and every embedding of `model` computes on its grid."""
    made: dict[nn.Module, Callable[..., Tensor]] = {}
    for part in model.modules():
        if isinstance(part, nn.Linear):
            made[part] = partial(_linear, part, weight_bits)
        elif isinstance(part, nn.Embedding):
            made[part] = partial(_embedding, part, embedding_bits)
    for part, forward in made.items():
        part.forward = forward
    try:
        yield
    finally:
        for part in made:
            del part.forward  # the method of its class again


def _linear(layer: nn.Linear, bits: int, inputs: Tensor) -> Tensor:
    return functional.linear(inputs, _straight_through(layer.weight, bits), layer.bias)


def _embedding(table: nn.Embedding, bits: int, ids: Tensor) -> Tensor:
    """Rows are rounded after they are looked up, which is the same and rounds fewer."""
    rows = functional.embedding(ids, table.weight, table.padding_idx)  # (…, width)
    return _straight_through(rows.reshape(-1, rows.shape[-1]), bits).reshape(rows.shape)


def _straight_through(weight: Tensor, bits: int) -> Tensor:
    found: Tensor = _Rounding.apply(weight, bits)  # type: ignore[no-untyped-call]
    return found


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor, bits: int) -> Tensor:
        return rounded(weight, bits)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
