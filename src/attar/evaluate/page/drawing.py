"""What the plots are drawn with: axes, lines, dots and texts as inline SVG.

Every position is a percentage of the drawing and every text has its own size, so that
a plot fills a phone as well as a desktop and its letters never shrink. Colors and line
styles are classes, set by the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from attar.evaluate.page.markup import Format, Html, join, tag

LETTER = 6.8  # pixels, the mean width of a letter of a bold label


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, drawn over 0 to 100 percent; `show` writes a tick.

    log: equal factors are equal distances; all values are then above zero."""

    low: float
    high: float
    show: Format
    title: str = ""
    log: bool = False

    def at(self, value: float) -> float:
        return round(min(100.0, max(0.0, self.beyond(value))), 2)

    def beyond(self, value: float) -> float:
        """Where a value lies that may be outside the axis."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return 100 * (value - low) / (high - low)

    def ticks(self, about: int = 4) -> list[float]:
        """Round numbers within the axis, `about` as many as asked for."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)))
            steps = (1, 2, 5) if len(powers) <= 3 else (1,)
            round_numbers = [round(step * 10.0**power, 10) for power in powers for step in steps]
            return [x for x in round_numbers if self.low <= x <= self.high]
        raw = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.99)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + i) * step, 10) for i in range(count)]


def spanning(
    values: Sequence[float],
    show: Format,
    title: str = "",
    pad: float = 0.12,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Axis:
    """An axis around the values with a margin of `pad` of their span, kept `within`."""
    low, high = min(values), max(values)
    margin = (high - low) * pad or abs(high) * pad or 1.0
    return Axis(max(within[0], low - margin), min(within[1], high + margin), show, title)


def svg(style: str, label: str, *parts: object) -> Html:
    return tag("svg", *parts, class_=style, role="img", aria_label=label)


def frame(label: str, x: Axis, y: Axis, *parts: Html) -> Html:
    """A plot: grid, ticks and titles around the parts."""
    grid: list[Html] = [text(y.title, 0, 0, "title", dy=-28, dx=-44)]
    for tick in y.ticks():
        at = 100 - y.at(tick)
        grid.append(line(0, at, 100, at, "grid"))
        grid.append(text(y.show(tick), 0, at, "small", dy=4, dx=-8, anchor="end"))
    for tick in x.ticks():
        grid.append(text(x.show(tick), x.at(tick), 100, "small", dy=18, anchor="middle"))
    grid.append(line(0, 100, 100, 100, "axis"))
    grid.append(text(x.title, 100, 100, "title", dy=38, anchor="end"))
    return svg("plot frame", label, *grid, *parts)


def marker(at: float, label: str, style: str, size: str = "") -> Html:
    """A vertical line with its label on top.

    The label stands over the line and slides along it, as far left of it as the line is
    left of the end, so that it stays within any drawing that is wide enough to hold it.
    """
    anchor, beside = ("end", 100 - at) if at > 50 else ("start", -at)
    shift = round(beside / 100 * LETTER * len(label))
    words = text(label, at, 0, f"{size} strong".strip(), dx=shift, dy=-8, anchor=anchor)
    return join(line(at, 0, at, 100, style), words)


def curve(points: Sequence[tuple[float, float]], style: str) -> Html:
    """A line through points in percent, which only a stretched drawing within can do."""
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    drawn = tag("polyline", points=path, class_=style)
    return tag(
        "svg", drawn, viewBox="0 0 100 100", preserveAspectRatio="none",
        width="100%", height="100%", aria_hidden="true",
    )  # fmt: skip


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Html:
    at = {"x1": _share(x1), "y1": _share(y1), "x2": _share(x2), "y2": _share(y2)}
    return tag("line", class_=style, **at)


def rect(left: float, right: float, top: float, bottom: float, style: str) -> Html:
    return tag(
        "rect", class_=style, x=_share(left), y=_share(top),
        width=_share(max(0.0, right - left)), height=_share(max(0.0, bottom - top)),
    )  # fmt: skip


def dot(x: float, y: float, style: str, row: str | None = None) -> Html:
    """row: what a pointer resting on the dot reads."""
    note = "" if row is None else tag("title", row)
    radius = "6" if "chosen" in style else "4.5"
    return tag("circle", note, class_=style, cx=_share(x), cy=_share(y), r=radius)


def text(
    words: str, x: float, y: float, style: str = "", dx: int = 0, dy: int = 0, anchor: str = "start"
) -> Html:
    return tag(
        "text", words, class_=style or None, x=_share(x), y=_share(y), dx=dx or None,
        dy=dy or None, text_anchor=None if anchor == "start" else anchor,
    )  # fmt: skip


def _share(value: float) -> str:
    return f"{round(value, 2):g}%"
