"""From what clients noted to figures, a text and a picture."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measure.peak_clients import Sent, Talk

AROUND_KILL_S = 20.0  # what counts as "during"


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Measured values (nearest rank), in the unit that they came in."""
    ordered = sorted(values)
    if not ordered:
        return {}
    found = {f"p{q}": ordered[math.ceil(q / 100 * len(ordered)) - 1] for q in (50, 95, 99)}
    return {name: round(value, 1) for name, value in {**found, "most": ordered[-1]}.items()}


def all_sent(talks: Sequence[Talk]) -> list[Sent]:
    return sorted((s for talk in talks for s in talk.sent), key=lambda sent: sent.began)


def windows(
    sent: Sequence[Sent], sale: float, kill: float | None, end: float
) -> dict[str, dict[str, Any]]:
    """Turns by when they were said: before the sale, in it before, around and after the kill. A
    turn that the kill may have met is of "kill", whenever it began."""
    found: dict[str, list[Sent]] = {"normal": [], "sale": [], "kill": [], "after": []}
    for one in sent:
        if one.reply is None:
            continue
        if kill is not None and one.ended >= kill and one.began < kill + AROUND_KILL_S:
            found["kill"].append(one)
        elif kill is not None and one.began >= kill + AROUND_KILL_S:
            found["after"].append(one)
        else:
            found["sale" if one.began >= sale else "normal"].append(one)
    ends = {"normal": (0.0, sale), "sale": (sale, end if kill is None else kill)}
    if kill is not None:
        ends |= {"kill": (kill, kill + AROUND_KILL_S), "after": (kill + AROUND_KILL_S, end)}
    made = {}
    for name, (began, ended) in ends.items():
        turns = found[name]
        within = sum(one.began <= ended for one in turns)  # conversations end after the sale
        made[name] = {
            "turns": len(turns),
            "turns_a_second": round(within / max(ended - began, 1.0), 2),
            "latency_ms": percentiles([one.latency_ms for one in turns]),
            "sent_again": sum(len(one.tries) > 1 for one in turns),
        }
    return made


def faults(talks: Sequence[Talk]) -> dict[str, int]:
    """Answers that were none, by status or error."""
    tries = [t for talk in talks for one in talk.sent for t in one.tries]
    tries += [t for talk in talks for t in talk.begins]
    bad = Counter(str(t.status) for t in tries if t.status not in (200, 201))
    return dict(bad.most_common())


def longest_gap_s(sent: Sequence[Sent], since: float, until: float) -> float:
    """The longest time within the sale in which nobody got a reply."""
    ends = sorted(one.ended for one in sent if one.reply and since <= one.ended <= until)
    return round(max((b - a for a, b in itertools.pairwise(ends)), default=0.0), 2)


