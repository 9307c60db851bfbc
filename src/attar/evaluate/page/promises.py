"""The top of the page: what the model is, what it promises and how that stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attar.evaluate.claims import MEASURED, in_words
from attar.evaluate.figures import figures_of
from attar.evaluate.page import plots
from attar.evaluate.page.markup import (
    Format,
    Html,
    counted,
    dig,
    file_size,
    in_mb,
    in_ms,
    in_points,
    join,
    percent,
    tag,
    three_digits,
)
from attar.types import Figure

_MARK = '<svg class="mark" viewBox="0 0 20 20" aria-hidden="true">{}</svg>'
_MARKS = {
    "met": _MARK.format('<circle class="on" cx="10" cy="10" r="9"/><path d="M5.5 10.5l3 3 6-7"/>'),
    "unmet": _MARK.format('<circle cx="10" cy="10" r="8.5"/><path d="M6.5 6.5l7 7m0-7l-7 7"/>'),
    "undecided": _MARK.format('<circle class="gap" cx="10" cy="10" r="8.5"/><path d="M6 10h8"/>'),
}


def headline(report: Mapping[str, Any]) -> Html:
    """Name, verdict on the claims, and the four figures to remember."""
    labels = report.get("labels")
    spans, functions = report.get("span_labels"), report.get("functions")
    sections = report.get("sections")
    about = [
        report.get("task"),
        f"{len(functions)} functions" if functions else None,
        f"{len(labels)} {'kinds of calls' if functions else 'labels'}" if labels else None,
        f"{len(spans)} kinds of spans" if spans else None,
        f"{report['documents']:,} documents" if report.get("documents") else None,
        f"the best {dig(report, 'rescore', 'top')} scored again" if report.get("rescore") else None,
        f"{len(sections)} sections" if sections and len(sections) > 1 else None,
    ]
    main = next(iter(figures_of(report)), None)
    facts = [
        _main(*main) if main is not None else Html(""),
        _fact("Size", report.get("size_bytes"), file_size, "one file"),
        _fact(
            "Latency, p50", dig(report, "measurements", "latency", "p50_ms"), in_ms, _p99(report)
        ),
        _fact(
            "Memory, peak", dig(report, "measurements", "peak_memory_mb"), in_mb, "while serving"
        ),
    ]
    return join(
        tag("p", " · ".join(str(part) for part in about if part), class_="kicker"),
        tag("h1", report.get("name") or "Model"),
        tag("p", _verdict(report.get("claims") or []), class_="lead"),
        tag("dl", *facts, class_="facts") if any(facts) else Html(""),
    )


def _fact(name: str, value: float | None, show: Format, note: str | None) -> Html:
    if value is None:
        return Html("")
    shown = [tag("dt", name), tag("dd", show(value), class_="big")]
    return tag("div", *shown, tag("dd", note, class_="note") if note else Html(""))


def _main(figure: Figure, mine: float, theirs: float | None) -> Html:
    show = percent if figure.share else three_digits
    title = figure.title[0].upper() + figure.title[1:]
    return _fact(title, mine, show, None if theirs is None else f"teacher {show(theirs)}")


def _p99(report: Mapping[str, Any]) -> str | None:
    slow = dig(report, "measurements", "latency", "p99_ms")
    return None if slow is None else f"p99 {in_ms(slow)}"


def _verdict(claims: Sequence[Mapping[str, Any]]) -> str:
    """How many claims stand how, and whether they hold all at once."""
    if not claims:
        return "No claim was made about this model; the figures below are what was measured."
    counts = [f"{sum(c['status'] == s for c in claims)} {s}" for s in ("met", "unmet", "undecided")]
    stated = f"{counted(len(claims), 'claim')}: {', '.join(c for c in counts if c[0] != '0')}. "
    if any(claim.get("together") is None for claim in claims):
        return stated
    if all(claim["together"] for claim in claims):
        return stated + "They also hold all together."
    standing = sum(bool(claim["together"]) for claim in claims)
    return stated + (
        f"Not all hold together: asked of all at once, {standing} of {len(claims)} "
        f"{'is' if standing == 1 else 'are'} established."
    )


def claims(report: Mapping[str, Any]) -> Html:
    made = report.get("claims")
    if not made:
        return Html("")
    how = (
        "Each bar: the promise is shaded up to its bound; the dot is what was measured, the "
        "line runs between the one-sided bounds at the claim’s confidence. Whether all hold at "
        "once is decided by Holm’s method."
    )
    return join(tag("ul", *map(_claim, made), class_="claims"), tag("p", how, class_="note"))


def _claim(claim: Mapping[str, Any]) -> Html:
    metric, status = claim["metric"], claim["status"]
    sentence = in_words({"label": None, "more_rows": None, **claim})
    if status == "undecided" and claim["value"] is not None and "more_rows" not in claim:
        sentence = sentence.rpartition(";")[0]  # nothing is known about more rows
    promise, _, found = sentence.partition(f": {status}")
    notes = []
    if claim.get("together") is not None:
        stands = "Established" if claim["together"] else "Not established"
        notes.append(f"{stands} when all claims must hold at once.")
    if claim.get("seals", 1) > 1 and metric not in MEASURED:
        notes.append(f"Decided more strictly: model number {claim['seals']} sealed on these rows.")
    mark = Html(_MARKS.get(status, ""))
    detail = found.lstrip(".,; ")
    words = tag(
        "div",
        tag("h3", promise),
        tag("p", detail[:1].upper() + detail[1:], "." if detail else "") if detail else Html(""),
        tag("p", " ".join(notes), class_="note") if notes else Html(""),
    )
    show, within = _unit(metric)
    bar = plots.claim_bar(claim, show, within)
    style = status if status in _MARKS else None
    return tag("li", tag("p", mark, " ", status, class_="status"), words, bar, class_=style)


def _unit(metric: str) -> tuple[Format, tuple[float, float]]:
    """How a claim's numbers are written, and where they can lie."""
    if metric.startswith("latency"):
        return in_ms, (0, math.inf)
    if metric.endswith("_mb"):
        return in_mb, (0, math.inf)
    if metric == "retained":
        return in_points, (-1, 1)
    return (three_digits if metric == "oos_auroc" else percent), (0, 1)
