"""Axes and drawings: positions stay inside, ticks are round, odd figures draw something."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.evaluate.page import plots
from attar.evaluate.page.drawing import Axis, marker, spanning

SPANS = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)).map(lambda s: (s[0], s[0] + s[1]))


@given(SPANS, st.floats(-1e7, 1e7))
def test_positions_stay_inside(span: tuple[float, float], value: float) -> None:
    axis = Axis(*span, str)
    assert 0 <= axis.at(value) <= 100
    assert axis.at(span[0]) == 0
    assert axis.at(span[1]) == 100


@given(SPANS, st.integers(2, 8))
def test_ticks_are_few_and_inside(span: tuple[float, float], about: int) -> None:
    low, high = span
    ticks = Axis(low, high, str).ticks(about)
    assert len(ticks) <= about + 2
    margin = 1e-6 * (high - low) + 1e-9 * abs(high)
    assert all(low - margin <= tick <= high + margin for tick in ticks)
    assert ticks == sorted(ticks)


@given(st.floats(1e-3, 10), st.floats(1.5, 1e5))
def test_equal_factors_are_equal_distances(low: float, factor: float) -> None:
    axis = Axis(low, low * factor, str, log=True)
    assert axis.beyond(low * math.sqrt(factor)) == pytest.approx(50)
    assert all(low <= tick <= low * factor for tick in axis.ticks())


@given(st.floats(0, 100), st.integers(1, 40))
def test_labels_of_markers_stay_inside(at: float, letters: int) -> None:
    """On a drawing just wide enough for its label, the label begins and ends inside."""
    width = 6.8 * letters + 2
    drawn = marker(at, "x" * letters, "bound")
    shift = float((re.search(r' dx="(-?\d+)"', drawn) or ["", "0"])[1])
    anchored = width * at / 100 + shift
    left = anchored - 6.8 * letters if 'text-anchor="end"' in drawn else anchored
    assert left >= -1.5
    assert left + 6.8 * letters <= width + 1.5


@pytest.mark.parametrize(
    "percentiles", [[0.0] * 101, [0.5] * 101, [0.5] * 99 + [900.0, 2000.0], [1e-4] * 100 + [5.0]]
)
def test_odd_latencies_draw(percentiles: list[float]) -> None:
    drawn = plots.latency(percentiles, {50: percentiles[50], 99: percentiles[99]})
    assert "nan" not in drawn
    assert ("log scale" in drawn) == (percentiles[99] > 4 * percentiles[50] > 0)


def test_one_value_has_an_axis() -> None:
    axis = spanning([0.9, 0.9], str, within=(0, 1))
    assert axis.low < 0.9 < axis.high <= 1
    assert spanning([0.0], str).low < 0 < spanning([0.0], str).high
