"""The figures as a text table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_GROUPS = ("needing", "all", "out of scope or hostile")
_SHARES = (
    "handed over",
    "without need",
    "fewer than without a bot",
    "fewer if wrong ones come back",
    "contained and right",
    "contained but wrong",
    "right or rightly handed over",
)


def text(figures: Mapping[str, Any]) -> str:
    lines = [
        "needing: neither out of scope nor hostile; without a bot each of them reaches a person.",
        "Shares with their 95 % Wilson intervals.",
        "",
        f"{'':32}" + "".join(f"{name:>28}" for name in _GROUPS),
        f"{'conversations':32}"
        + "".join(f"{figures[name]['conversations']:>28}" for name in _GROUPS),
    ]
    for name in _SHARES:
        lines.append(f"{name:32}" + "".join(f"{shown(figures[g][name]):>28}" for g in _GROUPS))
    lines.append(
        f"{'  right, with a page to be read':32}"
        + "".join(f"{figures[name]['of these to be read']:>28}" for name in _GROUPS)
    )
    lines.append("")
    needing, every = figures["needing"], figures["all"]
    lines += _counts("handed over, by reason (all)", every["by reason"])
    lines += _counts("without need, by reason (all)", every["without need by reason"])
    lines += _counts("contained but wrong, by kind (needing)", needing["kinds of wrong"])
    lines += _counts(
        "done or said wrongly, also before handing over (all)",
        every["done or said wrongly, also before handing over"],
    )
    lines += _by_group("by outcome", figures["by outcome"])
    lines.append("")
    lines.append(f"{'first wish':24}{'n':>5}{'right':>7}{'wrong':>7}{'handed':>8}{'of need':>9}")
    for intent, one in figures["by intent"].items():
        need = one.get("handed", 0)
        handed = need + one.get("handed without need", 0)
        lines.append(
            f"{intent:24}{one['conversations']:>5}{one.get('right', 0):>7}"
            f"{one.get('wrong', 0):>7}{handed:>8}{need:>9}"
        )
    lines.append("")
    model, turns = figures["model"], figures["turns"]
    lines.append(
        f"requests: {model['messages with a request']} messages; the model alone decided "
        f"{shown(model['decided by the model alone'])}, of these names one not wanted "
        f"{shown(model['wrong'])}, lacks one {shown(model['lacks one'])}"
    )
    unasked = model["other messages that began something unasked"]
    lines.append(f"other messages that began something unasked: {shown(unasked)}")
    lines += _counts("wanted -> named, most frequent", model["most frequent"])
    lines.append(
        f"turns {turns['turns']}, {turns['per conversation']:.1f} a conversation, at most "
        f"{turns['most']}; ms a turn p50 {turns['ms p50']:.1f}, p95 {turns['ms p95']:.1f}, "
        f"p99 {turns['ms p99']:.1f}, most {turns['ms most']:.1f}; of the CPU p50 "
        f"{turns['cpu ms p50']:.1f}, p95 {turns['cpu ms p95']:.1f}, p99 {turns['cpu ms p99']:.1f}"
    )
    if started := figures.get("started_ms"):
        parts = ", ".join(f"{name} {ms:.0f}" for name, ms in started.items())
        lines.append(f"start, ms: {sum(started.values()):.0f} ({parts})")
    lines.append(f"answers that a reader must judge: {figures['answers to read']} (--show read)")
    asked = figures["questions without an answer of the row"]
    lines += _counts("asked, without an answer in the row", asked)
    lines += _counts("asked by the desk", figures["asked by the desk"])
    lines += _counts("proposals turned down", figures["turned down by the customer"])
    if lacking := figures["rows that the shop cannot fit"]:
        lines.append(f"rows for which the sample has no fitting order: {', '.join(lacking)}")
    return "\n".join(lines)


def shown(one: Mapping[str, Any]) -> str:
    if one["share"] is None:
        return "-"
    return f"{one['count']} {one['share']:.1%} [{one['low']:.1%}, {one['high']:.1%}]"


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return [f"{title}: none"]
    return [f"{title}: " + ", ".join(f"{name} {count}" for name, count in counts.items())]


def _by_group(title: str, groups: Mapping[str, Any]) -> list[str]:
    lines = [f"{title}:"]
    for name, one in groups.items():
        lines.append(
            f"  {name:10}{one['conversations']:>5}  right {one['contained and right']['count']:>4}"
            f"  wrong {one['contained but wrong']['count']:>4}"
            f"  handed {one['handed over']['count']:>4}"
        )
    return lines
