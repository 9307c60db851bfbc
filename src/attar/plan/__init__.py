"""The plan: a recipe resolved into a student and its passes, every value with its reason.

A small measured search on the select split comes first, taught by the frozen teacher.
Once the shape is chosen, select has done its work and joins train: teacher and student
of the plan learn from both. Nothing here looks at calibrate or certify rows.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attar.bundle import Bundle
from attar.data.split import join_select
from attar.errors import RecipeError
from attar.evaluate.handover import error_claims
from attar.passes import Artifact, Context, Pass, apply_all, fingerprint
from attar.passes.add_labels import AddLabels
from attar.passes.export_onnx import ExportOnnx
from attar.passes.quantize import Quantize
from attar.plan.few import few_passes, student_start
from attar.plan.infeasible import infeasible
from attar.plan.pairs import make_vector_teacher
from attar.plan.prepare import Prepared, prepare
from attar.plan.rescoring import Rescoring, rescoring_of, room_for_second
from attar.plan.search import (
    FEW,
    Candidate,
    behind_the_best,
    deep_passes,
    draft_of,
    examples_in,
    keeps_most,
    measure,
    quick_enough,
    student_passes,
    successive_halving,
    trial,
    vector_passes,
)
from attar.plan.start import Earlier
from attar.plan.teacher import make_teacher, model_teacher
from attar.plan.vectors import documents_bytes
from attar.recipe import Budget, Recipe, StudentSection
from attar.teachers import Teacher
from attar.train.shapes import (
    Shape,
    fitting_shapes,
    no_layers_that_fit,
    reports_bytes,
    vector_shapes,
)
from attar.types import Derived, Row, Silent

DEFAULT_SIZE_MB = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`start` and `passes` make the student; `context` is what the passes read. `trial`:
    the chosen shape's draft, made with `trial_context`, which still has its select rows."""

    start: Artifact
    passes: tuple[Pass, ...]
    context: Context
    trial: Bundle
    trial_context: Context
    teacher: Teacher
    budget: Budget
    candidates: tuple[Candidate, ...]
    values: Mapping[str, Derived]
    rescoring: Rescoring | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            name: {"value": derived.value, "reason": derived.reason}
            for name, derived in self.values.items()
        }


def make_plan(
    recipe: Recipe,
    context: Context,
    earlier: Earlier | None = None,
    minutes: float | None = None,
) -> Plan:
    """Search the student, train the teacher, and say why. Raises InfeasibleError.

    context: with every split. The plan's own context has select joined to train. earlier:
    the build that labels are added to; then there is no search and no other teacher.
    minutes: what the search may take, on a nominal machine.
    """
    values: dict[str, Derived] = {}
    budget = _budget(recipe, values)
    if earlier is not None:
        return _add_labels(earlier, recipe, budget, context, values)
    base = prepare(recipe, budget, context, values)
    shapes = base.within(_shapes(base, budget), minutes, values)
    if not shapes:
        raise infeasible(budget, base)
    if base.few:
        candidates = _until_one_fits(shapes, base, budget)
    else:
        candidates = successive_halving(
            shapes, base.trimmed, base.trials, behind_the_best, base.from_labels
        )
    best = _best(_fitting(candidates, base.context.columns, budget))
    if best is None:
        raise infeasible(budget, base)
    rescoring = None
    if recipe.rescore is not None:
        small = _with_room(base, budget, minutes, candidates)
        rescoring = rescoring_of(recipe, base, budget, small, best, values)
        best = small if rescoring is not None and small is not None else best
    values["student"] = Derived(best.name, _why(best, candidates))
    context.progress.say(f"chosen: {best.name}; select joins train")
    if context.task.gold_kind == "document":
        teacher = make_vector_teacher(recipe.teacher, base.teacher_start, base.context, values)
    else:
        teacher = make_teacher(
            recipe.teacher, base.teacher_start, base.context, base.balance, values, base.words
        )
    start, passes = _student(best.shape, base, teacher, recipe.student, values)
    for step in passes:
        for name, value in step.settings().items():
            values[f"{step.name}.{name}"] = Derived(value, step.reasons.get(name, "the default"))
    joined = replace(base.context, teacher=teacher)
    silent = replace(base.trials, progress=Silent())
    if rescoring is not None:
        draft, trials = rescoring.trial, rescoring.context
    else:
        _, draft = trial(best.shape, base.trimmed, silent, best.trial, base.from_labels)
        trials = base.trials
    return Plan(
        start, passes, joined, draft, trials, teacher, budget, tuple(candidates), values, rescoring
    )


def _with_room(
    base: Prepared, budget: Budget, minutes: float | None, candidates: list[Candidate]
) -> Candidate | None:
    """The best first stage that leaves room for a second model; None where none fits. New
    candidates are added to the list."""
    left = room_for_second(base, budget)
    shapes = base.within(_shapes(base, budget, left), minutes, {})
    tried = {candidate.shape for candidate in candidates}
    candidates += successive_halving(
        [shape for shape in shapes if shape not in tried],
        base.trimmed, base.trials, behind_the_best,
    )  # fmt: skip
    within = [one for one in candidates if one.shape in shapes]
    return _best(_fitting(within, base.context.columns, budget, left))