def cost(samples: Sequence[Mapping[str, Any]], sale: float, end: float) -> list[dict[str, Any]]:
    """Of every worker: memory of its own at the end and at most, and its share of a core."""
    found = []
    pids = dict.fromkeys(w["pid"] for sample in samples for w in sample["workers"])
    for pid in pids:
        seen = [(s["at"], w) for s in samples for w in s["workers"] if w["pid"] == pid]
        within = [(at, w) for at, w in seen if sale <= at <= end]
        one: dict[str, Any] = {
            "pid": pid,
            "own_mib_last": round(seen[-1][1]["own"] / 2**20),
            "own_mib_most": round(max(w["own"] for _, w in seen) / 2**20),
            "resident_mib_most": round(max(w["rss"] for _, w in seen) / 2**20),
        }
        if len(within) > 1:
            (first, a), (last, b) = within[0], within[-1]
            one["core_share_in_sale"] = round((b["cpu_s"] - a["cpu_s"]) / (last - first), 3)
        found.append(one)
    return found


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report as text."""
    set_, check = report["settings"], report["check"]
    made = [
        f"a sale day: {set_['normal_an_hour']:g} conversations an hour, then "
        f"{set_['times']:g} times that for {set_['minutes']:g} minutes",
        f"{set_['workers']} workers, conversations in {set_['data']}; kill: {set_['kill']}",
        f"machine: {set_['cores']} cores, load {report['load']['least']:.1f} to "
        f"{report['load']['most']:.1f} (others' work included)",
        "",
        f"{'':<8}{'turns':>7}{'a second':>10}{'p50 ms':>9}{'p95':>9}{'p99':>9}{'most':>9}"
        f"{'again':>7}",
    ]
    for name, window in report["windows"].items():
        ms = window["latency_ms"]
        cells = "".join(f"{ms.get(q, math.nan):>9.1f}" for q in ("p50", "p95", "p99", "most"))
        made.append(
            f"{name:<8}{window['turns']:>7}{window['turns_a_second']:>10.2f}{cells}"
            f"{window['sent_again']:>7}"
        )
    counted = check["figures"]
    made += [
        "",
        f"answers that were none: {report['faults'] or 'none'}",
        f"longest time without a reply to anybody in the sale: {report['longest_gap_s']} s",
        f"customers' own clock late by p99 {report['lag_ms'].get('p99', 0)} ms",
        f"conversations {counted['conversations']}, messages answered {counted['answered']}, not "
        f"{counted['unanswered']}, told of a fault {counted['told_of_a_fault']}; "
        f"sent once more after the end: {report['replayed']}",
        f"done: {counted['done']}",
        f"refused by the shop: {counted['refused']}",
        f"asked to confirm {counted['asked_to_confirm']}, then done "
        f"{counted['confirmed_and_done']}",
        f"handed over {counted['handed']}, in the queue {counted['cases']}; "
        f"{counted['messages_missing_in_dashboard']} messages missing in the dashboard",
        *(
            f"worker {w['pid']}: {w['own_mib_most']} MiB of its own at most, "
            f"{w['resident_mib_most']} resident, {100 * w.get('core_share_in_sale', 0):.0f} % of a "
            "core in the sale"
            for w in report["workers"]
        ),
        "",
        f"problems: {len(check['problems'])}",
        *(f"  {one}" for one in check["problems"][:40]),
    ]
    return made


def draw(
    sent: Sequence[Sent], talks: Sequence[Talk], sale: float, kill: float | None, path: Path
) -> None:
    """Latency and throughput over time; the kill is a line."""
    import matplotlib as mpl

    mpl.use("svg" if path.suffix == ".svg" else "agg")
    mpl.rcParams["svg.hashsalt"] = "peak"
    from matplotlib import pyplot as plt

    answered = [one for one in sent if one.reply]
    step = 10.0
    bins: dict[int, list[float]] = {}
    for one in answered:
        bins.setdefault(int(one.began // step), []).append(one.latency_ms)
    at = [(number + 0.5) * step / 60 for number in sorted(bins)]
    kept = [sorted(bins[number]) for number in sorted(bins)]
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    once = [one for one in answered if len(one.tries) == 1]
    again = [one for one in answered if len(one.tries) > 1]
    for turns, color, label in ((once, "0.75", "a turn"), (again, "C3", "a turn sent again")):
        above.scatter(
            [one.began / 60 for one in turns], [one.latency_ms for one in turns],
            s=5 if turns is once else 16, color=color, label=label, linewidths=0,
        )  # fmt: skip
    above.plot(at, [statistics.median(v) for v in kept], color="C0", label="median of 10 s")
    above.plot(at, [v[math.ceil(0.99 * len(v)) - 1] for v in kept], color="C1", label="p99 of 10 s")
    above.set(yscale="log", ylabel="latency of a turn, ms")
    below.step(at, [len(v) / step for v in kept], where="mid", color="C0", label="turns a second")
    begun = Counter(int(t.begins[0].began // step) for t in talks if t.begins)
    below.step(
        [(n + 0.5) * step / 60 for n in sorted(begun)], [begun[n] / step for n in sorted(begun)],
        where="mid", color="C2", label="conversations begun a second",
    )  # fmt: skip
    below.set(xlabel="minutes", ylabel="a second", ylim=(0, None))
    for axis in (above, below):
        axis.axvline(sale / 60, color="0.4", ls=":", label="the sale begins")
        if kill is not None:
            axis.axvline(kill / 60, color="C3", ls="--", label="a worker is killed")
        axis.legend(fontsize=8, loc="upper right")
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, metadata=metadata, dpi=120)
    plt.close(figure)
