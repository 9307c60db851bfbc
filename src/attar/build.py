"""The straight line: a recipe in, a sealed bundle out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attar.bundle import GOLDEN, MEASUREMENTS, REPORT, Bundle, read_bundle, repack
from attar.data.curate import curate, save_dropped, summary
from attar.errors import InfeasibleError, OutputError
from attar.evaluate.bench import latency, peak_memory_mb
from attar.evaluate.claims import decide_all
from attar.evaluate.latency_table import cpu_name
from attar.evaluate.quality import quality, teacher_quality
from attar.evaluate.report import full_report, versions
from attar.files import write_atomically
from attar.metrics import youden_threshold
from attar.passes import Artifact, Context
from attar.passes.draft import write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.plan import Plan, make_plan
from attar.plan.start import CACHE, record_build
from attar.recipe import Budget, ClaimSpec, Recipe, read_recipe
from attar.runtime.predictor import Predictor, load
from attar.tasks import TASKS
from attar.types import Dataset, Progress, Row, Silent

GOLDEN_EXAMPLES = 8


def build(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    *,
    force: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the bundle of a recipe and return its full report.

    out: the file to write, by default `<name>.attar` in the current folder. Raises
    AttarError; InfeasibleError when no student meets the budget. A killed build
    resumes from `.attar/` beside the recipe.
    """
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    out = Path(out) if out is not None else Path(f"{recipe.name}.attar")
    _check_out(out, force)
    progress = progress or Silent()
    started = time.perf_counter()

    task = TASKS.get(recipe.task)
    dataset = curate(task, recipe.data, seed=seed, progress=progress)
    recipe.work.mkdir(parents=True, exist_ok=True)
    save_dropped(dataset, recipe.work / "dropped.jsonl")
    plan = make_plan(
        recipe,
        Context(
            task=task,
            dataset=dataset,
            columns=task.targets(dataset.train, recipe.data.out_of_scope),
            cache=recipe.work / CACHE,
            out_of_scope=recipe.data.out_of_scope,
            seed=seed,
            progress=progress,
        ),
    )
    model = trained = plan.start
    for step in plan.passes:
        trained = model if isinstance(step, ExportOnnx) else trained
        model = step.apply(model, plan.context)
    draft = _draft(model, plan, recipe)
    progress.say("evaluating on the certify split")
    report = _evaluate(draft, plan, recipe.claims) | {"data": summary(dataset)}
    measurements = _measure(draft, time.perf_counter() - started)
    record_build(recipe.work, draft.manifest["build"]["fingerprint"], trained)
    return full_report(_seal(draft, report, measurements, dataset, plan.budget, out, force))


def _check_out(out: Path, force: bool) -> None:
    """Refuse before hours of work what would be refused after."""
    if out.exists() and not force:
        raise OutputError(f"{out}: exists already. Pass --force to replace it.")
    if out.is_dir() or not out.resolve().parent.is_dir():
        raise OutputError(f"{out}: is not a file in a folder that exists")


def _draft(model: Artifact, plan: Plan, recipe: Recipe) -> Bundle:
    """The draft with its threshold, which the calibrate split sets."""
    context = plan.context
    settings = context.task.settings(context.columns, context.out_of_scope)
    path = recipe.work / f"{recipe.name}-draft.attar"
    draft = write_draft(path, model, context.task, settings, recipe.name)
    rows = context.dataset.calibrate
    threshold = _threshold(Predictor(draft), rows, context.out_of_scope)
    if threshold is None:
        return draft
    settings = context.task.settings(context.columns, context.out_of_scope, threshold)
    return write_draft(path, model, context.task, settings, recipe.name)


def _threshold(predictor: Predictor, rows: Sequence[Row], out_of_scope: str | None) -> float | None:
    """Where in-scope and out-of-scope scores part best; None without rows of both."""
    answers = predictor([row.text for row in rows])
    inside = [a.score for r, a in zip(rows, answers, strict=True) if r.label != out_of_scope]
    outside = [a.score for r, a in zip(rows, answers, strict=True) if r.label == out_of_scope]
    if not inside or not outside:
        return None
    return round(youden_threshold(inside, outside), 6)


