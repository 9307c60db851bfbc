"""The frontier: what quality a size buys, measured on select from a tenth of a megabyte up
to the teacher.

Candidates are the shapes that a build would try at each of a list of sizes, through the
same trials and the same cache, so that a build at one of these sizes finds its search
done. Figures are those of trials taught by the frozen teacher: a finished student, trained
in full by the tuned teacher, should surpass them. Nothing here looks at certify rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attar.data.called import task_of
from attar.data.curate import curate
from attar.errors import DataError, RecipeError
from attar.evaluate.bounds import bounds_of
from attar.evaluate.figures import main_figure
from attar.evaluate.latency_table import LatencyTable, cpu_name
from attar.files import write_atomically
from attar.passes import Artifact, Context
from attar.passes.export_onnx import ExportOnnx
from attar.plan.prepare import Prepared, prepare
from attar.plan.search import (
    SHORT,
    Candidate,
    behind_the_frontier,
    draft_of,
    examined,
    latency_of,
    quick_enough,
    successive_halving,
)
from attar.plan.start import CACHE
from attar.plan.vectors import documents_bytes
from attar.recipe import Recipe
from attar.train.shapes import Shape, bundle_bytes, fitting_shapes, reports_bytes, vector_shapes
from attar.types import Derived, Progress, Silent, Task

SIZES = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)  # MB
ALPHA = 0.025  # each side


def frontier(
    recipe: Recipe,
    *,
    sizes: Sequence[float] = SIZES,
    minutes: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the candidates of every size and return them, smallest first, as plain data;
    also written to `.attar/frontier.json`. What was measured before is reused.

    sizes: limits of the whole file in 10^6 bytes, to which the recipe's own is added.
    minutes: what the trials may take on a nominal machine, as a count of shapes. Raises
    AttarError.
    """
    progress = progress or Silent()
    if any(not size > 0 for size in sizes):
        raise RecipeError(f"sizes are megabytes above 0, not {min(sizes):g}")
    if recipe.student.keep_labels:
        raise RecipeError("[student] keep_labels keeps the start's own shape: take it out")
    task = task_of(recipe)
    dataset = curate(task, recipe.data, seed=seed, progress=progress)
    columns = task.targets(dataset.train, recipe.data.out_of_scope)
    context = Context(
        task,
        dataset,
        columns,
        recipe.work / CACHE,
        recipe.data.out_of_scope,
        seed,
        progress=progress,
    )
    values: dict[str, Derived] = {}
    base = prepare(recipe, recipe.budget, context, values)
    if base.source is None:
        raise RecipeError(
            "[student] start names a model without layers, which has one shape: there is no "
            "frontier to measure. Take start out, or name a transformer."
        )
    own = () if recipe.budget.size_mb is None else (recipe.budget.size_mb,)
    shapes = base.within(_shapes(base, (*sizes, *own), recipe.budget.latency_ms), minutes, values)
    if not shapes:
        raise DataError(
            f"no student is as small as {max((*sizes, *own)):g} MB: the texts use {base.pieces:,} "
            "pieces. Ask for larger --sizes."
        )
    candidates = successive_halving(
        shapes, base.trimmed, base.trials, behind_the_frontier, base.from_labels
    )
    progress.say("measuring the teacher")
    points = [_point(c, base) for c in sorted(candidates, key=lambda c: c.size_bytes)]
    points.append(_teacher_point(base))
    _mark(points)
    figure = main_figure(task, candidates[0].figures)
    found = {
        "name": recipe.name,
        "figure": {"name": figure.name, "title": figure.title, "share": figure.share},
        "select_rows": len(base.trials.dataset.select),
        "pieces": base.pieces,
        "machine": cpu_name(),
        "values": {k: {"value": v.value, "reason": v.reason} for k, v in values.items()},
        "points": points,
        "sizes": [_best_within(points, size) for size in sorted({*sizes, *own})],
    }
    recipe.work.mkdir(parents=True, exist_ok=True)
    write_atomically(recipe.work / "frontier.json", json.dumps(found, indent=1).encode())
    return found


