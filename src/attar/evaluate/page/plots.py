"""The drawings of the report's and the audit's page, each from the rows that it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attar.evaluate.page.drawing import (
    Axis,
    curve,
    dot,
    frame,
    line,
    marker,
    rect,
    spanning,
    svg,
    text,
)
from attar.evaluate.page.markup import Format, Html, join, percent, short_percent
from attar.evaluate.slices import share_of

FAR = 4  # times p50: a p99 beyond it makes the axis of the latency logarithmic


def claim_bar(claim: Mapping[str, Any], show: Format, within: tuple[float, float]) -> Html:
    """The claim's interval against its bound; what was promised is shaded."""
    least = claim.get("at_least")
    bound = least if least is not None else claim["at_most"]
    value, lower, upper = claim.get("value"), claim.get("lower"), claim.get("upper")
    known = [x for x in (bound, value, lower, upper) if x is not None]
    axis = spanning(known, show, pad=0.25, within=within)
    at = axis.at(bound)
    sense = "at least" if least is not None else "at most"
    label = f"promised {sense} {show(bound)}"
    parts = [
        rect(at, 100, 0, 100, "promised") if least is not None else rect(0, at, 0, 100, "promised"),
        marker(at, label, "bound", "small"),
        text(show(axis.low), 0, 100, "small", dy=15, anchor="start"),
        text(show(axis.high), 100, 100, "small", dy=15, anchor="end"),
    ]
    if value is not None:
        left = 0 if lower is None else axis.at(lower)
        right = 100 if upper is None else axis.at(upper)
        parts += [line(left, 50, right, 50, "interval"), dot(axis.at(value), 50, "dot")]
        label += f"; measured {show(value)}"
        if lower is not None and upper is not None:
            label += f", between {show(lower)} and {show(upper)}"
    return svg("plot bar", f"{claim['metric']}: {label}", *parts)


def amount_bar(value: float, end: float, limit: float | None, label: str) -> Html:
    """A bar from zero to `value` on a scale up to `end`, with a tick at the limit."""
    axis = Axis(0, end or 1.0, str)
    over = limit is not None and value > limit
    tick = line(axis.at(limit), 0, axis.at(limit), 100, "bound") if limit is not None else ""
    return svg(
        "amount",
        label,
        rect(0, 100, 30, 70, "track"),
        rect(0, axis.at(value), 30, 70, "fill over" if over else "fill"),
        tick,
    )


def interval(row: Mapping[str, Any], axis: Axis, reference: float | None) -> Html:
    """A dot with its 95 % interval, and a faint line at the figure over all rows."""
    value = share_of(row)
    label = f"{percent(value)}, {percent(row['lower'])} to {percent(row['upper'])}"
    over_all = (
        "" if reference is None else line(axis.at(reference), 0, axis.at(reference), 100, "ref")
    )
    return svg(
        "cell",
        label,
        over_all,
        line(axis.at(row["lower"]), 50, axis.at(row["upper"]), 50, "interval thin"),
        dot(axis.at(value), 50, "dot", row=label),
    )


def interval_scale(axis: Axis, about: int = 2) -> Html:
    """The axis over a column of intervals."""
    ticks = [
        text(axis.show(tick), axis.at(tick), 100, "small", dy=-2, anchor="middle")
        for tick in axis.ticks(about)
    ]
    return svg("cell", f"from {axis.show(axis.low)} to {axis.show(axis.high)}", *ticks)


