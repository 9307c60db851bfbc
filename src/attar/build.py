"""The straight line: a recipe in, a sealed bundle out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attar.bundle import CARD, GOLDEN, MEASUREMENTS, REPORT, Bundle, read_bundle, repack
from attar.data import reasons
from attar.data.called import task_of
from attar.data.curate import curate, save_dropped, save_rows, summary
from attar.errors import InfeasibleError, OutputError
from attar.evaluate.bench import latency_summary, latency_times, peak_memory_mb, sample_text
from attar.evaluate.card import model_card
from attar.evaluate.claims import check_claims, check_labels, decide_all, measured
from attar.evaluate.documents import informed
from attar.evaluate.energy import energy
from attar.evaluate.examine import Examination
from attar.evaluate.latency_table import cpu_name
from attar.evaluate.ledger import count_seal
from attar.evaluate.report import full_report, versions
from attar.evaluate.teacher import settings_of, teacher_quality
from attar.evidence import Evidence, Exact, Quantile
from attar.files import write_atomically
from attar.passes import Artifact, Context
from attar.passes.export_onnx import ExportOnnx
from attar.plan import Plan, make_plan
from attar.plan.handover import HandOver, design_rows, draft_with_threshold
from attar.plan.start import CACHE, earlier_build, record_build
from attar.recipe import Budget, ClaimSpec, Recipe, read_recipe
from attar.runtime.predictor import Predictor, load
from attar.tasks.functions import known_functions
from attar.types import Dataset, Progress, Row, Silent

GOLDEN_EXAMPLES = 8
GOLDEN_CHARACTERS = 2_000  # of a text: they ship with the model, in a room kept for few bytes


def build(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    *,
    force: bool = False,
    seed: int = 0,
    minutes: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the bundle of a recipe and return its full report.

    out: the file to write, by default `<name>.attar` in the current folder. minutes: what
    the search among shapes may take, on a nominal machine (`plan.search`). Raises
    AttarError; InfeasibleError when no student meets the budget. A killed build
    resumes from `.attar/` beside the recipe.
    """
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    out = Path(out) if out is not None else Path(f"{recipe.name}.attar")
    _check_out(out, force)
    progress = progress or Silent()
    started = time.perf_counter()

    task = task_of(recipe)
    check_claims(recipe.claims, task)
    earlier = earlier_build(recipe)
    kept = earlier.columns if earlier is not None else ()
    dataset = curate(task, recipe.data, known=kept, seed=seed, progress=progress)
    named = (*dataset.train, *(Row("", label) for label in kept))
    columns = task.targets(named, recipe.data.out_of_scope)
    settings = task.settings(columns, recipe.data.out_of_scope)
    check_labels(recipe.claims, settings.get("span_labels", settings["labels"]))
    recipe.work.mkdir(parents=True, exist_ok=True)
    save_dropped(dataset, recipe.work / "dropped.jsonl")
    plan = make_plan(
        recipe,
        Context(
            task=task,
            dataset=dataset,
            columns=columns,
            cache=recipe.work / CACHE,
            out_of_scope=recipe.data.out_of_scope,
            seed=seed,
            progress=progress,
        ),
        earlier,
        minutes,
    )
    curated = plan.trial_context.dataset  # less the labels that the plan finds suspicious
    save_dropped(curated, recipe.work / "dropped.jsonl")
    save_rows(curated.flagged, recipe.work / "flagged.jsonl")
    model = trained = plan.start
    for step in plan.passes:
        trained = model if isinstance(step, ExportOnnx) else trained
        model = step.apply(model, plan.context)
    progress.say("setting the threshold on the calibrate split")
    draft, handover = _draft(model, plan, recipe)
    progress.say("evaluating on the certify split")
    seals = count_seal(recipe.work, dataset.certify, draft.content_sha256)
    report = _evaluate(draft, handover, plan, recipe.claims, seals)
    report["data"] = summary(curated, task)
    measurements = _measure(draft, recipe.claims, time.perf_counter() - started)
    record_build(recipe.work, draft.manifest["build"]["fingerprint"], trained)
    return full_report(_seal(draft, report, measurements, dataset, plan.budget, out, force))


def _check_out(out: Path, force: bool) -> None:
    """Refuse before hours of work what would be refused after."""
    if out.exists() and not force:
        raise OutputError(f"{out}: exists already. Pass --force to replace it.")
    if out.is_dir() or not out.resolve().parent.is_dir():
        raise OutputError(f"{out}: is not a file in a folder that exists")


