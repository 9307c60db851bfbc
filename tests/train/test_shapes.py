"""Shapes: computed sizes against real files, and which shapes a budget admits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from attar.passes import Artifact, Context, apply_all
from attar.passes.draft import write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.passes.quantize import Quantize
from attar.passes.trim_vocabulary import trim
from attar.plan.search import shape_passes, source_of
from attar.train.encoders import TransformerEncoder
from attar.train.models import Model
from attar.train.shapes import (
    Shape,
    Source,
    bundle_bytes,
    fitting_shapes,
    no_layer_shapes,
    reports_bytes,
    smallest_shapes,
    spread_layers,
    vector_shapes,
)
from attar.train.start import embedded_folder

MINILM = Source(layers=6, hidden=384, feed_forward=1536, positions=64, can_narrow=True)


@pytest.fixture(scope="module")
def english() -> Tokenizer:
    """The embedded model's tokenizer, whose pieces deflate as real ones do."""
    return Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))


def random_start(
    folder: Path, tokenizer: Tokenizer, hidden: int, columns: int, positions: int
) -> Artifact:
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=4 * hidden,
    )
    torch.manual_seed(0)
    encoder = TransformerEncoder(transformers.BertModel(config))
    encoder.limit_positions(positions)
    model = Model("classify", encoder, columns, tokenizer, positions)
    with torch.no_grad():  # equal biases would be stored once
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    model.save(folder)
    return Artifact(folder, f"random {hidden}")


