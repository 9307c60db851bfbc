"""Student shapes: what a small model can look like, and how many bytes each takes.

The plan lists the shapes that fit a size budget and measures a few of them. Sizes
here are computed, not measured; the test suite holds them against real files, and a
build checks the finished file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from attar.train.grids import BLOCK

FLOAT = 4
SCALE = 2  # of a block of weights in 4 bits
GRAPH = 3_200  # nodes and names of a quantized graph, and the manifest
TRANSFORMER_GRAPH = 2_800  # more of them for positions, attention mask and norms
LAYER_GRAPH = 4_400  # the same for one transformer layer
CONVOLUTION_GRAPH = 1_600  # the same for a second convolution
RANK_GRAPH = 200  # the same for the product that a factorized embedding needs
TOKENIZER_BYTES = 6.0  # a piece, deflated

HIDDEN_SIZES = (384, 320, 256, 192, 128, 96, 64, 48, 32, 24, 16)
RANKS = (192, 128, 96, 64)
VOCABULARY_SHARES = (0.5, 0.25)
DEPTHS = (2 / 3, 1, 1 / 3)  # of the layers, for students that embed texts
NARROWER = (2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6)  # of the feed-forward neurons
MOST_SHAPES = 5  # of a size: each costs a trial
FEWEST_PIECES = 400  # below which little but letters would be left


@dataclass(frozen=True, slots=True)
class Source:
    """The encoder that students are cut from."""

    layers: int
    hidden: int
    feed_forward: int
    positions: int
    can_narrow: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A student. With layers: a transformer; without: convolutions of width `hidden`."""

    layers: tuple[int, ...]
    hidden: int
    feed_forward: int | None = None
    rank: int | None = None
    convolutions: int = 1  # of a student without layers
    pieces: int | None = None  # of the vocabulary; None keeps all that the texts use
    weight_bits: int = 8  # of products, as in the quantize pass
    embedding_bits: int = 8

    @property
    def family(self) -> str:
        return "layers" if self.layers else "no layers"

    @property
    def name(self) -> str:
        count = len(self.layers)
        parts = [f"{count or 'no'} layer{'' if count == 1 else 's'}"]
        if not self.layers:
            parts.append(f"{self.hidden} wide")
        if self.convolutions > 1:
            parts.append(f"{self.convolutions} convolutions")
        if self.feed_forward is not None:
            parts.append(f"feed-forward {self.feed_forward}")
        if self.rank is not None:
            parts.append(f"embedding rank {self.rank}")
        if self.pieces is not None:
            parts.append(f"{self.pieces:,} pieces")
        if self.weight_bits != 8:
            parts.append(f"int{self.weight_bits}")
        if self.embedding_bits != self.weight_bits:
            parts.append(f"int{self.embedding_bits} embedding")
        return ", ".join(parts)


def reports_bytes(columns: int) -> int:
    """What report, card, measurements and golden examples add to a bundle, with room for
    claims and long examples: 11.7 kB for the 77 labels of Banking77, 13.9 for CLINC150's 151."""
    return 13_000 + 40 * columns


def bundle_bytes(shape: Shape, source: Source, pieces: int, columns: int) -> int:
    """Size of the finished bundle, in bytes. pieces: of the start's vocabulary."""
    pieces, hidden, count = shape.pieces or pieces, shape.hidden, len(shape.layers)
    products, tables = [(columns, hidden)], [(pieces, shape.rank or hidden)]
    total = GRAPH + reports_bytes(columns) + TOKENIZER_BYTES * pieces + 7 * columns
    if not shape.layers:
        products += shape.convolutions * [(hidden, 3 * hidden)]
        total += FLOAT * shape.convolutions * hidden
        total += (shape.convolutions - 1) * CONVOLUTION_GRAPH
    else:
        inner = shape.feed_forward or source.feed_forward
        layer = [*(4 * [(hidden, hidden)]), (inner, hidden), (hidden, inner)]
        products += count * layer
        tables += [(source.positions, hidden), (2, hidden)]
        total += TRANSFORMER_GRAPH + count * LAYER_GRAPH
        total += FLOAT * (2 * hidden + count * (9 * hidden + inner))
    if shape.rank is not None:
        products.append((hidden, shape.rank))
        total += RANK_GRAPH + FLOAT * hidden
    total += sum(_product_bytes(rows, width, shape.weight_bits) for rows, width in products)
    total += sum(_table_bytes(rows, width, shape.embedding_bits) for rows, width in tables)
    return round(total)


