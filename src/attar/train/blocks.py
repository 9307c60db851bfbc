"""The matrices of a transformer layer, and how to cut them: heads, neurons, channels.

A block is what BERT, RoBERTa, XLM-R, ELECTRA and DistilBERT are made of: attention of
one query, key and value matrix and one that joins the heads, two matrices around one
activation, and a norm after each of the two. Cutting only removes rows and columns;
which of them is the caller's choice (`importance.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attar.errors import AttarError

#: Where the parts of a layer lie: query, key, value, joining, rising, falling, two norms.
_PLACES = (
    (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
        "attention.output.LayerNorm",
        "output.LayerNorm",
    ),
    (
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
        "sa_layer_norm",
        "output_layer_norm",
    ),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One layer. Heads of `head_size` lie one after the other in the rows of query, key
    and value and in the columns of joining; neurons are the rows of rising and the
    columns of falling; channels are the hidden state that all layers add to."""

    head_size: int
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    joining: nn.Linear
    rising: nn.Linear
    falling: nn.Linear
    attention_norm: nn.LayerNorm
    output_norm: nn.LayerNorm

    @property
    def heads(self) -> int:
        return self.joining.in_features // self.head_size

    @property
    def neurons(self) -> int:
        return self.falling.in_features

    def keep_heads(self, kept: Tensor) -> None:
        """kept: indices of heads, ascending, at least one."""
        inside = (kept[:, None] * self.head_size + torch.arange(self.head_size)).flatten()
        for linear in (self.query, self.key, self.value):
            keep_outputs(linear, inside)
        keep_inputs(self.joining, inside)

    def keep_neurons(self, kept: Tensor) -> None:
        """kept: indices of feed-forward neurons, ascending, at least one."""
        keep_outputs(self.rising, kept)
        keep_inputs(self.falling, kept)

    def keep_channels(self, kept: Tensor) -> None:
        for linear in (self.query, self.key, self.value, self.rising):
            keep_inputs(linear, kept)
        for linear in (self.joining, self.falling):
            keep_outputs(linear, kept)
        for norm in (self.attention_norm, self.output_norm):
            _keep_norm(norm, kept)


def block_of(layer: nn.Module) -> Block | None:
    """The block in a Hugging Face layer, None where it is built otherwise."""
    for places in _PLACES:
        try:
            parts: list[Any] = [layer.get_submodule(place) for place in places]
        except AttributeError:
            continue
        kinds = (nn.Linear,) * 6 + (nn.LayerNorm,) * 2
        if all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True)):
            owner: Any = layer.get_submodule(places[0].rpartition(".")[0])
            return Block(int(owner.attention_head_size), *parts)
    return None


def blocks_of(layers: nn.ModuleList) -> list[Block]:
    found = [block_of(layer) for layer in layers]
    blocks = [block for block in found if block is not None]
    if len(blocks) < len(found):
        raise AttarError(
            f"cannot prune inside a {type(layers[0]).__name__}: its layers are built otherwise "
            "than those of BERT, RoBERTa, XLM-R, ELECTRA or DistilBERT.\n"
            "hint: take whole layers, or start from a model of these families"
        )
    return blocks


def stream_of(encoder: nn.Module, blocks: Sequence[Block]) -> list[nn.Module]:
    """The modules whose outputs are the hidden state: after the embeddings, after each
    attention and after each feed-forward part."""
    first = getattr(encoder, "embeddings_project", None)  # ELECTRA with narrow embeddings
    if first is None:
        first = encoder.get_submodule("embeddings.LayerNorm")
    return [first, *(norm for b in blocks for norm in (b.attention_norm, b.output_norm))]


def keep_channels(encoder: nn.Module, blocks: Sequence[Block], kept: Tensor) -> None:
    """Narrow the hidden state to these channels, from the embeddings to the last norm."""
    projection = getattr(encoder, "embeddings_project", None)
    if projection is not None:
        keep_outputs(projection, kept)
    else:
        for part in encoder.get_submodule("embeddings").children():
            if isinstance(part, nn.Embedding):
                part.weight = _parameter(part.weight[:, kept])
                part.embedding_dim = len(kept)
            elif isinstance(part, nn.LayerNorm):
                _keep_norm(part, kept)
            elif isinstance(getattr(part, "projection", None), nn.Linear):  # factorized
                keep_outputs(part.projection, kept)  # type: ignore[arg-type]
    for block in blocks:
        block.keep_channels(kept)


def widths_of(hidden: int, blocks: Sequence[Block]) -> dict[str, Any]:
    """How wide the parts of an encoder are, as plain data for its spec."""
    return {
        "hidden": hidden,
        "heads": [block.heads for block in blocks],
        "feed_forward": [block.neurons for block in blocks],
    }


def cut_to(encoder: nn.Module, blocks: Sequence[Block], widths: Mapping[str, Any]) -> None:
    """Give a freshly made encoder these widths; its weights are to be loaded after."""
    keep_channels(encoder, blocks, torch.arange(widths["hidden"]))
    parts = zip(blocks, widths["heads"], widths["feed_forward"], strict=True)
    for block, heads, neurons in parts:
        block.keep_heads(torch.arange(heads))
        block.keep_neurons(torch.arange(neurons))


def keep_outputs(linear: nn.Linear, kept: Tensor) -> None:
    linear.weight = _parameter(linear.weight[kept])
    if linear.bias is not None:
        linear.bias = _parameter(linear.bias[kept])
    linear.out_features = len(kept)


def keep_inputs(linear: nn.Linear, kept: Tensor) -> None:
    linear.weight = _parameter(linear.weight[:, kept])
    linear.in_features = len(kept)


def _keep_norm(norm: nn.LayerNorm, kept: Tensor) -> None:
    norm.weight = _parameter(norm.weight[kept])
    norm.bias = _parameter(norm.bias[kept])
    norm.normalized_shape = (len(kept),)


def _parameter(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone())