def _student(
    shape: Shape | None,
    base: Prepared,
    teacher: Teacher,
    section: StudentSection,
    values: MutableMapping[str, Derived],
) -> tuple[Artifact, tuple[Pass, ...]]:
    """Where the student starts, and the passes from there: the pretrained encoder, or the
    tuned teacher where the student is near enough to it to keep what it has learned."""
    texts = examples_in(base.context)
    if base.context.task.gold_kind == "document":
        start = student_start(teacher) or base.start
        return start, (base.vocabulary, *vector_passes(shape, base.source, base.context))
    scratch = student_passes(shape, texts, from_labels=base.from_labels)
    tuned = student_start(teacher) if section.start is None else None
    if tuned is None or shape is None or not shape.layers:
        return base.start, (base.vocabulary, *scratch)
    if base.few:
        values["start"] = Derived("the teacher", "few rows a label: it has learned from them")
        return tuned, (base.vocabulary, *few_passes(shape, texts, tuned))
    if texts >= FEW and keeps_most(shape, base.source):  # one epoch of few texts is too little
        values["start"] = Derived("the teacher", "most of its layers are kept")
        places = base.context.task.reads != "text"
        return tuned, (base.vocabulary, *deep_passes(shape, texts, places))
    return base.start, (base.vocabulary, *scratch)


def _add_labels(
    earlier: Earlier,
    recipe: Recipe,
    budget: Budget,
    context: Context,
    values: MutableMapping[str, Derived],
) -> Plan:
    """The earlier model with new columns: what it answers for its own labels stays."""
    dataset, start = context.dataset, Path(recipe.student.start or "").name
    if error_claims(recipe.claims) and not any(
        row.label in earlier.columns for row in dataset.calibrate
    ):
        raise RecipeError(
            "[[claims]] error_when_answering: calibrate holds rows of the new labels alone, on "
            "which no threshold for all labels can rest; add train rows of the old ones"
        )
    replay = (*dataset.unlabeled, *(Row(text) for text in earlier.texts))
    apart = replace(
        context,
        dataset=replace(
            dataset,
            unlabeled=replay,
            fingerprint=fingerprint(dataset.fingerprint, "replay", earlier.texts),
        ),
    )
    joined = replace(apart, dataset=join_select(apart.dataset))
    passes = (AddLabels(earlier.columns), ExportOnnx(), Quantize())
    new = [name for name in context.columns if name not in earlier.columns]
    values["start"] = Derived(start, "the recipe names it")
    values["student"] = Derived("the start's own shape", "labels are added, weights stay")
    values["labels.kept"] = Derived(len(earlier.columns), "[student] keep_labels")
    values["labels.added"] = Derived(new, "the labels of the train rows that the start lacks")
    values["replay"] = Derived(len(replay), "unlabeled texts, and the start's golden examples")
    values["teacher.model"] = Derived(start, "the start itself, with the new columns, in float32")
    made = passes[0].apply(earlier.model, joined)
    teacher = model_teacher("start", made, joined)
    draft = draft_of(apply_all(passes, earlier.model, apart), apart)
    return Plan(earlier.model, passes, joined, draft, apart, teacher, budget, (), values)


def _budget(recipe: Recipe, values: MutableMapping[str, Derived]) -> Budget:
    if recipe.budget.size_mb is not None:
        return recipe.budget
    values["budget.size_mb"] = Derived(DEFAULT_SIZE_MB, "the recipe sets none: the default")
    return replace(recipe.budget, size_mb=DEFAULT_SIZE_MB)


def _shapes(base: Prepared, budget: Budget, left: float = 0.0) -> list[Shape | None]:
    """Shapes to try; None keeps the start's own, which has no layers to take from. left: bytes
    of the budget that are for something else."""
    if base.source is None:
        return [None]
    assert budget.size_mb is not None
    source, columns = base.source, len(base.context.columns)
    beside = _functions_bytes(base.context) + documents_bytes(base.context) + left
    limit = budget.size_mb * 1e6 - beside
    fitting = vector_shapes if base.context.task.gold_kind == "document" else fitting_shapes
    shapes = fitting(source, base.pieces, columns, limit)
    if budget.latency_ms is not None:
        shapes = quick_enough(shapes, source, base.trimmed, budget.latency_ms, base.context)
        if len(shapes) < 2:
            small = no_layers_that_fit(source, base.pieces, columns, limit)
            small = [shape for shape in small if shape not in shapes]
            shapes += quick_enough(small, source, base.trimmed, budget.latency_ms, base.context)
    return list(shapes)


def _functions_bytes(context: Context) -> int:
    """What the functions that a model calls take in its manifest, which names the task's settings
    in JSON and is deflated; other settings are small, and counted with the columns."""
    functions = context.task.settings(context.columns, context.out_of_scope).get("functions")
    return len(zlib.compress(json.dumps(functions).encode())) if functions else 0


def _until_one_fits(
    shapes: Sequence[Shape | None], base: Prepared, budget: Budget
) -> list[Candidate]:
    """Few rows of select cannot tell several shapes apart: the first that fits is taken."""
    found: list[Candidate] = []
    for shape in shapes:
        found.append(measure(shape, base.trimmed, base.trials))
        if _fitting(found, base.context.columns, budget):
            break
    return found


def _fitting(
    candidates: Sequence[Candidate], columns: Sequence[str], budget: Budget, left: float = 0.0
) -> list[Candidate]:
    """Those whose draft leaves the report and the examples room in the budget, and `left`."""
    assert budget.size_mb is not None
    limit = budget.size_mb * 1e6 - reports_bytes(len(columns)) - left
    return [c for c in candidates if c.size_bytes <= limit]


def _best(fitting: Sequence[Candidate]) -> Candidate | None:
    def rank(found: Candidate) -> tuple[float, ...]:
        agreement = found.figures.get("agreement", 0.0)
        return found.trial, found.score, agreement, -found.size_bytes

    return max(fitting, key=rank, default=None)


def _why(best: Candidate, candidates: Sequence[Candidate]) -> str:
    if len(candidates) == 1:
        return "the only shape that fits the budget"
    others = ", ".join(f"{c.name} {c.score:.4f}" for c in candidates if c is not best)
    return f"best on select: {best.score:.4f} against {others}"
