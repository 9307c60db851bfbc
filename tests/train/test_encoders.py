"""Encoders: surgery on tiny models of several families, round trips and ONNX export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from attar.errors import TeacherError
from attar.passes import Artifact, Context
from attar.passes.export_onnx import ExportOnnx
from attar.train.encoders import (
    ConvolutionEncoder,
    FactorizedEmbedding,
    TransformerEncoder,
    encoder_from_spec,
    principal_axes,
)
from attar.train.models import Model
from attar.train.start import start_model

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}
FAMILIES = ["bert", "roberta", "distilbert", "electra", "modernbert"]


def config_of(family: str, vocabulary: int) -> Any:
    if family == "distilbert":
        return transformers.DistilBertConfig(
            vocab_size=vocabulary, dim=32, n_layers=3, n_heads=2, hidden_dim=64,
            max_position_embeddings=40,
        )  # fmt: skip
    if family == "modernbert":
        return transformers.ModernBertConfig(
            vocab_size=vocabulary, **SIZES, pad_token_id=0, bos_token_id=2, eos_token_id=3,
            cls_token_id=2, sep_token_id=3, global_attn_every_n_layers=2, local_attention=8,
        )  # fmt: skip
    if family == "roberta":
        return transformers.RobertaConfig(vocab_size=vocabulary, **SIZES, pad_token_id=0)
    if family == "electra":
        return transformers.ElectraConfig(vocab_size=vocabulary, **SIZES, embedding_size=32)
    return transformers.BertConfig(vocab_size=vocabulary, **SIZES)


@pytest.fixture(scope="module", params=FAMILIES)
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wordpiece: Any
) -> Path:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config_of(request.param, wordpiece.get_vocab_size()))
    path = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(path)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=wordpiece, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(path)
    return path


def inputs(vocabulary: int, length: int = 9) -> tuple[Any, Any]:
    ids = torch.randint(5, vocabulary, (2, length), generator=torch.Generator().manual_seed(3))
    mask = torch.ones_like(ids)
    mask[1, -3:] = 0
    return ids, mask


def test_positions_of_a_roberta_with_the_usual_padding_id() -> None:
    config = transformers.RobertaConfig(vocab_size=50, **SIZES, pad_token_id=1)
    encoder = TransformerEncoder(transformers.RobertaModel(config)).eval()
    assert encoder.positions == 38
    ids, mask = inputs(50)
    ids[mask == 0] = 1
    with torch.no_grad():
        before = encoder(ids, mask)
        encoder.limit_positions(9)
        torch.testing.assert_close(encoder(ids, mask), before)
    assert encoder.encoder.config.max_position_embeddings == 11


def real(hidden: Any, mask: Any) -> Any:
    return hidden[mask.bool()]


def test_every_family_loses_layers_positions_and_pieces_and_round_trips(
    folder: Path, wordpiece: Any, tiny_context: Context, tmp_path: Path
) -> None:
    model = start_model(str(folder), "classify", 4, max_length=16).eval()
    encoder = model.encoder
    assert isinstance(encoder, TransformerEncoder)
    assert encoder.hidden == 32
    assert encoder.vocabulary == wordpiece.get_vocab_size()
    ids, mask = inputs(encoder.vocabulary)
    encoder.keep_layers([0, 2])
    assert len(encoder.layers) == 2
    with torch.no_grad():
        short = encoder(ids, mask)
        assert short.shape == (2, 9, 32)
        assert encoder(*inputs(encoder.vocabulary, 16)).shape == (2, 16, 32)
        kept = torch.unique(torch.cat([torch.arange(5), ids.flatten()]))
        new_ids = torch.searchsorted(kept, ids)
        encoder.set_token_vectors(encoder.token_vectors()[kept])
        encoder.encoder.config.pad_token_id = 0
        trimmed = encoder(new_ids, mask)
        torch.testing.assert_close(real(trimmed, mask), real(short, mask), atol=1e-5, rtol=0)
        rebuilt = encoder_from_spec(encoder.spec())
        rebuilt.load_state_dict(encoder.state_dict())
        rebuilt.eval()
        torch.testing.assert_close(real(rebuilt(new_ids, mask), mask), real(trimmed, mask))


def test_every_family_exports_to_onnx(folder: Path, tiny_context: Context, tmp_path: Path) -> None:
    model = start_model(str(folder), "classify", 4, max_length=16)
    model.encoder.keep_layers([0, 2])
    model.save(tmp_path)
    exported = ExportOnnx().apply(Artifact(tmp_path, "source"), tiny_context)
    assert (exported.folder / "model.onnx").stat().st_size > 1000


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_cutting_positions_changes_no_answer(family: str) -> None:
    torch.manual_seed(0)
    config = config_of(family, 50)
    encoder = TransformerEncoder(transformers.AutoModel.from_config(config)).eval()
    offset = 1 if family == "roberta" else 0  # padding_idx + 1
    assert encoder.positions == 40 - offset
    ids, mask = inputs(50)
    with torch.no_grad():
        before = encoder(ids, mask)
        encoder.limit_positions(9)
        assert encoder.positions == 9
        torch.testing.assert_close(encoder(ids, mask), before)
        encoder.limit_positions(100)  # never grows
        assert encoder.positions == 9
        with pytest.raises((IndexError, RuntimeError)):
            encoder(*inputs(50, 10))
    again = encoder_from_spec(encoder.spec())
    again.load_state_dict(encoder.state_dict())
    assert again.positions == 9


def test_keep_layers_keeps_their_order_and_refuses_others(tiny_encoder: Path) -> None:
    encoder = TransformerEncoder.from_folder(str(tiny_encoder))
    first, _, last = encoder.layers
    encoder.keep_layers([2, 0])
    assert [*encoder.layers] == [last, first]
    assert encoder.encoder.config.num_hidden_layers == 2
    with pytest.raises(ValueError, match="has 2"):
        encoder.keep_layers([2])


def test_factorizing_at_full_rank_is_exact_and_below_it_the_best() -> None:
    torch.manual_seed(0)
    weight = torch.randn(200, 32) @ torch.diag(torch.linspace(3.0, 0.1, 32))
    full = FactorizedEmbedding.of(weight, 32)
    ids = torch.arange(200)
    torch.testing.assert_close(full(ids), weight, atol=1e-4, rtol=0)
    near = FactorizedEmbedding.of(weight, 31)
    centered = weight - weight.mean(0)
    smallest = torch.linalg.svdvals(centered)[-1]
    gap = torch.linalg.norm(near(ids) - weight)
    torch.testing.assert_close(gap, smallest, atol=1e-3, rtol=1e-3)
    sklearn = pytest.importorskip("sklearn.decomposition")
    official = sklearn.PCA(8, svd_solver="full").fit(weight.numpy())
    cosine = np.abs((official.components_ * principal_axes(weight, 8).numpy().T).sum(1))
    np.testing.assert_allclose(cosine, 1.0, atol=1e-4)


def test_factorized_encoder_round_trips(tiny_encoder: Path) -> None:
    encoder = TransformerEncoder.from_folder(str(tiny_encoder)).eval()
    encoder.factorize(8)
    assert encoder.token_vectors().shape == (encoder.vocabulary, 32)
    again = encoder_from_spec(encoder.spec())
    again.load_state_dict(encoder.state_dict())
    again.eval()
    ids, mask = inputs(encoder.vocabulary)
    with torch.no_grad():
        torch.testing.assert_close(again(ids, mask), encoder(ids, mask))
    encoder.set_token_vectors(encoder.token_vectors())
    assert encoder.spec()["rank"] is None


@pytest.mark.parametrize("depth", [1, 2])
def test_convolution_against_the_official_one(depth: int) -> None:
    torch.manual_seed(0)
    encoder = ConvolutionEncoder(50, 8, 3, depth)
    ids, mask = inputs(50)
    kept = mask.unsqueeze(-1)
    with torch.no_grad():
        expected = encoder.embedding(ids) * kept
        for mix in encoder.mix:
            official = torch.nn.Conv1d(8, 8, 3, padding=1)
            # (out, window x in) -> (out, in, window)
            official.weight.copy_(mix.weight.view(8, 3, 8).transpose(1, 2))
            official.bias.copy_(mix.bias)
            mixed = official(expected.transpose(1, 2)).transpose(1, 2)
            expected = (expected + torch.nn.functional.gelu(mixed)) * kept
        found = encoder(ids, mask)
        torch.testing.assert_close(found, expected)
        alone = encoder(ids[1:, :6], mask[1:, :6])
    torch.testing.assert_close(found[1, :6], alone[0])  # padding does not leak in
    again = encoder_from_spec(encoder.spec())
    again.load_state_dict(encoder.state_dict())
    assert (again.vocabulary, again.hidden) == (50, 8)


def test_a_decoder_is_refused(tmp_path: Path) -> None:
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=16,
        bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(TeacherError, match="not an encoder"):
        TransformerEncoder.from_folder(str(tmp_path))


def test_model_uses_the_padding_id_of_its_tokenizer(tiny_encoder: Path) -> None:
    model = start_model(str(tiny_encoder), "classify", 4, max_length=16)
    assert isinstance(model, Model)
    assert model.pad_id == 0