@pytest.mark.parametrize(
    ("hidden", "pieces", "columns", "positions"),
    [(384, 3000, 77, 64), (128, 4000, 24, 128), (32, 1000, 5, 16)],
)
def test_computed_sizes_are_those_of_real_files(
    hidden: int, pieces: int, columns: int, positions: int,
    english: Tokenizer, tiny_context: Context, tmp_path: Path,
) -> None:  # fmt: skip
    tokenizer, _ = trim(english, ["where is my order"], pieces)
    (tmp_path / "start").mkdir()
    start = random_start(tmp_path / "start", tokenizer, hidden, columns, positions)
    source, found_pieces = source_of(start)
    assert source == Source(2, hidden, 4 * hidden, positions, can_narrow=True)
    assert found_pieces == pieces
    labels = [f"label number {i}" for i in range(columns)]
    context = replace(tiny_context, columns=tuple(labels))
    for shape in (
        Shape((0, 1), hidden),
        Shape((0,), hidden, 2 * hidden),
        Shape((1,), hidden, None, hidden // 3),
        Shape((), hidden),
        Shape((), hidden // 2),
        Shape((), hidden, convolutions=2),
    ):
        untrained = apply_all((*shape_passes(shape), ExportOnnx()), start, context)
        for weight_bits, embedding_bits in ((8, 8), (8, 4), (4, 4), (4, 8)):
            bits = {"weight_bits": weight_bits, "embedding_bits": embedding_bits}
            made = Quantize(**bits).apply(untrained, context)
            settings = context.task.settings(labels, None)
            draft = write_draft(tmp_path / "draft.attar", made, context.task, settings, "sized")
            sized = replace(shape, **bits)
            computed = bundle_bytes(sized, source, pieces, columns) - reports_bytes(columns)
            assert computed == pytest.approx(draft.size_bytes, rel=0.04), sized.name


@given(st.integers(1, 12), st.data())
def test_spread_layers(of: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, of))
    layers = spread_layers(count, of)
    assert len(layers) == count
    assert list(layers) == sorted(set(layers))
    assert layers[0] == 0
    if count > 1:
        assert layers[-1] == of - 1


@given(
    st.builds(
        Source,
        layers=st.integers(1, 12),
        hidden=st.sampled_from([32, 128, 256, 384, 768]),
        feed_forward=st.sampled_from([64, 512, 1536, 3072]),
        positions=st.integers(16, 512),
        can_narrow=st.booleans(),
    ),
    st.integers(100, 40_000),
    st.integers(2, 150),
    st.floats(1e4, 5e7),
)
def test_fitting_shapes_fit(source: Source, pieces: int, columns: int, limit: float) -> None:
    shapes = fitting_shapes(source, pieces, columns, limit)
    assert len(shapes) == len(set(shapes)) <= 5
    for shape in shapes:
        assert bundle_bytes(shape, source, pieces, columns) <= limit
        assert shape.hidden <= source.hidden
        assert all(0 <= layer < source.layers for layer in shape.layers)
    smallest = smallest_shapes(source, pieces)[-1]
    assert bool(shapes) == any(
        bundle_bytes(shape, source, pieces, columns) <= limit for shape in (smallest, *shapes)
    )
    more = fitting_shapes(source, pieces, columns, 2 * limit)
    depth = max((len(shape.layers) for shape in shapes), default=0)
    assert max((len(shape.layers) for shape in more), default=0) >= depth


def test_a_larger_shape_takes_more_bytes() -> None:
    def size(shape: Shape, pieces: int = 5000, columns: int = 77) -> int:
        return bundle_bytes(shape, MINILM, pieces, columns)

    base = Shape((0, 5), 384)
    assert size(base) < size(Shape((0, 3, 5), 384))
    assert size(base) > size(replace(base, feed_forward=768))
    assert size(base) > size(replace(base, rank=128))
    assert (
        size(base)
        > size(replace(base, embedding_bits=4))
        > size(replace(base, weight_bits=4, embedding_bits=4))
    )
    assert size(base) < size(base, pieces=5001)
    assert size(base) < size(base, columns=78)
    assert size(Shape((), 384)) < size(Shape((), 384, convolutions=2))
    assert size(Shape((), 16)) < size(Shape((), 24)) < size(Shape((), 384))


def test_names_are_distinct_and_plain() -> None:
    shapes = [*fitting_shapes(MINILM, 5000, 77, 5e6), *no_layer_shapes(MINILM)]
    names = [shape.name for shape in dict.fromkeys(shapes)]
    assert len(set(names)) == len(names)
    assert Shape((0, 5), 384, 768, 128).name == "2 layers, feed-forward 768, embedding rank 128"
    assert Shape((), 64).family == "no layers"
    assert Shape((), 64, convolutions=2).name == "no layers, 64 wide, 2 convolutions"
    assert Shape((), 64, embedding_bits=4).name == "no layers, 64 wide, int4 embedding"
    assert Shape((0,), 64, weight_bits=4, embedding_bits=4).name == "1 layer, int4"
    assert Shape((0,), 64, weight_bits=4).name == "1 layer, int4, int8 embedding"
    assert json.dumps(names).isascii()


@given(st.integers(1_000, 30_000), st.floats(0.5, 20))
def test_shapes_of_vectors_fit_and_use_what_there_is(pieces: int, megabytes: float) -> None:
    limit = megabytes * 1e6
    found = vector_shapes(MINILM, pieces, 384, limit)
    assert all(bundle_bytes(shape, MINILM, pieces, 384) <= limit for shape in found)
    assert len({*found}) == len(found)
    assert bool(found) == bool(fitting_shapes(MINILM, pieces, 384, limit))
    depths = [len(shape.layers) for shape in found if shape.weight_bits == 4]
    assert len({*depths}) == len(depths)  # of each depth the widest alone


def test_vectors_keep_all_layers_where_eight_bits_allow() -> None:
    eight, four = (vector_shapes(MINILM, 8_000, 384, limit) for limit in (14e6, 9e6))
    assert eight == fitting_shapes(MINILM, 8_000, 384, 14e6)
    assert eight[0].weight_bits == 8 and len(eight[0].layers) == 6
    assert [(s.weight_bits, s.feed_forward, len(s.layers)) for s in four] == [(4, None, 6)]
    # Deeper with fewer neurons beside shallower with more.
    small = vector_shapes(MINILM, 8_000, 384, 3.6e6)
    assert len({len(s.layers) for s in small}) == 3
