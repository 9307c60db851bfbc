"""Grids: what is on one stays there, and nothing moves by more than half a step."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from attar.train.grids import BITS, BLOCK, Grid, blocks_back, in_blocks, in_rows, rounded


@settings(deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 100), st.sampled_from([1e-3, 1.0, 1e4]),
    st.sampled_from(BITS), st.integers(0, 99),
)  # fmt: skip
def test_rounding_again_changes_nothing(
    rows: int, width: int, size: float, bits: int, seed: int
) -> None:
    weight = size * torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    once = rounded(weight, bits)
    torch.testing.assert_close(rounded(once, bits), once, rtol=1e-6, atol=0.0)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 100), st.sampled_from(BITS), st.integers(0, 99))
def test_blocks_are_within_half_a_step(rows: int, width: int, bits: int, seed: int) -> None:
    weight = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    weight[0] = 0.0
    codes, scales = in_blocks(weight, bits)
    assert codes.shape == (rows, -(-width // BLOCK), BLOCK)
    assert int(codes.max()) < 2**bits
    back = blocks_back(Grid(codes, scales), bits, width)
    steps = scales.float().abs().repeat_interleave(BLOCK, dim=1)[:, :width]
    # At the end of the range without the extra code, up to a whole step.
    allowed = torch.where(back.abs() >= steps * (2 ** (bits - 1) - 1.1), 1.1, 0.51) * steps
    assert ((back - weight).abs() <= allowed + 1e-7).all()
    assert not back[0].any()


def test_rows_are_within_half_a_step() -> None:
    weight = torch.tensor([[1.0, -127.0, 0.4], [0.0, 0.0, 0.0], [0.5, 0.25, 0.1]])
    codes, scales = in_rows(weight)
    assert codes.tolist() == [[1, -127, 0], [0, 0, 0], [127, 64, 25]]
    assert ((rounded(weight, 8) - weight).abs() <= 0.5 * scales).all()