def _product_bytes(rows: int, width: int, bits: int) -> int:
    """A product's weight as `Quantize` stores it: a scale and a zero for each of the outputs
    in 8 bits, whole blocks with a scale of two bytes in 4."""
    if bits == 8:
        return rows * (width + FLOAT + 1)
    return rows * _blocks(width) * (BLOCK // 2 + SCALE)


def _table_bytes(rows: int, width: int, bits: int) -> int:
    if bits == 8:
        return rows * (width + FLOAT)
    return rows * ((width + 1) // 2 + _blocks(width) * SCALE)


def _blocks(width: int) -> int:
    return -(-width // BLOCK)


def spread_layers(count: int, of: int) -> tuple[int, ...]:
    """`count` of `of` layer numbers, evenly spread, the first and the last among them."""
    if count == 1:
        return (0,)
    return tuple(round(i * (of - 1) / (count - 1)) for i in range(count))


def fitting_shapes(source: Source, pieces: int, columns: int, limit_bytes: float) -> list[Shape]:
    """A handful of shapes under the limit: of each kind the deepest that fits.

    The kinds: layers as they are and with half of their feed-forward neurons, in 8 bits; the
    same in 4 bits, where 8 leave fewer than two whole layers and 4 more than that; half of the
    layers, where all of them fit; and no layers, where all of them fit or not both kinds in 8
    bits, there with the whole vocabulary or a part of it. Empty when not even the smallest fits.
    """

    def fits(shape: Shape) -> bool:
        return bundle_bytes(shape, source, pieces, columns) <= limit_bytes

    found: list[Shape] = []
    inners = [None, source.feed_forward // 2] if source.can_narrow else [None]

    def add(bits: int) -> None:
        for inner in inners:
            deepest = _deepest(source, inner, bits, fits)
            depth = max((len(shape.layers) for shape in found), default=0)
            if deepest is not None and len(deepest.layers) > depth:
                found.append(deepest)

    add(8)
    # Deeper is slower: with two layers there is little left to gain (docs/experiments.md).
    if not found or found[0].feed_forward is not None or len(found[0].layers) < 2:
        add(4)
    if found and len(found[0].layers) == source.layers > 1:
        found.append(replace(found[0], layers=spread_layers(source.layers // 2, source.layers)))
        # Where the encoder knows little of the language, what learns from nothing can win.
        found += no_layers_that_fit(source, pieces, columns, limit_bytes)[:1]
    elif sum(shape.weight_bits == 8 for shape in found) < 2:
        found += no_layers_that_fit(source, pieces, columns, limit_bytes)
    return found[:MOST_SHAPES]


def vector_shapes(source: Source, pieces: int, columns: int, limit_bytes: float) -> list[Shape]:
    """As `fitting_shapes`, for students that learn to embed texts: every layer as it is where 8
    bits allow; else, in 4 bits, each of DEPTHS with the widest feed-forward that fits, and none
    shallower than the first that loses nothing of it. The likeliest comes first (docs/rank.md)."""
    found = fitting_shapes(source, pieces, columns, limit_bytes)
    if not source.can_narrow or (found and keeps_layers(found[0], source)):
        return found
    deep: list[Shape] = []
    for share in DEPTHS:
        layers = spread_layers(max(1, round(share * source.layers)), source.layers)
        shape = _widest(layers, source, pieces, columns, limit_bytes)
        if shape is not None and all(len(shape.layers) != len(other.layers) for other in deep):
            deep.append(shape)
    whole = max((len(s.layers) for s in deep if s.feed_forward is None), default=0)
    return [s for s in deep if len(s.layers) >= whole] or found


def _widest(
    layers: tuple[int, ...], source: Source, pieces: int, columns: int, limit_bytes: float
) -> Shape | None:
    """In 4 bits, with the widest feed-forward that fits; an embedding of less than RANKS[1] only
    where it must be."""
    inners = (None, *(round(part * source.feed_forward) for part in NARROWER))
    ranks = [None, *(rank for rank in RANKS if rank < source.hidden)]
    for tables in (ranks[:3], ranks[3:]):
        for inner in inners:
            for rank in tables:
                made = Shape(layers, source.hidden, inner, rank, weight_bits=4, embedding_bits=4)
                if bundle_bytes(made, source, pieces, columns) <= limit_bytes:
                    return made
    return None


def keeps_layers(shape: Shape, source: Source) -> bool:
    """Whether a student has all that its source's layers hold."""
    return len(shape.layers) == source.layers and shape.feed_forward is None


def no_layers_that_fit(
    source: Source, pieces: int, columns: int, limit_bytes: float
) -> list[Shape]:
    """The widest shape without layers under the limit, of that width the deepest: with all
    pieces, then with their embedding in 4 bits, then with a half and a quarter of them.
    Fewer bits and pieces only where they buy width."""
    found: list[Shape] = []
    kinds = [(None, 8), *((kept, 4) for kept in _vocabularies(pieces))]
    for kept, bits in kinds:
        for shape in no_layer_shapes(source):
            tried = (
                replace(shape, pieces=kept, embedding_bits=bits, convolutions=n) for n in (2, 1)
            )
            fitting = [t for t in tried if bundle_bytes(t, source, pieces, columns) <= limit_bytes]
            if fitting:
                if all(fitting[0].hidden > other.hidden for other in found):
                    found.append(fitting[0])
                break
    return found


def smallest_shapes(source: Source, pieces: int) -> list[Shape]:
    """Shapes without layers, with the smallest vocabulary in 4 bits, widest first."""
    kept = _vocabularies(pieces)[-1]
    return [replace(shape, pieces=kept, embedding_bits=4) for shape in no_layer_shapes(source)]


def _vocabularies(pieces: int) -> list[int | None]:
    shares = (int(round(share * pieces, -2)) for share in VOCABULARY_SHARES)
    return [None, *(kept for kept in shares if FEWEST_PIECES <= kept < pieces)]


def no_layer_shapes(source: Source) -> list[Shape]:
    """Shapes without layers and with one convolution, widest first."""
    return [Shape((), hidden) for hidden in HIDDEN_SIZES if hidden <= source.hidden]


def _deepest(
    source: Source, inner: int | None, bits: int, fits: Callable[[Shape], bool]
) -> Shape | None:
    """The deepest that fits, of that depth the one with the finest embedding: 4 bits come
    before a low rank, because they cost little (docs/passes-quantization.md)."""
    ranks = [rank for rank in RANKS if rank < source.hidden]
    tables = [(None, bits), *((rank, 4) for rank in (None, *ranks))]
    for count in range(source.layers, 0, -1):
        layers = spread_layers(count, source.layers)
        for rank, embedding_bits in tables:
            shape = Shape(
                layers,
                source.hidden,
                inner,
                rank,
                weight_bits=bits,
                embedding_bits=embedding_bits,
            )
            if fits(shape):
                return shape
    return None
