"""The table of `classify.py`, the comparisons at equal size and the numbers to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Result = dict[str, Any]

#: Peers that attar must not be below at the same size.
RIVALS = ("fasttext", "model2vec", "tfidf")
TRAINER = "minilm-trainer"


@dataclass(frozen=True, slots=True)
class Goal:
    """A number to reach: `metric` of the attar row of `size` on `set`."""

    set: str
    size: float
    metric: str
    bound: float
    at_least: bool = True


GOALS = (
    Goal("banking77", 5, "accuracy", 0.935),
    Goal("banking77", 2, "accuracy", 0.925),
    Goal("banking77", 1, "accuracy", 0.91),
    Goal("clinc150", 5, "accuracy", 0.95),
    Goal("clinc150", 5, "auroc", 0.95),
    Goal("banking77", 5, "times faster than the fine-tuned MiniLM", 15),
    Goal("banking77", 20, "times faster than the fine-tuned MiniLM", 4),
    Goal("clinc150", 20, "times faster than the fine-tuned MiniLM", 4),
    Goal("clinc150", 5, "times faster than the fine-tuned MiniLM", 15),
    Goal("banking77", 5, "build time / Trainer", 1.5, at_least=False),
)


def of_set(results: Sequence[Result], name: str) -> list[Result]:
    return [result for result in results if result["set"] == name]


def built(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if "error" not in result]


def best_within(results: Sequence[Result], peer: str, size: float) -> Result | None:
    """The most accurate variant of a peer whose shipped size fits."""
    fitting = [r for r in built(results) if r["peer"] == peer and r["size_mb"] <= size]
    return max(fitting, key=lambda r: r["accuracy"], default=None)


def attar_row(results: Sequence[Result], size: float) -> Result | None:
    rows = [r for r in built(results) if r["peer"] == "attar" and r["target_mb"] == size]
    return rows[0] if rows else None


def table_rows(results: Sequence[Result], sizes: Sequence[float]) -> list[Result]:
    """attar at every size, each rival's best within every size, and each peer's best overall."""
    rows = [r for r in built(results) if r["peer"] == "attar"]
    peers = dict.fromkeys(r["peer"] for r in results if r["peer"] != "attar")
    for peer in peers:
        mine = [r for r in built(results) if r["peer"] == peer]
        found = [max(mine, key=lambda r: r["accuracy"])] if mine else []
        found += [row for size in sizes if (row := best_within(results, peer, size))]
        rows += [row for index, row in enumerate(found) if row not in found[:index]]
    return rows


def trainer_of(results: Sequence[Result]) -> Result | None:
    """The fine-tuned MiniLM of a set."""
    return next((r for r in built(results) if r["contender"] == TRAINER), None)


def ratios(result: Result, results: Sequence[Result]) -> dict[str, float]:
    """Beside the fine-tuned MiniLM of the same set; empty where one of the two is missing."""
    trainer = trainer_of(results)
    found = {}
    if trainer is not None:
        found["build time / Trainer"] = result["build_s"] / trainer["build_s"]
        if result.get("latency") and trainer.get("latency"):
            found["times faster than the fine-tuned MiniLM"] = (
                trainer["latency"]["p50_ms"] / result["latency"]["p50_ms"]
            )
    return found


def paired(result: Result, results: Sequence[Result]) -> tuple[float, float] | None:
    """Points of accuracy above the fine-tuned MiniLM of the same set, row by row, and half of
    their 95 % interval; None where one of the two is missing."""
    trainer = trainer_of(results)
    if trainer is None or trainer is result:
        return None
    mine, theirs = (np.array(list(r["right"]), float) for r in (result, trainer))
    change = 100 * (mine - theirs)
    return float(change.mean()), float(1.96 * change.std() / np.sqrt(len(change)))


def checks(results: Sequence[Result], sizes: Sequence[float]) -> dict[str, list[dict[str, Any]]]:
    names = dict.fromkeys(result["set"] for result in results)
    comparisons, goals = [], []
    for name in names:
        rows = of_set(results, name)
        for size in sizes:
            mine = attar_row(rows, size)
            for rival in RIVALS:
                theirs = best_within(rows, rival, size)
                if mine is None or theirs is None:
                    verdict = "not measured"
                else:
                    below = mine["accuracy"] < theirs["accuracy"]
                    verdict = "below" if below else "not below"
                entry = {"set": name, "size_mb": size, "rival": rival, "verdict": verdict}
                entry["attar"] = mine and mine["accuracy"]
                entry["peer"] = theirs and theirs["accuracy"]
                entry["peer_contender"] = theirs and theirs["contender"]
                comparisons.append(entry)
            goals.append(_fits(name, size, mine))
    for goal in GOALS:
        if goal.set not in names or goal.size not in sizes:
            continue
        rows = of_set(results, goal.set)
        mine = attar_row(rows, goal.size)
        value = None if mine is None else (mine | ratios(mine, rows)).get(goal.metric)
        goals.append(_decide(goal, value))
    return {"comparisons": comparisons, "goals": goals}


def _fits(name: str, size: float, mine: Result | None) -> dict[str, Any]:
    goal = Goal(name, size, "size of the bundle in MB", size, at_least=False)
    return _decide(goal, None if mine is None else mine["size_mb"])


def _decide(goal: Goal, value: float | None) -> dict[str, Any]:
    if value is None:
        verdict = "not measured"
    else:
        reached = value >= goal.bound if goal.at_least else value <= goal.bound
        verdict = "reached" if reached else "missed"
    bound = f"{'at least' if goal.at_least else 'at most'} {goal.bound:g}"
    found = {"set": goal.set, "size_mb": goal.size, "metric": goal.metric, "bound": bound}
    return found | {"value": value, "verdict": verdict}


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def show(value: float | None, form: str = ".2f", scale: float = 1.0) -> str:
    return "-" if value is None else format(scale * value, form)


def markdown(whole: dict[str, Any], sizes: Sequence[float], limit: int | None) -> str:
    results: list[Result] = whole["results"]
    names = dict.fromkeys(result["set"] for result in results)
    out = ["# attar beside its peers: classification", ""]
    if limit is not None:
        out += [f"**Smoke test on {limit} rows: these figures mean nothing.**", ""]
    versions = ", ".join(f"{name} {number}" for name, number in whole["versions"].items())
    out += [f"{whole['date']}, {whole['cpu']}, {whole['cores']} cores; {versions}.", ""]
    for name in names:
        out += _set_table(name, of_set(results, name), sizes)
    out += ["## Never below, at the same size", ""]
    out += [line(("set", "MB", "rival", "rival %", "attar %", "verdict")), line(("---",) * 6)]
    cells: tuple[str, ...]
    for entry in whole["checks"]["comparisons"]:
        rival = entry["peer_contender"] or entry["rival"]
        figures = (show(entry["peer"], scale=100), show(entry["attar"], scale=100))
        cells = (entry["set"], f"{entry['size_mb']:g}", rival, *figures, entry["verdict"])
        out.append(line(cells))
    out += ["", "## Numbers to reach", ""]
    out += [line(("set", "MB", "number", "bound", "measured", "verdict")), line(("---",) * 6)]
    for goal in whole["checks"]["goals"]:
        cells = (goal["set"], f"{goal['size_mb']:g}", goal["metric"], goal["bound"])
        out.append(line((*cells, show(goal["value"], ".4g"), goal["verdict"])))
    return "\n".join(out) + "\n"


def _set_table(name: str, results: Sequence[Result], sizes: Sequence[float]) -> list[str]:
    head: tuple[str, ...] = (
        "contender",
        "variant",
        "accuracy %",
        "AUROC",
        "MB",
        "p50 ms",
        "build s",
    )
    head += ("points above MiniLM (95 %)", "faster than MiniLM", "build / Trainer")
    out = [f"## {name}", "", line(head), line(("---",) * len(head))]
    for row in table_rows(results, sizes):
        beside = ratios(row, results)
        faster = beside.get("times faster than the fine-tuned MiniLM")
        timed = row.get("latency") or {}
        variant = row["contender"] + (" (reused)" if row.get("reused") else "")
        cells: tuple[str, ...] = (row["title"], variant, show(row["accuracy"], scale=100))
        cells += (show(row.get("auroc"), ".4f"), show(row["size_mb"]))
        cells += (show(timed.get("p50_ms"), ".3f"), show(row["build_s"], ".0f"))
        change = paired(row, results)
        cells += ("-" if change is None else f"{change[0]:+.2f} ± {change[1]:.2f}",)
        cells += ("-" if faster is None else f"{faster:.1f} x",)
        out.append(line((*cells, show(beside.get("build time / Trainer")))))
    for row in results:
        if "error" in row:
            out.append(
                line((row["title"], row["contender"], f"failed: {row['error']}", *["-"] * 7))
            )
    out.append("")
    if any(row.get("reused") for row in results):
        out += ["(reused): built in an earlier run; its build seconds are of that run.", ""]
    if any((row.get("extra") or {}).get("share_cache") for row in results):
        out += ["attar's sizes share one cache: later sizes reuse passes of earlier ones.", ""]
    return out