def candidates(rows: Sequence[Mapping[str, Any]], chosen: object, limit: float | None) -> Html:
    """Size in MB against score on select, numbered in the order of the rows."""
    sizes = [row["size_bytes"] / 1e6 for row in rows]
    x = spanning(sizes, "{:g}".format, "size of the file, MB", within=(0, math.inf))
    if limit is not None and limit <= 1.6 * max(sizes):
        x = spanning([*sizes, limit], "{:g}".format, x.title, within=(0, math.inf))
    y = spanning([row["score"] for row in rows], "{:g}".format, "score on the select split")
    parts = []
    if limit is not None and x.low <= limit <= x.high:
        parts.append(marker(x.at(limit), f"limit {limit:g} MB", "bound"))
    for number, (row, size) in enumerate(zip(rows, sizes, strict=True), 1):
        picked = row["name"] == chosen
        left, top = x.at(size), 100 - y.at(row["score"])
        note = f"{row['name']}: {size:.2f} MB, {row['score']:.4f}"
        parts.append(dot(left, top, "dot chosen" if picked else "dot other", row=note))
        if picked:
            said = f"{number} chosen"
            parts.append(text(said, left, top, "strong", dy=-12, anchor="middle"))
        else:
            parts.append(text(str(number), left, top, dy=4, dx=10))
    label = f"{len(rows)} candidates by size and score"
    label += "" if chosen is None else f"; chosen: {chosen}"
    return frame(label, x, y, *parts)


def frontier(points: Sequence[Mapping[str, Any]]) -> Html:
    """Size (logarithmic) against score, numbered as the rows; the line joins the points that
    no smaller one reaches."""
    sizes = [point["size_bytes"] / 1e6 for point in points]
    x = Axis(0.8 * min(sizes), 1.25 * max(sizes), "{:g}".format, "size of the file, MB", log=True)
    y = spanning([point["score"] for point in points], "{:.2g}".format, "score on the select split")
    at = [(x.at(size), 100 - y.at(p["score"])) for p, size in zip(points, sizes, strict=True)]
    best = [place for place, p in zip(at, points, strict=True) if p["on_frontier"]]
    parts = [curve(best, "curve")]
    for number, ((left, top), point) in enumerate(zip(at, points, strict=True), 1):
        note = f"{point['name']}: {point['size_bytes'] / 1e6:.2f} MB, {point['score']:.4f}"
        reached = point["on_frontier"]
        parts.append(dot(left, top, "dot chosen" if reached else "dot other", row=note))
        above_or_below = -10 if reached else 18
        parts.append(text(str(number), left, top, "small", dy=above_or_below, anchor="middle"))
    return frame(f"{len(points)} candidates by size and score", x, y, *parts)


def risk_coverage(
    points: Sequence[Mapping[str, Any]],
    key: str,
    title: str,
    marked: Mapping[str, Any] | None,
    mark: tuple[str, str],
    bounds: Sequence[float],
) -> Html:
    """points[key] against the share of in-scope rows answered; `marked` is in force, and
    `mark` says what it is and what points[key] counts."""
    x = Axis(0, 1, short_percent, "share of in-scope rows answered")
    top = max([0.01, *bounds, *(point[key] for point in points)])
    y = Axis(0, min(1.0, top * 1.15), short_percent, title)
    parts = [line(0, 100 - y.at(b), 100, 100 - y.at(b), "bound") for b in bounds]
    parts += [
        text(f"promised at most {percent(b)}", 0, 100 - y.at(b), "small strong", dy=-6, dx=4)
        for b in bounds
    ]
    ordered = sorted(points, key=lambda point: float(point["answered"]))
    parts.append(curve([(x.at(p["answered"]), 100 - y.at(p[key])) for p in ordered], "curve"))
    label = f"{title} against the share answered, over {len(points)} thresholds"
    if marked is not None:
        at, (standing, counted) = x.at(marked["answered"]), mark
        said = f"{percent(marked['answered'])} answered, {percent(marked[key])} {counted}"
        parts.append(marker(at, f"{standing}: {said}", "drop"))
        parts.append(dot(at, 100 - y.at(marked[key]), "dot chosen"))
        label += f"; {standing}: {said}"
    return frame(label, x, y, *parts)


