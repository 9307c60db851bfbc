"""Which figures a report shows, in which order and form: the task's own, and what every
examination adds. Text, page and card all ask here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attar.errors import RecipeError
from attar.tasks import TASKS
from attar.types import Figure, Task

AGREEMENT = Figure("agreement", "agreement with the teacher", of_teacher=False)


def figures_of(report: Mapping[str, Any]) -> list[tuple[Figure, float, float | None]]:
    """Of a report's metrics that are there: the figure, this model's and the teacher's; the main
    one first. None from a report of a task that is not installed."""
    try:
        known = TASKS.get(str(report.get("task"))).figures
    except RecipeError:
        known = ()
    mine = report.get("metrics") or {}
    theirs = (report.get("teacher") or {}).get("metrics") or {}
    return [
        (one, mine[one.name], theirs.get(one.name))
        for one in (*known, AGREEMENT)
        if mine.get(one.name) is not None
    ]


def main_figure(task: Task, metrics: Mapping[str, Any]) -> Figure:
    """The first of the task's figures that is among `metrics`; where none is, its first."""
    return next((one for one in task.figures if one.name in metrics), task.figures[0])


def written(figure: Figure, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if figure.share else f"{value:.4f}"
