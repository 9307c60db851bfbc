"""The report: the one frozen result of a build, written here and nowhere else.

`compose` makes what is sealed into the bundle; `full_report` reads it back and adds
what only the finished file knows (its size, its hash, the measurements); `as_text`
is that report for a terminal.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from attar.bundle import Bundle
from attar.errors import BundleError
from attar.evaluate.claims import adjusted, decide, in_words, spec_of
from attar.evaluate.cost import Prices, cost
from attar.evaluate.figures import figures_of, written
from attar.evaluate.page.markup import counted
from attar.evaluate.slices import share_of
from attar.evidence import Exact

PACKAGES = ("attar", "numpy", "onnxruntime", "tokenizers", "torch", "transformers")


def versions() -> dict[str, str]:
    """Versions that the content of a bundle can depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def full_report(bundle: Bundle, prices: Prices | None = None) -> dict[str, Any]:
    """The sealed report, with size_bytes, content_sha256, measurements, the budget's limits
    beside what was measured, and costs by `prices` (by default the table that attar
    ships). Raises BundleError for a draft without a report."""
    sealed = bundle.report
    if sealed is None:
        raise BundleError(f"{bundle.path}: holds no report: it is a draft, not a finished build")
    measurements = bundle.measurements or {}
    measured = {
        "size_mb": bundle.size_bytes / 1e6,
        "latency_ms": measurements.get("latency", {}).get("p50_ms"),
        "memory_mb": measurements.get("peak_memory_mb"),
    }
    limits: Mapping[str, float] = sealed.get("budget", {})
    claims = [
        *sealed.get("claims", ()),
        *map(_of_this_file(measured), measurements.get("claims", ())),
    ]
    changed = bundle.manifest["build"].get("documents_changed")
    return {
        **sealed,
        **({"documents_changed": changed} if isinstance(changed, Mapping) else {}),
        "claims": adjusted(claims),
        "cost": cost(measured["latency_ms"], prices) if measured["latency_ms"] else None,
        "budget": {
            name: {"limit": limits.get(name), "measured": value} for name, value in measured.items()
        },
        "size_bytes": bundle.size_bytes,
        "content_sha256": bundle.content_sha256,
        "measurements": measurements,
    }


def changes(changed: Mapping[str, Any]) -> str:
    """What `attar index` has done to a bundle, in words."""
    return (
        f"its documents have changed since it was certified: {changed['added']:,} added, "
        f"{changed['removed']:,} removed. Figures and claims are those of the documents of the "
        f"build (content sha256 {str(changed['certified'])[:12]}…)."
    )


def _of_this_file(measured: Mapping[str, float | None]) -> Callable[[Any], Any]:
    """A claim on the size is about the finished file, which no entry inside it can know."""

    def decided(claim: Mapping[str, Any]) -> Mapping[str, Any]:
        size = measured["size_mb"]
        if claim["metric"] != "size_mb" or size is None:
            return claim
        return decide(spec_of(claim), Exact(size))

    return decided


def exit_code(report: Mapping[str, Any]) -> int:
    """0 when every claim is met or none was made, else 4."""
    return 0 if all(claim["status"] == "met" for claim in report.get("claims", ())) else 4


def as_text(report: Mapping[str, Any]) -> str:
    """The report for a terminal: aligned columns, no color."""
    about = counted(len(report["labels"]), "label")
    if report.get("documents") is not None:
        about = counted(report["documents"], "document")
    if report.get("sections"):
        about = counted(len(report["sections"]), "section")
    lines = [f"{report['name']}: {report['task']}, {about}", ""]
    rows = [("", "this model", "teacher")]
    for figure, mine, theirs in figures_of(report):
        rows.append((figure.title, written(figure, mine), written(figure, theirs)))
    lines += _columns(rows)
    lines.append(f"measured on {report['certify_rows']:,} rows that nothing was chosen on")
    if again := report.get("rescore"):
        lines.append(f"a second model ({again['student']}) scores the best {again['top']} again")
    lines.append("")
    rows = [("budget", "limit", "measured")]
    for name, (label, unit) in _BUDGET.items():
        entry = report["budget"][name]
        rows.append((label, _amount(entry["limit"], unit), _amount(entry["measured"], unit)))
    lines += _columns(rows)
    lines += _claims(report)
    lines += _trust(report)
    lines += ["", "trials of shapes, measured on the select split:"]
    rows = [("candidate", "size", "score")]
    for candidate in report["candidates"]:
        chosen = " *" if candidate["name"] == report["student"] else ""
        size = f"{candidate['size_bytes'] / 1e6:.2f} MB"
        rows.append((candidate["name"] + chosen, size, f"{candidate['score']:.4f}"))
    lines += _columns(rows)
    dropped = {k: n for k, n in report["data"].get("dropped", {}).items() if n}
    if dropped:
        counts = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        lines += ["", f"curation dropped: {counts}"]
    lines += [f"note: {note}" for note in report["data"].get("notes", ())]
    if changed := report.get("documents_changed"):
        lines += ["", f"note: {changes(changed)}"]
    lines += ["", f"content sha256 {report['content_sha256']}"]
    return "\n".join(lines)


_BUDGET = {
    "size_mb": ("size of the file", "MB"),
    "latency_ms": ("latency, p50", "ms"),
    "memory_mb": ("memory, peak", "MB"),
}


def _claims(report: Mapping[str, Any]) -> list[str]:
    claims = report["claims"]
    if not claims:
        return []
    lines = ["", "claims:", *(f"  {in_words(claim)}" for claim in claims)]
    if len(claims) > 1:
        held = sum(claim["together"] for claim in claims)
        lines.append(f"  {held} of {len(claims)} are met all together (Holm-adjusted)")
    seals = report.get("seals", 1)
    if seals > 1:
        lines.append(
            f"  these certify rows have judged {seals} models: each claim counts at "
            f"1/{seals} of its error rate"
        )
    return lines


def _trust(report: Mapping[str, Any]) -> list[str]:
    """Where it fails, and when it hands over, in a line each."""
    lines = []
    handover = report.get("handover")
    if handover and handover["threshold"] is not None:
        lines.append(
            f"abstains where {handover['acceptance']} is under {handover['threshold']:g} "
            f"({handover['method']})"
        )
    if handover and handover["certified"] is False:
        lines.append("calibrate rows cannot guarantee the error claims at any threshold")
    slice_ = report.get("worst_slice")
    if slice_:
        lines.append(
            f"worst slice: {slice_['kind']} {slice_['name']!r}, {share_of(slice_):.1%} "
            f"({slice_['lower']:.1%} to {slice_['upper']:.1%}) of {slice_['rows']:,} rows"
        )
    return ["", *lines] if lines else []


def _amount(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
