"""Where the model is weaker than on the whole, and what it gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attar.evaluate.page import plots
from attar.evaluate.page.drawing import Axis, spanning
from attar.evaluate.page.marks import kinds_in, marked
from attar.evaluate.page.markup import (
    Html,
    breakable,
    counted,
    details,
    hidden,
    in_points,
    join,
    paragraph,
    percent,
    records,
    short_percent,
    table,
    tag,
)
from attar.evaluate.slices import share_of

WORST_SLICES = 12

_SLICE = ("kind", "name", "rows", "lower", "upper")
_FIGURES = ("accuracy", "grade")
_KINDS = {
    "label": ("By label", "label"),
    "length": ("By length of the text", "length"),
    "perturbation": ("With the text disturbed", "perturbation"),
    "group": ("By group", "group"),
}


def slices(report: Mapping[str, Any]) -> Html:
    found = _cut(report, "slices")
    if not found:
        return Html("")
    found.sort(key=lambda row: (share_of(row), -row["rows"]))
    graded = "grade" in found[0]
    parts = [row for row in found if row["name"] != "as written"] or found
    named = _cut({"worst": [report.get("worst_slice")]}, "worst")
    worst = named[0] if named else min(parts, key=lambda row: (row["upper"], share_of(row)))
    said = join(
        f"Weakest: {_kind(worst['kind'])[1]} “",
        tag("bdi", worst["name"]),
        f"”, {percent(share_of(worst))} {'on the mean' if graded else 'right'} "
        f"on {counted(worst['rows'], 'row')} ({percent(worst['lower'])} to "
        f"{percent(worst['upper'])}). Of all slices its upper bound is the lowest.",
    )
    whole = [row for row in found if row["kind"] == "length"]  # of every row its own length
    overall = None
    if rows := sum(row["rows"] for row in whole):
        overall = sum(row["rows"] * share_of(row) for row in whole) / rows
    axis = spanning(
        [x for row in found for x in (row["lower"], row["upper"])],
        short_percent, pad=0.04, within=(0, 1),
    )  # fmt: skip
    kinds = sorted({row["kind"] for row in found}, key=lambda kind: (kind not in _KINDS, str(kind)))
    tables = [
        _slice_table(kind, [r for r in found if r["kind"] == kind], axis, overall) for kind in kinds
    ]
    note = "Line: 95% interval of each slice by itself; among many slices some lie low by chance."
    if overall is not None:
        note += f" The vertical line is the {'mean' if graded else 'share right'} of all rows."
    if graded:
        note += " Each row counts by the mean of its ROUGE-1, -2 and -L."
    return join(paragraph(said), *tables, tag("p", note, class_="note"), _groups(report))


def _cut(parent: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The slices that say how many answers are right, or how good they are."""
    known = records(parent, key, *_SLICE)
    return [row for row in known if any(row.get(name) is not None for name in _FIGURES)]


def _groups(report: Mapping[str, Any]) -> Html:
    """Each group beside the rows of all others."""
    keys = ("name", "rows", "accuracy", "others", "difference", "p_value")
    rows = [
        [
            r["name"],
            f"{r['rows']:,}",
            percent(r["accuracy"]),
            percent(r["others"]),
            in_points(r["difference"]).removesuffix(" points"),
            f"{r['p_value']:.2g}",
        ]
        for r in records(report, "bias", *keys)
    ]
    head = ("group", "rows", "right", "others right", "points", "p")
    title = "Each group beside all others (Fisher’s exact test, Holm-adjusted)"
    return join(tag("h3", "Groups compared"), table(title, head, rows)) if rows else Html("")


