"""The audit's result for a terminal and as one page. It computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attar.evaluate.page import plots
from attar.evaluate.page.drawing import Axis
from attar.evaluate.page.markup import (
    Html,
    breakable,
    counted,
    document,
    paragraph,
    percent,
    short_percent,
    table,
    tag,
)

Rows = Sequence[Mapping[str, Any]]

_HEAD = ("metric", "promised too much", "at most", "kept", "naive")
_KEPT = {None: "–", True: "yes", False: "NO"}


def as_text(found: Mapping[str, Any]) -> str:
    fixed, redrawn = found["fixed_model"], found["redraws"]
    lines = [
        f"{found['name']}: audit of certificates at {1 - found['alpha']:.0%}, on a pool of "
        f"{found['pool_rows']:,} rows",
        f"student: {found['family']}",
        "",
        f"(a) one model, {fixed['draws']:,} samples of {fixed['sample']:,} rows: how often the "
        "bound promises too much",
        *_columns(fixed["metrics"]),
        "",
        f"(b) {counted(redrawn['redraws'], 'redraw')} of splits, training, threshold and "
        f"certificate (error claim certified in {redrawn['certified']:,})",
        *_columns(redrawn["metrics"]),
        "",
        "naive: promising what one validation sample shows, without an interval; naive",
        "threshold: choosing the threshold and reading its error on the same sample.",
        "",
        _verdict(found),
    ]
    return "\n".join(lines)


def as_html(found: Mapping[str, Any]) -> str:
    """A whole HTML document, without scripts or anything from a network."""
    fixed, redrawn = found["fixed_model"], found["redraws"]
    how = (
        f"Each bound is made to hold with {1 - found['alpha']:.0%} confidence, so it may promise "
        f"too much in {short_percent(found['alpha'])} of the cases, plus Monte Carlo error."
    )
    read = (
        "Each bar: how often the certificate promised too much; the tick is where that is too "
        "often. Gray: the naive way, which promises what one validation sample shows, or chooses "
        "a threshold and reads its error on the same sample."
    )
    axis = _axis([*fixed["metrics"], *redrawn["metrics"]])
    many = f"One model, {fixed['draws']:,} samples of {fixed['sample']:,} rows"
    whole = f"The whole procedure, {counted(redrawn['redraws'], 'time')}"
    again = (
        f"New splits, training, threshold and certificate each time; in {redrawn['certified']:,} "
        "of them the error claim could be certified. Each redraw certifies on "
        f"{short_percent(redrawn['overlap'])} of the same pool, so they are not independent."
    )
    return document(
        f"{found['name']}: audit",
        tag(
            "header",
            tag("p", f"audit · {found['family']} · {found['pool_rows']:,} rows", class_="kicker"),
            tag("h1", f"Do the certificates of {found['name']} keep their promise?"),
            tag("p", _verdict(found), class_="lead"),
        ),
        tag(
            "main",
            tag(
                "section",
                tag("h2", many),
                paragraph(how),
                _table(fixed["metrics"], axis),
                tag("p", read, class_="note"),
            ),
            tag("section", tag("h2", whole), paragraph(again), _table(redrawn["metrics"], axis)),
        ),
    )


def _verdict(found: Mapping[str, Any]) -> str:
    """Which promises were broken, in words."""
    parts = (("fixed_model", "samples"), ("redraws", "redraws"))
    tested = [(row, of) for key, of in parts for row in found[key]["metrics"]]
    tested = [(row, of) for row, of in tested if row["kept"] is not None]
    broken = [f"{row['metric']} ({of})" for row, of in tested if not row["kept"]]
    if not tested:
        return "Nothing was tested."
    of_these = f"{len(broken)} broken more often than allowed: {', '.join(broken)}"
    stands = of_these if broken else "none broken more often than allowed"
    return f"{counted(len(tested), 'promise')} tested, {stands}."


def _axis(rows: Rows) -> Axis:
    """One scale for all bars, so that they can be compared."""
    shares = [row[key] for row in rows for key in ("share", "limit", "naive_share")]
    return Axis(0, 1.1 * max((x for x in shares if x is not None), default=0) or 1.0, short_percent)


def _table(rows: Rows, axis: Axis) -> Html:
    head = ("metric", "beside the naive way", "promised too much", "at most", "promise", "naive")
    body: list[list[object]] = []
    for row in rows:
        name, count, limit, _, naive = _cells(row)
        bar = plots.misses(row["share"], row["limit"], row["naive_share"], axis, _told(row))
        broken = tag("b", "broken", class_="over")
        stands = {None: "–", True: "kept", False: broken}[row["kept"]]
        body.append([breakable(name), bar, count, limit, stands, naive])
    return table("", head, body, numeric=False, style="audit")


def _told(row: Mapping[str, Any]) -> str:
    """A bar in words."""
    shares = ("share", "promised too much"), ("limit", "allowed"), ("naive_share", "naive")
    said = [f"{percent(row[key])} {what}" for key, what in shares if row[key] is not None]
    return f"{row['metric']}: {', '.join(said) or 'not tested'}"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def share(value: float | None) -> str:
        return "–" if value is None else percent(value)

    count = "–"
    if row["missed"] is not None:
        count = f"{row['missed']:,} of {row['trials']:,} ({share(row['share'])})"
    return row["metric"], count, share(row["limit"]), _KEPT[row["kept"]], share(row["naive_share"])


def _columns(rows: Rows) -> list[str]:
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEAD))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
