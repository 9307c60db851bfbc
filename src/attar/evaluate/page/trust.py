"""How often the model is right, beside its teacher and with the scores it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attar.evaluate.figures import figures_of
from attar.evaluate.page import plots
from attar.evaluate.page.markup import (
    Html,
    breakable,
    counted,
    dig,
    figure,
    in_points,
    join,
    paragraph,
    percent,
    records,
    table,
    tag,
    three_digits,
)

_ACCEPTANCE = {
    "probability": "the probability of its answer",
    "energy": "the energy of its scores",
    "distance": "its closeness to the texts it was trained on",
}
_CERTIFIED = {
    True: "The calibrate split guarantees the error claims at this threshold; whether they are "
    "met was decided on other rows, the certify split.",
    False: "No threshold could be certified: the calibrate rows do not guarantee the error claims.",
    None: "No claim is made about errors when answering, so nothing is certified here.",
}
_OF_LABELS = ("error", "label_error_when_answering", "share with a wrong label, of those answered")
_RISKS = (
    ("error", "error_when_answering", "share wrong of those answered", "wrong"),
    ("oos_accepted", "oos_acceptance", "share of out-of-scope rows accepted", "accepted"),
)


def beside_teacher(report: Mapping[str, Any]) -> Html:
    metrics = report.get("metrics") or {}
    rows = []
    for one, mine, other in figures_of(report):
        show, gap = percent if one.share else three_digits, "–"
        if other is not None:
            gap = (in_points if one.share else _signed)(mine - other)
        rows.append([one.title, show(mine), "–" if other is None else show(other), gap])
    if report.get("chance") is not None and rows:
        blind = "the same answer for every text"
        if metrics.get("rouge1") is not None:
            blind = "ROUGE-1 of the first sentences"
        rows.append([blind, percent(report["chance"]), "–", "–"])
    measured = report.get("certify_rows") or metrics.get("rows")
    said = []
    if measured:
        said.append(f"Measured on {counted(measured, 'row')} that nothing was chosen on.")
    if metrics.get("in_scope_rows") is not None and metrics.get("oos_rows"):
        inside, outside = metrics["in_scope_rows"], metrics["oos_rows"]
        said.append(f"Of these {inside:,} are in scope and {outside:,} out of scope.")
    teacher = [dig(report, "teacher", key) for key in ("name", "model")]
    if any(teacher):
        said.append(f"The teacher: {', '.join(str(t) for t in teacher if t)}.")
    head = ("metric", "this model", "teacher", "difference")
    title = "This model beside its teacher, against gold labels"
    measures = join(paragraph(" ".join(said)), table(title, head, rows)) if rows else Html("")
    return join(measures, _comparison(report))


def _signed(difference: float) -> str:
    return f"{difference:+.3f}".replace("-", "−")


def _comparison(report: Mapping[str, Any]) -> Html:
    found = report.get("comparison") or {}
    gains, losses = found.get("gains"), found.get("losses")
    if gains is None or losses is None:
        return Html("")
    text = (
        f"On {counted(gains, 'row')} the model is right and the teacher wrong; "
        f"on {counted(losses, 'row')} it is the other way round."
    )
    if found.get("p_value") is not None:
        text += " If both were equally good, so lopsided a split would have the probability "
        text += f"{found['p_value']:.2g} (McNemar’s exact test)."
    bar = plots.opposed(gains, losses, f"only the model right: {gains}; only the teacher: {losses}")
    legend = [tag("span", f"only this model right: {gains:,}")]
    legend.append(tag("span", f"only the teacher right: {losses:,}"))
    keys = ("text", "gold", "student", "teacher")
    rows = [
        [row["text"], *[breakable(row[key]) for key in keys[1:]]]
        for row in records(found, "rows", *keys)
    ]
    head = ("text", "gold", "this model", "teacher")
    return join(
        tag("h3", "Where they differ"),
        paragraph(text),
        tag("figure", bar, tag("figcaption", *legend, class_="ends")),
        table("Rows on which one of them is right", head, rows, numeric=False),
    )


def handover(report: Mapping[str, Any]) -> Html:
    found = report.get("handover") or {}
    points = records(found, "curve", "answered", "error")
    if not points:
        return Html("")
    threshold, certified = found.get("threshold"), found.get("certified")
    marked = next((p for p in points if _same(p.get("threshold"), threshold)), None)
    if threshold is None:
        marked = next((p for p in points if p["answered"] == 1), None)
    drawn = []
    risks = _RISKS
    if found.get("acceptance") == "label":
        risks = ((*_OF_LABELS, "wrong"), *_RISKS[1:])
    for key, metric, title, verb in risks:
        usable = [point for point in points if point.get(key) is not None]
        bounds = _bounds(report, metric)
        if usable:
            mark = "certified" if certified and bounds else "in force"
            point = marked if marked in usable else None
            drawn.append(
                figure(plots.risk_coverage(usable, key, title, point, (mark, verb), bounds))
            )
    asked = any(_bounds(report, metric) for _, metric, _, _ in risks)
    stands = _CERTIFIED[certified] if certified is not None or not asked else ""
    note = "Only the marked point was tested; the rest of a curve is a description."
    return join(
        paragraph(_rule(found)),
        paragraph(stands),
        tag("div", *drawn, class_="pair"),
        tag("p", note, class_="note") if certified is not None else Html(""),
    )


def _rule(handover: Mapping[str, Any]) -> str:
    """When the model abstains, in words."""
    if handover.get("threshold") is None:
        return "The model always answers: no threshold is in force."
    kind = _ACCEPTANCE.get(handover.get("acceptance") or "", "the acceptance score")
    text = f"The model abstains where {kind} is below {handover['threshold']:.4g}"
    if handover.get("temperature") is not None:
        text += f", at temperature {handover['temperature']:.3g}"
    if handover.get("method"):
        text += f". Threshold by {handover['method']}"
        if handover.get("calibrate_rows") and "calibrate" not in handover["method"]:
            text += f", on {handover['calibrate_rows']:,} calibrate rows"
    return text + "."


def _bounds(report: Mapping[str, Any], metric: str) -> list[float]:
    claims = report.get("claims") or ()
    return [c["at_most"] for c in claims if c["metric"] == metric and c.get("at_most") is not None]


def _same(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and math.isclose(one, other, abs_tol=1e-6)


def reliability(report: Mapping[str, Any]) -> Html:
    found = report.get("reliability") or {}
    bins = records(found, "bins", "low", "high", "rows", "score", "accuracy")
    if not bins:
        return Html("")
    said = "Of the answers with a score near 80%, about 80% should be right: the dashed diagonal."
    if found.get("ece") is not None:
        said += f" On average they are {100 * found['ece']:.1f} points off (ECE)."
    caption = "Bars: rows in each bin. Few rows, little to say about that bin."
    return join(
        paragraph(said), tag("div", figure(plots.reliability(bins), caption), class_="square")
    )