def _slice_table(
    kind: str, rows: Sequence[Mapping[str, Any]], axis: Axis, overall: float | None
) -> Html:
    """Worst first; beyond WORST_SLICES folded away."""
    value = "mean" if "grade" in rows[0] else "right"
    head = (_kind(kind)[1], "rows", plots.interval_scale(axis), value)
    cells = [
        [
            breakable(r["name"]),
            f"{r['rows']:,}",
            plots.interval(r, axis, overall),
            percent(share_of(r)),
        ]
        for r in rows
    ]
    first, rest = cells[:WORST_SLICES], cells[WORST_SLICES:]
    more = details(f"{len(rest)} more", table("", head, rest, style="slices"))
    shown = table("", head, first, style="slices")
    return join(tag("h3", _kind(kind)[0]), shown, more if rest else Html(""))


def _kind(kind: str) -> tuple[str, str]:
    """A heading and a singular for a kind of slices, also for one that is new."""
    return _KINDS.get(kind) or (f"By {kind}", str(kind))


def by_label(report: Mapping[str, Any]) -> Html:
    """Of a task with label sets or spans: each label's recall and precision, the weakest first."""
    found = records(report, "by_label", "label", "rows", "given")

    def shown(value: float | None) -> str:
        return "–" if value is None else percent(value)

    found.sort(key=lambda row: (row.get("recall") or 0.0) + (row.get("precision") or 0.0))
    rows = [
        [
            breakable(row["label"]),
            f"{row['rows']:,}",
            shown(row.get("recall")),
            f"{row['given']:,}",
            shown(row.get("precision")),
            *([] if row.get("threshold") is None else [f"{row['threshold']:.3f}"]),
        ]
        for row in found
    ]
    head: tuple[str, ...]
    if any(row.get("threshold") is None for row in found):
        head = ("label", "spans that have it", "recall", "spans given it", "precision")
        return table("Spans, label by label: right where start, end and label are", head, rows)
    head = ("label", "rows that have it", "recall", "answers that give it", "precision", "from")
    return table("Each label: given where its probability reaches “from”", head, rows)


def worst(report: Mapping[str, Any]) -> Html:
    """Of a task whose answers are not right or wrong: the worst ones."""
    rows = [
        [row["text"], row["gold"], row["label"], percent(row["grade"])]
        for row in records(report, "worst", "text", "gold", "label", "grade")
    ]
    head = ("text", "gold", "answered", "mean of ROUGE-1, -2, -L")
    return table("The worst answers", head, rows, numeric=False)


def errors(report: Mapping[str, Any]) -> Html:
    confusions = records(report, "confusions", "gold", "named", "rows", "of")
    shares = [row["rows"] / max(1, row["of"]) for row in confusions]
    end = max(shares, default=1.0)
    pairs = [
        [
            join(
                breakable(row["gold"]),
                tag("span", " taken for ", class_="note"),
                breakable(row["named"]),
            ),
            f"{row['rows']:,} of {row['of']:,}",
            plots.amount_bar(share, end, None, percent(share)),
            percent(share),
        ]
        for row, share in zip(confusions, shares, strict=True)
    ]
    confused = ("pair", "rows", hidden("share of the label"), "share")
    found = records(report, "errors", "text", "gold", "label", "score")
    read = tag("h3", "Wrong answers to read") if found and pairs else Html("")
    return join(
        table("The most frequent wrong answers", confused, pairs, style="pairs"),
        read,
        _wrong(found),
    )


def _wrong(found: Sequence[Mapping[str, Any]]) -> Html:
    marks = [row for row in found if isinstance(row.get("marked"), Mapping)]
    kinds = kinds_in(marks)
    rows: list[list[object]] = []
    for row in found:
        gold, given = breakable(row["gold"]), breakable(row["label"])
        if row in marks:
            gold, given = (marked(row["text"], row["marked"][s], kinds) for s in ("gold", "given"))
        score = percent(row["score"])
        rows.append([gold, given, score] if marks else [row["text"], gold, given, score])
    head = ("gold", "answered", "score") if marks else ("text", "gold", "answered", "score")
    return table("Wrong answers, the surest first", head, rows, numeric=False)
