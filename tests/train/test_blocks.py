"""Cutting heads, neurons and channels: against the whole model with them masked out."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch import nn

from attar.errors import AttarError
from attar.train.blocks import stream_of
from attar.train.encoders import TransformerEncoder, can_narrow, encoder_from_spec

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 20,
    "initializer_range": 0.3,
}
CONFIGS: dict[str, Any] = {
    "bert": lambda: transformers.BertConfig(**SIZES),
    "roberta": lambda: transformers.RobertaConfig(**SIZES, pad_token_id=1),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(**SIZES, pad_token_id=1),
    "electra": lambda: transformers.ElectraConfig(**SIZES, embedding_size=24),
    "electra, narrow embeddings": lambda: transformers.ElectraConfig(**SIZES, embedding_size=16),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=50, dim=24, n_layers=3, n_heads=4, hidden_dim=40,
        max_position_embeddings=20, initializer_range=0.3,
    ),
}  # fmt: skip
HEADS = [torch.tensor(kept) for kept in ([0, 2], [1, 2, 3], [3])]
NEURONS = [torch.arange(i, 40, 2 + i) for i in range(3)]
CHANNELS = torch.tensor([0, 1, 3, 4, 8, 9, 11, 15, 16, 17, 20, 23])


@pytest.fixture(params=list(CONFIGS))
def encoder(request: pytest.FixtureRequest) -> TransformerEncoder:
    torch.manual_seed(0)
    made = transformers.AutoModel.from_config(CONFIGS[request.param]())
    for norm in (part for part in made.modules() if isinstance(part, nn.LayerNorm)):
        nn.init.normal_(norm.weight, 1.0, 0.3)  # as trained ones, not all alike
        nn.init.normal_(norm.bias, 0.0, 0.3)
    return TransformerEncoder(made).eval()


def answer(encoder: TransformerEncoder) -> Any:
    ids = torch.randint(5, 50, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    with torch.no_grad():
        return encoder(ids, mask)[mask.bool()]


def test_without_some_heads_and_neurons_as_if_their_outputs_were_zero(
    encoder: TransformerEncoder,
) -> None:
    for block, heads, neurons in zip(encoder.blocks, HEADS, NEURONS, strict=True):
        with torch.no_grad():
            by_head = block.joining.weight.view(24, 4, 6)
            by_head[:, [i for i in range(4) if i not in heads]] = 0.0
            block.falling.weight[:, [i for i in range(40) if i not in neurons]] = 0.0
    masked = answer(encoder)
    for block, heads, neurons in zip(encoder.blocks, HEADS, NEURONS, strict=True):
        block.keep_heads(heads)
        block.keep_neurons(neurons)
    torch.testing.assert_close(answer(encoder), masked)
    widths = encoder.spec()["widths"]
    assert widths == {"hidden": 24, "heads": [2, 3, 1], "feed_forward": [20, 13, 10]}
    assert encoder.blocks[0].query.weight.shape == (12, 24)


def test_without_some_channels_as_if_they_were_zero_everywhere(
    encoder: TransformerEncoder,
) -> None:
    """Norms must look at the kept channels alone; the rest is zeroed channels."""

    def over_kept(norm: nn.Module, args: tuple[Any], output: Any) -> Any:
        out = torch.zeros_like(output)
        given = args[0][..., CHANNELS]
        assert isinstance(norm, nn.LayerNorm)
        out[..., CHANNELS] = nn.functional.layer_norm(
            given, (len(CHANNELS),), norm.weight[CHANNELS], norm.bias[CHANNELS], norm.eps
        )
        return out

    def zeroed(part: nn.Module, args: Any, output: Any) -> Any:
        kept = torch.zeros(output.shape[-1])
        kept[CHANNELS] = 1.0
        return output * kept

    handles = [
        part.register_forward_hook(over_kept if isinstance(part, nn.LayerNorm) else zeroed)
        for part in stream_of(encoder.encoder, encoder.blocks)
    ]
    masked = answer(encoder)[:, CHANNELS]
    for handle in handles:
        handle.remove()
    encoder.keep_channels(CHANNELS)
    assert encoder.hidden == 12
    torch.testing.assert_close(answer(encoder), masked)


def test_a_cut_encoder_is_rebuilt_from_its_spec(encoder: TransformerEncoder) -> None:
    encoder.keep_layers([2, 0])
    for block, heads, neurons in zip(encoder.blocks, HEADS, NEURONS, strict=False):
        block.keep_heads(heads)
        block.keep_neurons(neurons)
    encoder.keep_channels(CHANNELS)
    encoder.limit_positions(12)
    encoder.factorize(5)
    encoder.keep_channels(torch.arange(10))  # with a factorized embedding too
    again = encoder_from_spec(encoder.spec())
    assert again.hidden == 10
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(answer(again.eval()), answer(encoder))
    again.keep_layers([1])
    assert again.spec()["widths"] == {"hidden": 10, "heads": [3], "feed_forward": [13]}


def test_other_layers_are_refused() -> None:
    sizes = {**SIZES, "intermediate_size": 24}
    config = transformers.ModernBertConfig(
        **sizes, pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3
    )
    encoder = TransformerEncoder(transformers.AutoModel.from_config(config))
    assert not can_narrow(encoder)
    with pytest.raises(AttarError, match=r"ModernBertEncoderLayer.*\n.*whole layers"):
        encoder.keep_channels(CHANNELS)
    again = encoder_from_spec(encoder.spec())
    assert again.hidden == 24
