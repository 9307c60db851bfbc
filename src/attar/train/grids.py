"""The grids that weights are rounded to: the same for a shipped file and for training.

`in_rows`: int8, one scale a row (an output channel of a product, a row of an embedding).
`in_blocks`: 4 or 8 bits, one scale for every `BLOCK` neighbors in a row. A weight is
always given as (rows, width), so that the products' inputs or an embedding's columns
run along the width. Rounding what is on its grid already changes nothing, beyond the
last bit of a float.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 32  # a smaller block costs bytes, a larger one accuracy (docs/passes-quantization.md)
BITS = (4, 8)


class Grid(NamedTuple):
    """codes: whole numbers; scales: what one step is worth, where codes start at `zero`."""

    codes: Tensor
    scales: Tensor


def in_rows(weight: Tensor) -> Grid:
    """Codes int8 (rows, width) of -127 to 127, and scales float32 (rows, 1)."""
    scales = weight.abs().amax(dim=1, keepdim=True) / 127.0
    scales[scales == 0] = 1.0
    return Grid((weight / scales).round().clamp(-127, 127).to(torch.int8), scales)


def in_blocks(weight: Tensor, bits: int) -> Grid:
    """Codes uint8 (rows, blocks, BLOCK) around 2^(bits - 1), and scales float16 (rows, blocks).

    The last block is filled up with zeros. A block's largest weight lies on the code 0,
    whichever its sign: the one code that has no mirror image.
    """
    half = 2 ** (bits - 1)
    filled = functional.pad(weight, (0, -weight.shape[1] % BLOCK))
    blocks = filled.reshape(len(weight), -1, BLOCK)
    largest = blocks.gather(2, blocks.abs().argmax(dim=2, keepdim=True))
    scales = (largest / -half).half()
    steps = torch.where(scales == 0, 1.0, scales.float())
    codes = (blocks / steps).round() + half
    return Grid(codes.clamp(0, 2 * half - 1).to(torch.uint8), scales.squeeze(2))


def rows_back(grid: Grid) -> Tensor:
    return grid.codes * grid.scales


def blocks_back(grid: Grid, bits: int, width: int) -> Tensor:
    """The weight (rows, width) that the codes stand for."""
    centered = grid.codes.float() - 2 ** (bits - 1)
    weight: Tensor = (centered * grid.scales.float().unsqueeze(2)).flatten(1)[:, :width]
    return weight


def rounded(weight: Tensor, bits: int) -> Tensor:
    """The nearest weight (rows, width) on the grid: of blocks for 4 bits, of rows for 8."""
    if bits == 8:
        return rows_back(in_rows(weight))
    return blocks_back(in_blocks(weight, bits), bits, weight.shape[1])
