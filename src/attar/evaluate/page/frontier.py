"""The frontier for a terminal and as one page. It computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attar.evaluate.page import plots
from attar.evaluate.page.markup import (
    Html,
    document,
    figure,
    file_size,
    in_ms,
    join,
    paragraph,
    percent,
    table,
    tag,
)

_HOW = (
    "Each candidate is a trial: the int8 file that would ship, after a share of the final "
    "training, taught by a teacher that takes little training itself, and measured on the select "
    "split. A build at that size trains in full, with a tuned teacher, and should surpass it. "
    "Intervals are two-sided, each by itself."
)


def as_text(found: Mapping[str, Any]) -> str:
    lines = [
        f"{found['name']}: measured on {found['select_rows']:,} select rows "
        f"({found['pieces']:,} pieces)",
        "",
        *_columns([_head(found), *(_cells(point, found) for point in found["points"])]),
        "",
        "best: no smaller candidate scores as high; the score is what a build's search looks at",
        "",
        "best at each size:",
        *_columns([(f"{s['size_mb']:g} MB", s["best"] or "nothing fits") for s in found["sizes"]]),
        "",
        "hint: set [budget] size_mb to a size you like and run `attar build`; it reuses the trials",
    ]
    return "\n".join(lines)


def as_html(found: Mapping[str, Any]) -> str:
    """A whole HTML document, without scripts or anything from a network."""
    points = found["points"]
    students = [point for point in points if point["family"] != "teacher"]
    best = max(students, key=lambda p: p["score"], default=None)
    lead = "Nothing was measured."
    if best is not None:
        lead = (
            f"{len(students)} candidates from {file_size(students[0]['size_bytes'])} to "
            f"{file_size(students[-1]['size_bytes'])}; the best scores {best['score']:.4f}."
        )
    rows: list[list[object]] = []
    for number, point in enumerate(points, 1):
        name, *cells = _cells(point, found)
        shown = tag("b", name) if point["on_frontier"] else name
        rows.append([join(f"{number}. ", shown), *cells])
    sizes = [[f"{s['size_mb']:g} MB", s["best"] or "nothing fits"] for s in found["sizes"]]
    return document(
        f"{found['name']}: frontier",
        tag(
            "header",
            tag("p", f"frontier · {found['select_rows']:,} select rows", class_="kicker"),
            tag("h1", f"What a megabyte buys for {found['name']}"),
            tag("p", lead, class_="lead"),
        ),
        tag(
            "main",
            tag(
                "section",
                tag("h2", "Score against size"),
                figure(plots.frontier(points)) if points else Html(""),
                table("", _head(found), rows),
                paragraph(_HOW),
            ),
            tag(
                "section",
                tag("h2", "Best at each size"),
                table("", ("size", "candidate"), sizes, numeric=False),
            ),
        ),
    )


def _head(found: Mapping[str, Any]) -> tuple[str, ...]:
    return ("candidate", "size", "score", found["figure"]["title"], "95 %", "latency", "note")


def _cells(point: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    show = percent if found["figure"]["share"] else "{:.4f}".format
    short = point["trial"] is not None and point["trial"] < 0.2
    notes = ["best"] if point["on_frontier"] else []
    notes += ["short trial"] if short else []
    return (
        point["name"],
        file_size(point["size_bytes"]),
        f"{point['score']:.4f}",
        "–" if point["value"] is None else show(point["value"]),
        "–" if point["low"] is None else f"{show(point['low'])} to {show(point['high'])}",
        in_ms(point["latency_ms"]),
        ", ".join(notes),
    )


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