def _evaluate(draft: Bundle, plan: Plan, claims: Sequence[ClaimSpec]) -> dict[str, Any]:
    """The report's content: quality on certify, claims, and how the model came about."""
    context, dataset = plan.context, plan.context.dataset
    settings = draft.manifest["task_settings"]
    rows, oos = dataset.certify, context.out_of_scope
    metrics = quality(context.task, Predictor(draft), rows, plan.teacher, context.columns, oos)
    inside = [row for row in rows if row.label != oos]
    return {
        "name": draft.manifest["name"],
        "task": context.task.name,
        "labels": settings["labels"],
        "student": plan.values["student"].value,
        "metrics": metrics,
        "chance": round(context.task.chance(inside), 6) if inside else None,
        "threshold": settings["threshold"],
        "certify_rows": len(rows),
        "claims": decide_all(claims, metrics),
        "teacher": {
            "name": plan.teacher.name,
            "model": plan.values["teacher.model"].value,
            "metrics": teacher_quality(
                context.task, rows, plan.teacher, settings, context.columns, oos
            ),
        },
        "budget": plan.budget.as_dict(),
        "plan": plan.to_json(),
        "candidates": [candidate.to_json() for candidate in plan.candidates],
        "seed": context.seed,
        "versions": versions(),
    }


def _measure(draft: Bundle, seconds: float) -> dict[str, Any]:
    return {
        "latency": latency(load(draft.path)),
        "peak_memory_mb": peak_memory_mb(draft.path),
        "build_seconds": round(seconds, 1),
        "machine": cpu_name(),
    }


def _seal(
    draft: Bundle,
    report: dict[str, Any],
    measurements: dict[str, Any],
    dataset: Dataset,
    budget: Budget,
    out: Path,
    force: bool,
) -> Bundle:
    """Add report and golden examples, hold the file against the budget, move it to `out`."""
    extra = {
        REPORT: json.dumps(report, ensure_ascii=False, indent=1).encode(),
        MEASUREMENTS: json.dumps(measurements, indent=1).encode(),
        GOLDEN: _golden(Predictor(draft), dataset),
    }
    sealed = repack(
        draft, extra, draft.path.with_name(f"{draft.manifest['name']}-sealed.attar"), force=True
    )
    measured = {
        "size_mb": sealed.size_bytes / 1e6,
        "latency_ms": measurements["latency"]["p50_ms"],
        "memory_mb": measurements["peak_memory_mb"],
    }
    over = {k: v for k, v in measured.items() if k in budget.as_dict() and v > budget.as_dict()[k]}
    if over:
        raise InfeasibleError(_over_budget(over, measured, budget))
    _check_out(out, force)
    write_atomically(out, sealed.path.read_bytes())
    return read_bundle(out)


def _over_budget(over: dict[str, float], measured: dict[str, float], budget: Budget) -> str:
    limits = budget.as_dict()
    lines = [f"  {k} = {limits[k]:g}, but measured {v:.4g}" for k, v in over.items()]
    return (
        "the finished file breaks the budget, so it was not written:\n"
        + "\n".join(lines)
        + "\nhint: its nearest feasible budget is "
        + ", ".join(f"{k} = {measured[k] * 1.02:.3g}" for k in over)
        + ", or build with a smaller size_mb; what was trained is kept"
    )


def _golden(predictor: Predictor, dataset: Dataset) -> bytes:
    """Texts spread over the calibrate split, with the answers that this file gives."""
    rows = dataset.calibrate or dataset.train
    chosen = rows[:: max(1, len(rows) // GOLDEN_EXAMPLES)][:GOLDEN_EXAMPLES]
    lines = []
    for row in chosen:
        answer = predictor(row.text).to_json()
        del answer["alternatives"]
        lines.append(json.dumps({"text": row.text, **answer}, ensure_ascii=False))
    return ("\n".join(lines) + "\n").encode()
