"""The plan: a recipe resolved into a student and its passes, every value with its reason.

A small measured search on the select split comes first, taught by the frozen teacher.
Once the shape is chosen, select has done its work and joins train: teacher and student
of the plan learn from both. Nothing here looks at calibrate or certify rows.
"""

from __future__ import annotations

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
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.few import (
    add_label_names,
    few_passes,
    few_rows,
    student_start,
    wide_vocabulary,
)
from attar.plan.frontier import infeasible
from attar.plan.search import (
    Candidate,
    draft_of,
    measure,
    quick_enough,
    source_of,
    student_passes,
    trial,
)
from attar.plan.start import Earlier, longest_text, start_artifact, student_location
from attar.plan.teacher import frozen_teacher, make_teacher, model_teacher
from attar.recipe import Budget, Recipe
from attar.teachers import Teacher
from attar.train.shapes import REPORTS, Shape, fitting_shapes, widest_no_layers
from attar.train.start import locate
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

    def to_json(self) -> dict[str, Any]:
        return {
            name: {"value": derived.value, "reason": derived.reason}
            for name, derived in self.values.items()
        }


def make_plan(recipe: Recipe, context: Context, earlier: Earlier | None = None) -> Plan:
    """Search the student, train the teacher, and say why. Raises InfeasibleError.

    context: with every split. The plan's own context has select joined to train. earlier:
    the build that labels are added to; then there is no search and no other teacher.
    """
    values: dict[str, Derived] = {}
    budget = _budget(recipe, values)
    if earlier is not None:
        return _add_labels(earlier, recipe, budget, context, values)
    joined = replace(context, dataset=join_select(context.dataset))
    teacher_at = locate(recipe.teacher.model, recipe.folder)
    student_at, values["start"] = student_location(recipe)
    values["max_length"] = longest_text(teacher_at, joined)
    longest = int(values["max_length"].value)
    teacher_start = start_artifact(teacher_at, longest, context)
    start = start_artifact(student_at, longest, context)
    few, vocabulary = few_rows(joined), TrimVocabulary()
    if few:
        joined = add_label_names(joined, teacher_start, values)
        assert budget.size_mb is not None
        vocabulary = wide_vocabulary(start, joined, budget.size_mb)
    trimmed = vocabulary.apply(start, joined)
    shapes = _shapes(trimmed, budget, joined, values)
    if few:
        values["pieces"] = Derived(vocabulary.pieces, "those of the texts, and frequent ones")
    if not shapes:
        raise infeasible(budget, trimmed, teacher_start, context)
    trials = replace(context, teacher=frozen_teacher(teacher_start, context))
    candidates = []
    for number, shape in enumerate(shapes, 1):
        named = shape.name if shape is not None else "the start's own shape"
        context.progress.say(f"trial {number} of {len(shapes)}: {named}")
        candidates.append(measure(shape, trimmed, trials))
        if few and _best(candidates, budget):
            break  # the few rows of select cannot tell several apart
    best = _best(candidates, budget)
    if best is None:
        raise infeasible(budget, trimmed, teacher_start, context)
    values["student"] = Derived(best.name, _why(best, candidates))
    context.progress.say(f"chosen: {best.name}; select joins train")
    teacher = make_teacher(recipe.teacher, teacher_start, joined, values)
    texts = len(joined.dataset.train) + len(joined.dataset.unlabeled)
    passes = (vocabulary, *student_passes(best.shape, texts))
    tuned = student_start(teacher)
    if few and recipe.student.start is None and tuned and best.shape and best.shape.layers:
        start, passes = tuned, (vocabulary, *few_passes(best.shape, texts, tuned))
        values["start"] = Derived("the teacher", "few rows a label: it has learned from them")
    for step in passes:
        for name, value in step.settings().items():
            values[f"{step.name}.{name}"] = Derived(value, step.reasons.get(name, "the default"))
    joined = replace(joined, teacher=teacher)
    _, draft = trial(best.shape, trimmed, replace(trials, progress=Silent()))
    return Plan(start, passes, joined, draft, trials, teacher, budget, tuple(candidates), values)


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


def _shapes(
    start: Artifact, budget: Budget, context: Context, values: MutableMapping[str, Derived]
) -> list[Shape | None]:
    """Shapes to try; None keeps the start's own, which has no layers to take from."""
    source, pieces = source_of(start)
    values["pieces"] = Derived(pieces, "those that the train and unlabeled texts use")
    if source is None:
        return [None]
    assert budget.size_mb is not None
    limit, columns = budget.size_mb * 1e6, len(context.columns)
    shapes = fitting_shapes(source, pieces, columns, limit)
    if budget.latency_ms is not None:
        shapes = quick_enough(shapes, source, start, budget.latency_ms, context)
        if len(shapes) < 2:
            small = [s for s in widest_no_layers(source, pieces, columns, limit) if s not in shapes]
            shapes += quick_enough(small, source, start, budget.latency_ms, context)
    return list(shapes)


def _best(candidates: Sequence[Candidate], budget: Budget) -> Candidate | None:
    assert budget.size_mb is not None
    fitting = [c for c in candidates if c.size_bytes + REPORTS <= budget.size_mb * 1e6]
    if not fitting:
        return None
    return max(fitting, key=lambda c: (c.score, c.figures.get("agreement", 0.0), -c.size_bytes))


def _why(best: Candidate, candidates: Sequence[Candidate]) -> str:
    if len(candidates) == 1:
        return "the only shape that fits the budget"
    others = ", ".join(f"{c.name} {c.score:.4f}" for c in candidates if c is not best)
    return f"best on select: {best.score:.4f} against {others}"