def _shapes(base: Prepared, sizes: Sequence[float], latency_ms: float | None) -> list[Shape | None]:
    """What a build would try at each size, smallest first, every shape once."""
    assert base.source is not None
    source, columns = base.source, len(base.context.columns)
    fitting = vector_shapes if base.context.task.gold_kind == "document" else fitting_shapes
    found: list[Shape] = []
    for size in sizes:
        limit = size * 1e6 - documents_bytes(base.context)
        found += fitting(source, base.pieces, columns, limit)
    if latency_ms is not None:
        found = quick_enough(found, source, base.trimmed, latency_ms, base.context)

    def size_of(shape: Shape) -> int:
        return bundle_bytes(shape, source, base.pieces, columns)

    ordered: list[Shape] = sorted(dict.fromkeys(found), key=size_of)
    return list(ordered)


def _point(candidate: Candidate, base: Prepared) -> dict[str, Any]:
    assert candidate.shape is not None
    assert base.source is not None
    return {
        "name": candidate.name,
        "family": candidate.shape.family,
        "size_bytes": candidate.size_bytes + reports_bytes(len(base.context.columns)),
        "parameters": candidate.parameters,
        "latency_ms": latency_of(candidate.shape, base.source, base.trimmed, base.context),
        "trial": round(candidate.trial, 3),
        **_quality(candidate, base.trials.task),
    }


def _teacher_point(base: Prepared) -> dict[str, Any]:
    """The teacher of the trials as a float32 bundle: what their students learn from."""
    teacher = base.trials.teacher
    folder, name = getattr(teacher, "folder", None), getattr(teacher, "name", "")
    assert folder is not None  # a model of this machine, or the first of several is one
    model = Artifact(folder, getattr(teacher, "fingerprint", "").split("+")[0])
    exported = ExportOnnx().apply(model, base.trials)
    draft = draft_of(exported, base.trials)
    made = examined(None, draft, draft.size_bytes // 4, base.trials)
    latency = LatencyTable.of_this_machine().lookup(
        f"float32 export {exported.fingerprint[:16]}", lambda: _again(exported, base.trials)
    )
    how = "frozen" if name.startswith("frozen") else "tuned"
    return {
        "name": f"the {how} teacher, float32",
        "family": "teacher",
        "size_bytes": made.size_bytes,
        "parameters": made.parameters,
        "latency_ms": latency,
        "trial": None,
        **_quality(made, base.trials.task),
    }


def _again(exported: Artifact, context: Context) -> Path:
    return draft_of(exported, context).path


def _quality(candidate: Candidate, task: Task) -> dict[str, Any]:
    """The score, and the task's main figure with its two-sided 95 % interval; None where it is
    undefined."""
    value = candidate.figures.get(main_figure(task, candidate.figures).name)
    low = high = None
    if value is not None and candidate.evidence is not None:
        low, high, _ = bounds_of(candidate.evidence)(ALPHA)
    return {
        "score": round(candidate.score, 6),
        "value": value,
        "low": None if low is None else round(low, 6),
        "high": None if high is None else round(high, 6),
        "oos_auroc": candidate.figures.get("oos_auroc"),
        "agreement": candidate.figures.get("agreement"),
    }


def _mark(points: Sequence[dict[str, Any]]) -> None:
    """Say of every point whether no smaller one scores as high. Points run up in size."""
    best = -1.0
    for point in points:
        point["on_frontier"] = point["score"] > best
        best = max(best, point["score"])


def _best_within(points: Sequence[dict[str, Any]], size: float) -> dict[str, Any]:
    fitting = [p for p in points if p["size_bytes"] <= size * 1e6]
    # A short trial says less than a longer one, whatever it scored.
    best = max(fitting, key=lambda p: (p["trial"] != round(SHORT, 3), p["score"]), default=None)
    return {"size_mb": size, "best": None if best is None else best["name"]}
