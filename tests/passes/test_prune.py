"""Pruning as passes: sizes on disk, what stays, choices by data, and zeros that last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
transformers = pytest.importorskip("transformers")

from onnx import TensorProto, numpy_helper

from attar.errors import AttarError
from attar.passes import Artifact, Context, apply_all
from attar.passes.distill import Distill
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune import Finetune
from attar.passes.no_layers import NoLayers
from attar.passes.prune import Prune, sample, strongest
from attar.passes.quantize import Quantize
from attar.passes.sparsify import Sparsify, input_norms
from attar.passes.take_layers import TakeLayers
from attar.plan.teacher import frozen_teacher
from attar.runtime.engines.onnx import OnnxEngine
from attar.train.models import Model
from attar.train.sparsity import is_sparse, linears_of
from attar.train.start import start_model
from attar.types import Silent
from conftest import write_hf_folder

pytestmark = pytest.mark.usefixtures("float32")


def widths(artifact: Artifact) -> Any:
    return Model.load(artifact.folder).encoder.spec()["widths"]


def onnx_bytes(artifact: Artifact) -> int:
    return (artifact.folder / "model.onnx").stat().st_size


@pytest.mark.parametrize("by", ["taylor", "activation"])
def test_pruned_is_smaller_in_torch_onnx_and_int8_and_answers_alike(
    by: Any, tiny_start: Artifact, tiny_context: Context
) -> None:
    export = (ExportOnnx(), Quantize())
    pruned = Prune(heads=1, feed_forward=20, hidden=24, by=by, across_layers=True).apply(
        tiny_start, tiny_context
    )
    found = widths(pruned)
    assert (found["hidden"], found["heads"]) == (24, [1, 1, 1])
    assert sum(found["feed_forward"]) == 60 and min(found["feed_forward"]) >= 1
    start, model = Model.load(tiny_start.folder), Model.load(pruned.folder)
    layer = 4 * 24 * 16 + 2 * 24 * 20  # weights of an average layer
    linears = sum(linear.weight.numel() for linear in linears_of(model.encoder))
    assert linears == 3 * layer
    assert model.parameters_count < 0.6 * start.parameters_count
    float32 = export[0].apply(pruned, tiny_context)
    assert onnx_bytes(float32) < onnx_bytes(export[0].apply(tiny_start, tiny_context))
    int8 = export[1].apply(float32, tiny_context)
    assert onnx_bytes(int8) < onnx_bytes(apply_all(export, tiny_start, tiny_context))
    engine = OnnxEngine()
    engine.load({"model.onnx": (float32.folder / "model.onnx").read_bytes()}, threads=1)
    ids = torch.tensor(model.tokens([tiny_context.dataset.train[0].text]))
    with torch.no_grad():
        logits, _ = model.eval()(ids, torch.ones_like(ids))
    outputs = engine.run(ids.numpy(), np.ones_like(ids.numpy()))
    np.testing.assert_allclose(outputs["logits"], logits.numpy(), atol=1e-4)


def test_units_that_do_nothing_leave_first_and_nothing_changes(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    """Two thirds of the neurons of one layer, and one head of another, are dead."""
    model = Model.load(tiny_start.folder)
    first, second, _ = model.encoder.blocks
    with torch.no_grad():
        first.falling.weight[:, torch.arange(64) % 3 != 0] = 1e-12
        second.joining.weight[:, :16] = 1e-12
    model.save(tmp_path)
    source = Artifact(tmp_path, "dead units")
    texts = [row.text for row in tiny_context.dataset.select]
    expected = model.answer(texts)
    for by in ("taylor", "activation"):
        step = Prune(feed_forward=64 - 14, by=by, across_layers=True)
        made = step.apply(source, tiny_context)
        assert widths(made)["feed_forward"] == [22, 64, 64]
        found = Model.load(made.folder).answer(texts)
        np.testing.assert_allclose(found[0], expected[0], atol=1e-4)
        step = Prune(heads=1, by=by)
        block = Model.load(step.apply(source, tiny_context).folder).encoder.blocks[1]
        assert block.value.weight.shape == (16, 32)
        torch.testing.assert_close(block.value.weight, second.value.weight[16:])


def test_refitting_brings_the_pruned_model_nearer(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [row.text for row in tiny_context.dataset.train]
    _, whole = Model.load(tiny_start.folder).answer(texts)
    gaps = []
    for folder in ("refitted", "not"):
        context = replace(tiny_context, cache=tmp_path / folder)
        if folder == "not":
            monkeypatch.setattr("attar.passes.prune.refit", lambda linear, kept, given: None)
        made = Prune(feed_forward=24).apply(tiny_start, context)
        gaps.append(np.square(Model.load(made.folder).answer(texts)[1] - whole).mean())
    assert gaps[0] < 0.5 * gaps[1]


def test_strongest() -> None:
    scores = [torch.tensor([5.0, 1.0, 4.0]), torch.tensor([0.2, 0.3, 0.1])]
    kept = [part.tolist() for part in strongest(scores, 2)]
    assert kept == [[0, 2], [0, 1]]
    kept = [part.tolist() for part in strongest(scores, 2, across_layers=True)]
    assert kept == [[0, 1, 2], [1]]  # a layer keeps its best
    assert [len(part) for part in strongest(scores, None)] == [3, 3]


def test_sample_is_spread_over_train(tiny_context: Context) -> None:
    texts, gold = sample(tiny_context, 4)
    train = tiny_context.dataset.train
    assert texts == [train[i].text for i in (0, 24, 48, 72)]
    assert gold.tolist() == tiny_context.targets()[[0, 24, 48, 72]].tolist()
    assert len(sample(tiny_context)[0]) == len(train)


def test_layers_are_chosen_by_what_skipping_them_changes(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    """The middle layer changes nothing: its two parts add zero (and norms are idle)."""
    model = Model.load(tiny_start.folder)
    dead = model.encoder.blocks[1]
    with torch.no_grad():
        for linear in (dead.joining, dead.falling):
            linear.weight.zero_()
            linear.bias.zero_()
    model.save(tmp_path)
    source = Artifact(tmp_path, "a layer that does nothing")
    chosen = Model.load(TakeLayers(2).apply(source, tiny_context).folder)
    expected = Model.load(TakeLayers((0, 2)).apply(source, tiny_context).folder)
    for name, value in expected.state_dict().items():
        assert torch.equal(chosen.state_dict()[name], value), name
    for count in (0, 4):
        with pytest.raises(AttarError, match=f"layers={count} must lie between 1 and 3"):
            TakeLayers(count).apply(source, tiny_context)


def test_the_layer_chosen_is_the_one_missed_least(
    tiny_start: Artifact, tiny_context: Context
) -> None:
    """Against taking each layer out for real."""
    texts, _ = sample(tiny_context, 256)
    _, whole = Model.load(tiny_start.folder).answer(texts)
    near = {}
    for kept in ((0, 1), (0, 2), (1, 2)):
        model = Model.load(tiny_start.folder)
        model.encoder.keep_layers(kept)
        _, found = model.answer(texts)
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(whole, axis=1)
        near[kept] = float(((found * whole).sum(1) / norms).mean())
    best = max(near, key=near.__getitem__)
    chosen = TakeLayers(2).apply(tiny_start, tiny_context).folder
    expected = TakeLayers(best).apply(tiny_start, tiny_context).folder
    assert (chosen / "model.safetensors").read_bytes() == (
        expected / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("by", ["magnitude", "wanda"])
def test_masks_against_a_naive_choice(by: Any, tiny_start: Artifact, tiny_context: Context) -> None:
    start = Model.load(tiny_start.folder).eval()
    made = Model.load(Sparsify(0.75, by).apply(tiny_start, tiny_context).folder)
    texts, _ = sample(tiny_context)
    norms = input_norms(start, linears_of(start.encoder), texts, Silent())
    pairs = zip(linears_of(start.encoder), linears_of(made.encoder), norms, strict=True)
    for before, after, norm in pairs:
        weight = before.weight.detach().numpy()
        score = np.abs(weight) * (norm.numpy() if by == "wanda" else 1.0)
        expected = weight.copy()
        if by == "wanda":
            for row, values in zip(expected, score, strict=True):
                row[np.argsort(values)[: round(0.75 * len(values))]] = 0.0
        else:
            expected[score < np.quantile(score, 0.75)] = 0.0
        np.testing.assert_array_equal(after.weight.detach().numpy(), expected)
    table = start.encoder.token_vectors()
    torch.testing.assert_close(made.encoder.token_vectors(), table)  # not a matrix product


def test_input_norms_see_real_tokens_only(tiny_start: Artifact, tiny_context: Context) -> None:
    model = Model.load(tiny_start.folder).eval()
    query = model.encoder.blocks[0].query
    texts = [row.text for row in tiny_context.dataset.train[:9]] + ["a"]
    (together,) = input_norms(model, [query], texts, Silent())
    alone = [input_norms(model, [query], [text], Silent())[0] for text in texts]
    torch.testing.assert_close(together, torch.stack(alone).square().sum(0).sqrt())


@pytest.mark.parametrize("start", ["layers", "no layers"])
def test_zeros_last_through_healing_and_int8(
    start: str, tiny_start: Artifact, tiny_context: Context
) -> None:
    source = NoLayers(16).apply(tiny_start, tiny_context) if start == "no layers" else tiny_start
    context = replace(tiny_context, teacher=frozen_teacher(tiny_start, tiny_context))
    sparse = Sparsify(0.5).apply(source, context)
    healed = Distill(epochs=2, learning_rate=1e-3, copies=0).apply(sparse, context)
    before, after = Model.load(sparse.folder), Model.load(healed.folder)
    pairs = list(zip(linears_of(before.encoder), linears_of(after.encoder), strict=True))
    for one, other in pairs:
        assert torch.equal(one.weight == 0, other.weight == 0)
        assert not torch.equal(one.weight, other.weight)  # the others did learn
    assert not torch.equal(before.head.linear.bias, after.head.linear.bias)
    int8 = apply_all((ExportOnnx(), Quantize()), healed, context)
    tensors = onnx.load(int8.folder / "model.onnx").graph.initializer
    by_shape: dict[tuple[int, ...], int] = {}
    for tensor in tensors:
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2:
            values = numpy_helper.to_array(tensor)
            zeros = int((values == 0).sum())
            by_shape[values.shape] = by_shape.get(values.shape, 0) + zeros
    wanted: dict[tuple[int, ...], int] = {}
    for _, linear in pairs:
        shape = tuple(reversed(linear.weight.shape))  # the graph multiplies from the left
        wanted[shape] = wanted.get(shape, 0) + int((linear.weight == 0).sum())
    for shape, zeros in wanted.items():
        assert by_shape[shape] >= zeros


def test_what_cannot_be_pruned_says_so(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path, wordpiece: Any
) -> None:
    flat = NoLayers(hidden=16).apply(tiny_start, tiny_context)
    with pytest.raises(AttarError, match="prune needs a transformer"):
        Prune(heads=1).apply(flat, tiny_context)
    for step, message in (
        (Prune(heads=3), "heads=3 must lie between 1 and 2"),
        (Prune(feed_forward=0), "feed_forward=0 must lie between 1 and 64"),
        (Prune(hidden=33), "hidden=33 must lie between 1 and 32"),
        (Prune(), "nothing to prune"),
        (Sparsify(1.0), "share=1.0 must lie between 0 and 1"),
    ):
        with pytest.raises(AttarError, match=message):
            step.apply(tiny_start, tiny_context)
    sparse = Sparsify(0.5).apply(tiny_start, tiny_context)
    with pytest.raises(AttarError, match="LoRA would fill the zeros"):
        Finetune(method="lora", epochs=1).apply(sparse, tiny_context)
    with pytest.raises(AttarError, match="prune before sparsify"):
        Prune(heads=1).apply(sparse, tiny_context)
    pruned = Model.load(Prune(heads=1, by="taylor").apply(sparse, tiny_context).folder)
    assert all(is_sparse(linear) for linear in linears_of(pruned.encoder))
    config = transformers.ModernBertConfig(
        vocab_size=wordpiece.get_vocab_size(), hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=64, max_position_embeddings=40, pad_token_id=0,
        bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3,
    )  # fmt: skip
    modern = transformers.AutoModel.from_config(config)
    folder = write_hf_folder(modern, wordpiece, tmp_path / "modern")
    (tmp_path / "start").mkdir()
    start_model(str(folder), "classify", 4, 16).save(tmp_path / "start")
    other = Artifact(tmp_path / "start", "modern")
    with pytest.raises(AttarError, match="cannot prune inside a ModernBert"):
        Prune(heads=1).apply(other, tiny_context)
    assert len(Model.load(TakeLayers(1).apply(other, tiny_context).folder).encoder.layers) == 1
    Sparsify(0.5).apply(other, tiny_context)  # masks need no block
