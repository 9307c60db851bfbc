"""Student shapes: what a small model can look like, and how many bytes each takes.

The plan lists the shapes that fit a size budget and measures a few of them. Sizes
here are computed, not measured; the test suite holds them against real files, and a
build checks the finished file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FLOAT = 4
GRAPH = 3_200  # nodes and names of an int8 graph, and the manifest
TRANSFORMER_GRAPH = 2_800  # more of them for positions, attention mask and norms
LAYER_GRAPH = 4_400  # the same for one transformer layer
CONVOLUTION_GRAPH = 1_600  # the same for a second convolution
RANK_GRAPH = 200  # the same for the product that a factorized embedding needs
REPORTS = 30_000  # report, card, golden examples and manifest in a finished bundle
TOKENIZER_BYTES = 6.0  # a piece, deflated

HIDDEN_SIZES = (384, 320, 256, 192, 128, 96, 64, 48, 32, 24, 16)
RANKS = (256, 192, 128, 96, 64)
VOCABULARY_SHARES = (0.5, 0.25)
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
        return ", ".join(parts)


def bundle_bytes(shape: Shape, source: Source, pieces: int, columns: int) -> int:
    """Size of the finished int8 bundle, in bytes. pieces: of the start's vocabulary."""
    hidden = shape.hidden
    pieces = shape.pieces or pieces
    total = GRAPH + REPORTS + TOKENIZER_BYTES * pieces
    total += columns * (hidden + 3 * FLOAT)
    if not shape.layers:
        convolution = hidden * (3 * hidden + 2 * FLOAT)
        total += shape.convolutions * convolution + (shape.convolutions - 1) * CONVOLUTION_GRAPH
        return round(total + pieces * (hidden + FLOAT))
    width = shape.rank or hidden
    total += TRANSFORMER_GRAPH + pieces * (width + FLOAT)
    if shape.rank is not None:
        total += RANK_GRAPH + shape.rank * hidden + (2 * FLOAT + 1) * hidden
    total += source.positions * (hidden + FLOAT) + (2 + 2 * FLOAT) * hidden
    inner = shape.feed_forward or source.feed_forward
    layer = 4 * hidden * hidden + 2 * hidden * inner
    layer += FLOAT * (9 * hidden + inner) + 5 * (5 * hidden + inner)
    return round(total + len(shape.layers) * (layer + LAYER_GRAPH))


def spread_layers(count: int, of: int) -> tuple[int, ...]:
    """`count` of `of` layer numbers, evenly spread, the first and the last among them."""
    if count == 1:
        return (0,)
    return tuple(round(i * (of - 1) / (count - 1)) for i in range(count))


def fitting_shapes(source: Source, pieces: int, columns: int, limit_bytes: float) -> list[Shape]:
    """A handful of shapes under the limit: of each kind the largest that fits.

    The kinds: layers as they are; layers with half of their feed-forward neurons; and,
    where not both of these fit, no layers, with the whole vocabulary or a part of it.
    Empty when not even the smallest fits.
    """

    def fits(shape: Shape) -> bool:
        return bundle_bytes(shape, source, pieces, columns) <= limit_bytes

    found: list[Shape] = []
    inners = [None, source.feed_forward // 2] if source.can_narrow else [None]
    for inner in inners:
        deepest = _deepest(source, inner, fits)
        if deepest is not None:
            found.append(deepest)
    if len(found) == 2 and len(found[0].layers) == len(found[1].layers):
        del found[1]  # the same depth, narrower: nothing to gain
    if len(found) < 2:
        found += no_layers_that_fit(source, pieces, columns, limit_bytes)
    return found


def no_layers_that_fit(
    source: Source, pieces: int, columns: int, limit_bytes: float
) -> list[Shape]:
    """For all pieces, a half and a quarter of them: the widest shape without layers under
    the limit; of that width, the deepest. Fewer pieces only where they buy width."""
    found: list[Shape] = []
    for kept in _vocabularies(pieces):
        for shape in no_layer_shapes(source):
            tried = (replace(shape, pieces=kept, convolutions=n) for n in (2, 1))
            fitting = [t for t in tried if bundle_bytes(t, source, pieces, columns) <= limit_bytes]
            if fitting:
                if all(fitting[0].hidden > other.hidden for other in found):
                    found.append(fitting[0])
                break
    return found


def smallest_shapes(source: Source, pieces: int) -> list[Shape]:
    """Shapes without layers and with the smallest vocabulary, widest first."""
    kept = _vocabularies(pieces)[-1]
    return [replace(shape, pieces=kept) for shape in no_layer_shapes(source)]


def _vocabularies(pieces: int) -> list[int | None]:
    shares = (int(round(share * pieces, -2)) for share in VOCABULARY_SHARES)
    return [None, *(kept for kept in shares if FEWEST_PIECES <= kept < pieces)]


def no_layer_shapes(source: Source) -> list[Shape]:
    """Shapes without layers and with one convolution, widest first."""
    return [Shape((), hidden) for hidden in HIDDEN_SIZES if hidden <= source.hidden]


def _deepest(source: Source, inner: int | None, fits: object) -> Shape | None:
    assert callable(fits)
    for count in range(source.layers, 0, -1):
        layers = spread_layers(count, source.layers)
        for rank in (None, *(r for r in RANKS if r < source.hidden)):
            shape = Shape(layers, source.hidden, inner, rank)
            if fits(shape):
                return shape
    return None
