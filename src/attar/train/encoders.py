"""Encoders: token ids in, one vector a token out. Two families.

A *transformer* is any Hugging Face encoder, with layers taken out, its vocabulary
trimmed and its embedding factorized. A *convolution* has no transformer layers:
static embeddings and one residual convolution over neighboring tokens. Both answer
`forward(input_ids, attention_mask) -> (batch, time, hidden)` and rebuild themselves
from the plain data in `spec()`. Pooling and the head live in `models.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging

from attar.errors import TeacherError
from attar.train.blocks import Block, block_of, blocks_of, cut_to, keep_channels, widths_of


class FactorizedEmbedding(nn.Module):
    """Embedding of low rank followed by a projection (ALBERT, Lan et al. 2020, §3.1)."""

    def __init__(self, vocabulary: int, rank: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, rank)
        self.projection = nn.Linear(rank, hidden)

    @property
    def weight(self) -> Tensor:
        """transformers looks at the embedding's weight for its type and device."""
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        projected: Tensor = self.projection(self.embedding(ids))  # (batch, time, hidden)
        return projected

    @classmethod
    def of(cls, weight: Tensor, rank: int) -> FactorizedEmbedding:
        """The best approximation of `weight` (vocabulary, hidden) in the Frobenius norm:
        its principal components around the mean row (Eckart & Young 1936)."""
        made = cls(weight.shape[0], rank, weight.shape[1])
        mean = weight.mean(0)
        axes = principal_axes(weight, rank)
        with torch.no_grad():
            made.embedding.weight.copy_((weight - mean) @ axes)
            made.projection.weight.copy_(axes)
            made.projection.bias.copy_(mean)
        return made


def embedding_of(weight: Tensor, padding_idx: int | None = None) -> nn.Embedding:
    """A trainable embedding that holds a copy of `weight` (rows, hidden)."""
    made = nn.Embedding(weight.shape[0], weight.shape[1], padding_idx=padding_idx)
    with torch.no_grad():
        made.weight.copy_(weight)
    return made


def principal_axes(rows: Tensor, count: int) -> Tensor:
    """The first `count` principal axes of rows (n, hidden), as columns (hidden, count).

    From the covariance, which is small: far quicker than decomposing the rows.
    Each axis points to where its largest entry is positive, so that it is unique.
    """
    centered = (rows - rows.mean(0)).double()
    _, vectors = torch.linalg.eigh(centered.T @ centered)  # ascending
    axes = vectors.flip(1)[:, :count]
    largest = axes.abs().argmax(0)
    signs = torch.sign(axes[largest, torch.arange(count)])
    oriented: Tensor = (axes * signs).float()
    return oriented


