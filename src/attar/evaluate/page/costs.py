"""What the model takes: size, time, memory, energy and money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attar.evaluate.page import plots
from attar.evaluate.page.markup import (
    Format,
    Html,
    dig,
    figure,
    file_size,
    hidden,
    in_mb,
    in_ms,
    in_usd,
    join,
    paragraph,
    records,
    table,
    tag,
)

_BUDGET: tuple[tuple[str, str, Format], ...] = (
    ("size_mb", "size of the file", in_mb),
    ("latency_ms", "latency, p50", in_ms),
    ("memory_mb", "memory, peak", in_mb),
)


def budget(report: Mapping[str, Any]) -> Html:
    rows = []
    for key, label, show in _BUDGET:
        entry = dig(report, "budget", key) or {}
        value, limit = entry.get("measured"), entry.get("limit")
        if value is None:
            continue
        stands = "no limit" if limit is None else "within" if value <= limit else "over"
        end = value if limit is None else 1.1 * max(value, limit)
        bar = (
            Html("") if limit is None else plots.amount_bar(value, end, limit, f"{label}: {stands}")
        )
        rows.append([label, show(value), "–" if limit is None else show(limit), stands, bar])
    head = ("budget", "measured", "limit", hidden("stands"), hidden("bar"))
    return join(table("", head, rows, style="limits"), _candidates(report))


def _candidates(report: Mapping[str, Any]) -> Html:
    rows = records(report, "candidates", "name", "size_bytes", "score")
    if not rows:
        return Html("")
    chosen = report.get("student")
    drawn = plots.candidates(rows, chosen, dig(report, "budget", "size_mb", "limit"))
    listed = []
    for number, row in enumerate(rows, 1):
        name = tag("b", row["name"], " (chosen)") if row["name"] == chosen else row["name"]
        parameters = f"{row['parameters']:,}" if row.get("parameters") is not None else "–"
        listed.append(
            [
                join(f"{number}. ", name),
                file_size(row["size_bytes"]),
                parameters,
                f"{row['score']:.4f}",
            ]
        )
    head = ("candidate", "size", "parameters", "score")
    return join(
        tag("h3", "Candidates"),
        paragraph(
            "Shapes tried, measured on the select split after trials: a share of the final "
            "training, taught by a teacher of little training. The certify split had no say."
        ),
        figure(drawn),
        table("", head, listed),
    )


def latency(report: Mapping[str, Any]) -> Html:
    found = dig(report, "measurements", "latency") or {}
    times = [t for t in found.get("percentiles_ms") or () if t is not None]
    marks = {
        share: found[key]
        for share, key in ((50, "p50_ms"), (99, "p99_ms"))
        if found.get(key) is not None
    }
    machine = dig(report, "measurements", "machine")
    caption = f"One text at a time on {machine}." if machine else "One text at a time."
    if len(times) > 1:
        caption += f" The slowest call took {in_ms(max(times))}."
    drawn = figure(plots.latency(times, marks), caption) if len(times) > 1 else Html("")
    energy = dig(report, "measurements", "energy") or {}
    said = ""
    if energy.get("joules_per_request") is not None:
        said = f"A request takes {energy['joules_per_request']:.3g} joules"
        said += f" at {energy['watts']:.3g} watts" if energy.get("watts") is not None else ""
        said += f" ({energy['method']})." if energy.get("method") else "."
    cost = _cost(report.get("cost"))
    heading = tag("h3", "Energy and cost") if said or cost else Html("")
    return join(drawn, heading, paragraph(said), cost)


def _cost(cost: Any) -> Html:
    """This model on its machine beside large models, USD a million requests."""
    models = [row for row in dig(cost, "models") or () if isinstance(row, Mapping)]
    machine = dig(cost, "machine") or {}
    rows = []
    if machine.get("per_million_usd") is not None:
        rows.append([tag("b", "this model"), in_usd(machine["per_million_usd"]), "1", "–"])
    for row in models:
        if row.get("model") and row.get("per_million_usd") is not None:
            times, even = row.get("times"), row.get("break_even_requests_a_month")
            rows.append(
                [
                    row["model"],
                    in_usd(row["per_million_usd"]),
                    "–" if times is None else f"{times:,.0f}" if times >= 10 else f"{times:.2g}",
                    "–" if even is None else f"{even:,}",
                ]
            )
    head = ("model", "a million requests", "times", "dearer from, requests a month")
    said = []
    if machine.get("name"):
        price = machine.get("usd_per_hour")
        hourly = "" if price is None else f", {in_usd(price)} an hour"
        said.append(f"This model’s machine: {machine['name']}{hourly}.")
    if assumed := dig(cost, "assumptions", "note"):
        said.append(f"Reckoned with {assumed}.")
    sources = [f"{m['source']} ({m.get('date') or 'undated'})" for m in models if m.get("source")]
    if sources:
        said.append(f"List prices, not certified: {', '.join(dict.fromkeys(sources))}.")
    note = tag("p", " ".join(said), class_="note")
    return join(table("", head, rows), note) if rows else Html("")