def _draft(model: Artifact, plan: Plan, recipe: Recipe) -> tuple[Bundle, HandOver]:
    """The draft with its threshold, which the calibrate split sets."""
    assert plan.budget.size_mb is not None
    return draft_with_threshold(
        recipe.work / f"{recipe.name}-draft.attar",
        recipe.name,
        model,
        plan.trial,
        plan.context,
        plan.trial_context,
        recipe.claims,
        plan.budget.size_mb * 1e6,
        plan.rescoring.model(plan.context) if plan.rescoring is not None else None,
    )


def _evaluate(
    draft: Bundle, handover: HandOver, plan: Plan, claims: Sequence[ClaimSpec], seals: int
) -> dict[str, Any]:
    """The report's content: quality on certify, claims, and how the model came about."""
    context = plan.context
    settings = draft.manifest["task_settings"]
    rows, oos = context.dataset.certify, context.out_of_scope
    documents = context.dataset.documents
    teacher, fixed_by = informed(plan.teacher, documents), plan.teacher
    fixed_on: Sequence[Row] = context.dataset.calibrate
    if documents and plan.trial_context.teacher is not None:  # as the student's settings were
        fixed_by, fixed_on = (
            plan.trial_context.teacher,
            design_rows(plan.trial_context, plan.rescoring is not None),
        )
    theirs = settings_of(
        context.task, informed(fixed_by, documents), fixed_on, context.columns, oos
    )
    examined = Examination(
        context.task,
        Predictor(draft),
        rows,
        teacher,
        context.columns,
        oos,
        context.progress,
        theirs,
    )
    inside = [row for row in rows if row.label != oos]
    decided = [claim for claim in claims if not measured(claim)]
    return {
        "name": draft.manifest["name"],
        "task": context.task.name,
        "labels": settings["labels"],
        **({"functions": _functions(settings)} if "functions" in settings else {}),
        **{key: settings[key] for key in ("span_labels", "sections") if key in settings},
        **({"documents": len(documents)} if documents else {}),
        **({"rescore": _rescored(plan)} if plan.rescoring is not None else {}),
        "student": plan.values["student"].value,
        "metrics": examined.metrics(),
        "chance": round(context.task.chance(inside), 6) if inside else None,
        "threshold": settings["threshold"],
        "certify_rows": len(rows),
        "seals": seals,
        "claims": decide_all(decided, examined.evidence(), seals),
        "handover": {**handover.to_json(), "curve": examined.curve(settings["threshold"])},
        **examined.sections(),
        "teacher": {
            "name": plan.teacher.name,
            "model": plan.values["teacher.model"].value,
            "metrics": teacher_quality(context.task, rows, teacher, theirs, context.columns, oos),
        },
        "budget": plan.budget.as_dict(),
        "plan": plan.to_json(),
        "candidates": [candidate.to_json() for candidate in plan.candidates],
        "seed": context.seed,
        "versions": versions(),
    }


def _rescored(plan: Plan) -> dict[str, Any]:
    assert plan.rescoring is not None
    return {"top": plan.rescoring.top, "student": plan.rescoring.shape.name}


def _functions(settings: Mapping[str, Any]) -> list[str]:
    return [*known_functions(settings["functions"])]


def _measure(draft: Bundle, claims: Sequence[ClaimSpec], seconds: float) -> dict[str, Any]:
    predictor = load(draft.path)
    times = latency_times(predictor)
    memory = peak_memory_mb(draft.path)
    text = sample_text(predictor)
    found: dict[str, Evidence] = {
        "latency_p50_ms": Quantile(times, 0.5),
        "latency_p99_ms": Quantile(times, 0.99),
        "memory_mb": Exact(memory),
        "size_mb": Exact(draft.size_bytes / 1e6),  # the report takes the finished file's
    }
    return {
        "latency": latency_summary(times),
        "peak_memory_mb": memory,
        "energy": energy(lambda: predictor(text)),
        "build_seconds": round(seconds, 1),
        "machine": cpu_name(),
        "claims": decide_all([claim for claim in claims if measured(claim)], found),
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
        CARD: model_card(report).encode(),  # of the content alone, without timings
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
    """Texts spread over the calibrate split, with the answers that this file gives: none
    in which personal data was found, because they ship."""
    private = {id(one.row) for one in dataset.flagged if one.reason == reasons.PERSONAL_DATA}
    rows = [row for row in dataset.calibrate or dataset.train if id(row) not in private]
    brief = [row for row in rows if len(row.text) <= GOLDEN_CHARACTERS]
    rows = brief or sorted(rows, key=lambda row: len(row.text))[:1]
    chosen = rows[:: max(1, len(rows) // GOLDEN_EXAMPLES)][:GOLDEN_EXAMPLES]
    lines = []
    for row in chosen:
        answer = predictor(row.text).to_golden()
        lines.append(json.dumps({"text": row.text, **answer}, ensure_ascii=False))
    return ("\n".join(lines) + "\n").encode()