class TransformerEncoder(nn.Module):
    """A Hugging Face encoder that can lose layers, positions, embedding rank, and inside
    its layers heads, neurons and channels: then `spec()["widths"]` says more than its
    configuration, which stays that of the encoder it was cut from."""

    family = "transformer"

    def __init__(self, encoder: PreTrainedModel, rank: int | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.rank = rank
        self.hidden = int(encoder.config.hidden_size)
        if hasattr(encoder, "pooler"):
            encoder.pooler = None  # unused: the pool is a mean, and it would cost bytes

    @property
    def layers(self) -> nn.ModuleList:
        return _layer_list(self.encoder)

    @property
    def blocks(self) -> list[Block]:
        """What the layers are made of; AttarError for families that cannot be cut inside."""
        return blocks_of(self.layers)

    @property
    def vocabulary(self) -> int:
        return int(self.encoder.get_input_embeddings().weight.shape[0])

    @property
    def _has_types(self) -> bool:
        return int(getattr(self.encoder.config, "type_vocab_size", 0) or 0) > 1

    @property
    def positions(self) -> int:
        """The longest text, in tokens, that the encoder takes."""
        table = _position_table(self.encoder)
        if table is None:
            return int(getattr(self.encoder.config, "max_position_embeddings", 512))
        offset = 0 if table.padding_idx is None else table.padding_idx + 1
        return int(table.weight.shape[0]) - offset

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, types: Tensor | None = None
    ) -> Tensor:
        """types: of tokens, 0 or 1, (batch, time); encoders without token types ignore them."""
        given = {"token_type_ids": types} if types is not None and self._has_types else {}
        output = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **given)
        hidden: Tensor = output.last_hidden_state  # (batch, time, hidden)
        return hidden

    def token_vectors(self) -> Tensor:
        """Input embeddings as one full matrix, (vocabulary, hidden)."""
        table = self.encoder.get_input_embeddings()
        if isinstance(table, FactorizedEmbedding):
            full: Tensor = table.projection(table.embedding.weight)
        else:
            full = table.weight
        return full.detach()

    def set_token_vectors(self, weight: Tensor) -> None:
        """Replace the input embeddings by `weight` (vocabulary, hidden), at full rank."""
        table = embedding_of(weight)
        self.encoder.set_input_embeddings(table)
        self.encoder.config.vocab_size = weight.shape[0]
        self.rank = None

    def factorize(self, rank: int) -> None:
        self.encoder.set_input_embeddings(FactorizedEmbedding.of(self.token_vectors(), rank))
        self.rank = rank

    def keep_layers(self, kept: Sequence[int]) -> None:
        """Keep the layers with these indices, in this order."""
        layers = self.layers
        if any(not 0 <= i < len(layers) for i in kept):
            raise ValueError(f"layers {list(kept)} of an encoder that has {len(layers)}")
        chosen = [layers[i] for i in kept]
        config = self.encoder.config
        if getattr(config, "layer_types", None):  # ModernBERT: attention kind by layer
            config.layer_types = [config.layer_types[i] for i in kept]
        del layers[:]
        layers.extend(chosen)
        config.num_hidden_layers = len(chosen)

    def keep_channels(self, kept: Tensor) -> None:
        """Narrow the hidden state to the channels with these indices, in this order."""
        keep_channels(self.encoder, self.blocks, kept)
        self.hidden = len(kept)

    def limit_positions(self, longest: int) -> None:
        """Cut learned absolute positions to `longest` tokens; a no-op for other kinds."""
        table = _position_table(self.encoder)
        if table is None:
            return
        # RoBERTa counts positions from padding_idx + 1.
        offset = 0 if table.padding_idx is None else table.padding_idx + 1
        keep = longest + offset
        if keep >= table.weight.shape[0]:
            return
        cut = embedding_of(table.weight.detach()[:keep], table.padding_idx)
        owner = self.encoder.embeddings
        owner.position_embeddings = cut
        for name in ("position_ids", "token_type_ids"):
            if isinstance(getattr(owner, name, None), Tensor):
                owner.register_buffer(name, getattr(owner, name)[:, :keep], persistent=False)
        self.encoder.config.max_position_embeddings = keep

    def spec(self) -> dict[str, Any]:
        config = self.encoder.config.to_dict()
        config.pop("_name_or_path", None)  # where it was loaded from, on this machine
        made = {"family": self.family, "rank": self.rank, "config": config}
        if can_narrow(self):
            made["widths"] = widths_of(self.hidden, self.blocks)
        return made

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> TransformerEncoder:
        plain = dict(spec["config"])
        config = AutoConfig.for_model(plain.pop("model_type"), **plain)
        made = cls(AutoModel.from_config(config))
        if spec["rank"] is not None:
            width = made.token_vectors().shape[1]  # ELECTRA's may differ from the hidden size
            made.encoder.set_input_embeddings(
                FactorizedEmbedding(config.vocab_size, spec["rank"], width)
            )
            made.rank = spec["rank"]
        if "widths" in spec:
            cut_to(made.encoder, made.blocks, spec["widths"])
            made.hidden = spec["widths"]["hidden"]
        return made

    @classmethod
    def from_folder(cls, folder: str) -> TransformerEncoder:
        """Load from a folder or a hub name; safetensors only, never pickles."""
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            encoder = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        except Exception as error:  # transformers raises many kinds here
            first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise TeacherError(
                f"cannot load the model {folder!r}: {first_line}\n"
                "hint: name a folder with config.json, model.safetensors and tokenizer.json, "
                'a hub name (needs a network), or "embedded"'
            ) from None
        finally:
            if bars:
                logging.enable_progress_bar()
        if _is_decoder(encoder.config):
            raise TeacherError(
                f"{folder!r} is not an encoder (model type {encoder.config.model_type!r}); "
                "the classify task needs one, such as a BERT"
            )
        return cls(encoder)