def reliability(bins: Sequence[Mapping[str, Any]]) -> Html:
    """Accuracy against mean score by bin, over a strip with each bin's rows."""
    x = Axis(0, 1, short_percent, "score the model gives")
    y = Axis(0, 1, short_percent, "share right")
    dots = [
        dot(
            x.at(b["score"]), 100 - y.at(b["accuracy"]), "dot",
            row=f"{b['rows']:,} rows: score {percent(b['score'])}, right {percent(b['accuracy'])}",
        )
        for b in bins
    ]  # fmt: skip
    path = [(x.at(b["score"]), 100 - y.at(b["accuracy"])) for b in bins]
    label = f"share right against score in {len(bins)} bins; on the diagonal scores are honest"
    main = frame(label, x, y, line(0, 100, 100, 0, "ref"), curve(path, "curve"), *dots)
    most = max(b["rows"] for b in bins) or 1
    bars: list[Html] = []
    for b in bins:
        left, right = x.at(b["low"]), x.at(b["high"])
        top = 100 - 100 * b["rows"] / most
        bars.append(rect(left + 0.6, right - 0.6, top, 100, "count"))
        bars.append(text(f"{b['rows']:,}", (left + right) / 2, top, "tiny", dy=-4, anchor="middle"))
    return join(main, svg("plot strip", "rows in each bin of the score", *bars))


def latency(percentiles: Sequence[float], marks: Mapping[int, float]) -> Html:
    """The share of calls that took at most so many milliseconds.

    percentiles: 0 to 100 %. marks: percent of the calls (50, 99) -> milliseconds. The axis
    ends soon after the last mark, as the slowest calls would flatten the rest; it is
    logarithmic where p99 lies so far out that the rest would be a wall.
    """
    least, most = min(percentiles), max(percentiles)
    end = min(most, 1.15 * max(marks.values(), default=most))
    end = max(end, *marks.values(), 0) or 1.0
    title = "milliseconds a request"
    x = Axis(0, end, "{:g}".format, title)
    start = 0.9 * min(least, *marks.values(), end)
    if start > 0 and {50, 99} <= marks.keys() and marks[99] > FAR * marks[50]:
        x = Axis(start, end, "{:g}".format, f"{title}, log scale", log=True)
    y = Axis(0, 1, short_percent, "share of requests answered by then")
    last = len(percentiles) - 1
    parts = [
        curve([(x.beyond(v), 100 - 100 * i / last) for i, v in enumerate(percentiles)], "curve")
    ]
    for share, value in marks.items():
        at, top = x.at(value), 100 - share
        parts.append(line(at, top, at, 100, "drop"))
        parts.append(dot(at, top, "dot"))
        # The curve rises to the right: there is room right below it and left above it.
        dx, dy, anchor = (10, 16, "start") if at <= 60 else (-8, -8, "end")
        words = f"p{share} {value:.3g} ms"
        parts.append(text(words, at, top, "strong", dx=dx, dy=dy, anchor=anchor))
    stated = ", ".join(f"p{share} {value:.3g} ms" for share, value in marks.items())
    return frame(f"cumulative distribution of latency: {stated}", x, y, *parts)


def opposed(left: int, right: int, label: str) -> Html:
    """Two counts as bars that grow from the middle."""
    most = max(left, right, 1)
    return svg(
        "amount",
        label,
        rect(50 - 50 * left / most, 50, 25, 75, "fill"),
        rect(50, 50 + 50 * right / most, 25, 75, "fill theirs"),
        line(50, 0, 50, 100, "axis"),
    )


def misses(
    share: float | None, allowed: float | None, naive: float | None, axis: Axis, label: str
) -> Html:
    """How often a certificate promised too much, with a tick where that is too often; below
    it, in gray, how often the naive way did."""
    parts = [rect(0, 100, 15, 85, "track")]
    if share is not None and allowed is not None:
        style = "fill over" if share > allowed else "fill"
        parts.append(rect(0, axis.at(share), 15, 50, style))
        parts.append(line(axis.at(allowed), 0, axis.at(allowed), 100, "bound"))
    if naive is not None:
        parts.append(rect(0, axis.at(naive), 50, 85, "theirs"))
    return svg("amount", label, *parts)