class ConvolutionEncoder(nn.Module):
    """Static embeddings and residual convolutions over them: no transformer layers.

    Each of the `depth` convolutions sees `width` neighboring tokens, as in Kim (2014).
    `dropout` of embeddings is for whoever trains it to set; it is not part of the model.
    """

    family = "convolution"

    def __init__(self, vocabulary: int, hidden: int, width: int = 3, depth: int = 1) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.dropout = nn.Dropout(0.0)
        self.mix = nn.ModuleList(nn.Linear(width * hidden, hidden) for _ in range(depth))

    @property
    def hidden(self) -> int:
        return self.embedding.embedding_dim

    @property
    def vocabulary(self) -> int:
        return self.embedding.num_embeddings

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, types: Tensor | None = None
    ) -> Tensor:
        """types: ignored."""
        mask = attention_mask.unsqueeze(-1).to(self.embedding.weight.dtype)
        hidden: Tensor = self.dropout(self.embedding(input_ids)) * mask  # (batch, time, hidden)
        for mix in self.mix:
            # Masked, so that padding stays zero for the next convolution's windows.
            hidden = (hidden + nn.functional.gelu(mix(self._windows(hidden)))) * mask
        return hidden

    def _windows(self, hidden: Tensor) -> Tensor:
        """Each token beside its neighbors, (batch, time, width * hidden): as one matrix
        product over this a convolution quantizes per channel."""
        reach, time = self.width // 2, hidden.shape[1]
        padded = nn.functional.pad(hidden, (0, 0, reach, reach))
        return torch.cat([padded[:, i : i + time] for i in range(self.width)], dim=-1)

    def spec(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "vocabulary": self.vocabulary,
            "hidden": self.hidden,
            "width": self.width,
            "depth": len(self.mix),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> ConvolutionEncoder:
        return cls(spec["vocabulary"], spec["hidden"], spec["width"], spec["depth"])


Encoder = TransformerEncoder | ConvolutionEncoder
FAMILIES: dict[str, Any] = {cls.family: cls for cls in (TransformerEncoder, ConvolutionEncoder)}


def can_narrow(encoder: Encoder) -> bool:
    """True where heads, neurons and channels can be taken from the layers."""
    if not isinstance(encoder, TransformerEncoder):
        return False
    return all(block_of(layer) is not None for layer in encoder.layers)


def encoder_from_spec(spec: Mapping[str, Any]) -> Encoder:
    made: Encoder = FAMILIES[spec["family"]].from_spec(spec)
    return made


def _layer_list(encoder: PreTrainedModel) -> nn.ModuleList:
    """The stack of transformer layers: the module list as long as the configuration says."""
    count = encoder.config.num_hidden_layers
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise TeacherError(
        f"no list of {count} layers in a model of type {encoder.config.model_type!r}"
    )


def _position_table(encoder: PreTrainedModel) -> nn.Embedding | None:
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    return table if isinstance(table, nn.Embedding) else None


def _is_decoder(config: PretrainedConfig) -> bool:
    left_to_right = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys()
    both_ways = MODEL_FOR_MASKED_LM_MAPPING_NAMES.keys()
    return bool(getattr(config, "is_encoder_decoder", False)) or (
        config.model_type in left_to_right and config.model_type not in both_ways
    )
