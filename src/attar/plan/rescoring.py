"""Whether a second model shall score the best documents of the task rank again.

It reads query and document together, which finds more and costs a read of every document that it
scores; a smaller first stage leaves it room in the budget. Both learn from half of train. The
other half and select, which neither has seen, say whether together they have more right documents
first than the best first stage that fits alone, beyond chance. If not, nothing scores again.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.bundle import Bundle
from attar.evaluate.latency_table import LatencyTable
from attar.metrics import surely_better
from attar.passes import Artifact, Context, fingerprint
from attar.passes.draft import SecondModel
from attar.passes.finetune_vectors import gold_documents
from attar.plan.pairs import FEWEST, halved, in_half
from attar.plan.prepare import Prepared
from attar.plan.search import Candidate, draft_of, trial_model
from attar.plan.second import pair_start, second_model, second_shapes, untaught
from attar.plan.vectors import documents_bytes
from attar.recipe import Budget, Recipe
from attar.runtime.predictor import Predictor
from attar.teachers.documents import KnowsDocuments
from attar.train.models import Model
from attar.train.shapes import Shape, reports_bytes
from attar.types import Derived, Outputs, Row

ROOM = 0.4  # of the budget without the documents, that a second model is left
FRESH_ROWS = 1_000  # at most: each has `top` documents read


@dataclass(frozen=True, slots=True)
class Rescoring:
    """start: a model that reads pairs; shape: of the one that ships. context: of the trial,
    whose select rows are fresh; trial: the draft of both models."""

    top: int
    start: Artifact
    shape: Shape
    context: Context
    trial: Bundle

    def model(self, context: Context) -> SecondModel:
        return second_model(self.start, self.shape, self.top, context)


def room_for_second(base: Prepared, budget: Budget) -> float:
    """Bytes that a first stage leaves it."""
    assert budget.size_mb is not None
    return max(0.0, ROOM * (budget.size_mb * 1e6 - documents_bytes(base.context)))


def rescoring_of(
    recipe: Recipe,
    base: Prepared,
    budget: Budget,
    small: Candidate | None,
    alone: Candidate,
    values: MutableMapping[str, Derived],
) -> Rescoring | None:
    """The second model where it helps, None where it does not; `values` says why. small: the
    first stage that leaves room; alone: the best that need not."""
    found, reason = _tried(recipe, base, budget, small, alone, values)
    values["rescore"] = Derived(found is not None, reason)
    does = "documents are scored again" if found else "documents are not scored again"
    base.context.progress.say(f"{does}: {reason}")
    return found


def _tried(
    recipe: Recipe,
    base: Prepared,
    budget: Budget,
    small: Candidate | None,
    alone: Candidate,
    values: MutableMapping[str, Derived],
) -> tuple[Rescoring | None, str]:
    section = recipe.rescore
    assert section is not None
    assert budget.size_mb is not None
    naming = int((gold_documents(base.context)[:, 0] >= 0).sum())
    if naming < FEWEST:
        return None, f"{naming} train rows name a document; from {FEWEST} on it is tried"
    if small is None or len(base.context.dataset.documents) < 2:
        return None, "the budget holds no first stage beside it"
    start = pair_start(recipe, base)
    room = budget.size_mb * 1e6 - reports_bytes(1) - small.size_bytes
    _, first = trial_model(small.shape, base.trimmed, base.trials, small.trial)
    shapes = second_shapes(start, first, room)
    if not shapes:
        return None, f"no model that reads pairs fits in the {room / 1e6:.2f} MB that are left"
    shape, top = shapes[0], section.top
    context = fresh_context(base.trials)
    if budget.latency_ms is not None:
        took = {one: _latency(first, start, one, top, context) for one in shapes}
        quick = [one for one in shapes if took[one] <= budget.latency_ms]
        if not quick:
            least = min(took.values())
            return None, f"an answer takes {least:.3g} ms at least, by this machine's table"
        shape = quick[0]
    second = second_model(start, shape, top, context)
    rows = fresh_rows(context.dataset.select)
    hybrid = _tuned(*_seen(draft_of(first, context), rows), rows, context)["hybrid"]
    draft = draft_of(first, context, {"hybrid": hybrid}, second)
    after = first_right(draft, rows, context)
    _, other = trial_model(alone.shape, base.trimmed, base.trials, alone.trial)
    before = first_right(draft_of(other, context), rows, context)
    said = (
        f"of {len(after):,} fresh rows {after.mean():.1%} have their document first with "
        f"{small.name} and then {shape.name} for the best {top}, {before.mean():.1%} with "
        f"{alone.name} alone"
    )
    if not surely_better(before, after):
        return None, f"{said}: not more beyond chance"
    values["rescore.student"] = Derived(
        shape.name, "the likeliest that is quick enough, as wide as fits"
    )
    values["rescore.top"] = Derived(top, "the recipe's")
    values["rescore.max_length"] = Derived(
        Model.load(start.folder).max_length, "tokens of a query and a document; the rest is cut"
    )
    return Rescoring(top, start, shape, context, draft), f"{said}: beyond chance"


def fresh_context(trials: Context) -> Context:
    """The trials' own where pairs tuned their teacher, on half of train; else the same half."""
    if isinstance(trials.teacher, KnowsDocuments):
        return trials
    return replace(trials, dataset=halved(trials.dataset))


def fresh_rows(select: Sequence[Row]) -> list[Row]:
    """Those that decide, evenly spread."""
    return list(select[:: max(1, -(-len(select) // FRESH_ROWS))])


def first_right(draft: Bundle, rows: Sequence[Row], context: Context) -> NDArray[np.bool_]:
    """Whether the first document is a right one, of the rows that name one. What `tuned` fixes of
    such a draft is fixed on the other half of the rows each time."""
    outputs, settings = _seen(draft, rows)
    half = np.array([in_half(row) for row in rows], bool)
    found = np.zeros(len(rows), bool)
    for chosen in (half, ~half):
        judged, others = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        others = others if len(others) else judged
        taught = [rows[i] for i in others.tolist()]
        fixed = _tuned(_at(outputs, others), settings, taught, context)
        answers = context.task.decode(
            _at(outputs, judged), {"task_settings": {**settings, **fixed, "threshold": None}}
        )
        for i, answer in zip(judged.tolist(), answers, strict=True):
            found[i] = context.task.is_right(rows[i].label, answer.label)
    inside = [row.label != context.out_of_scope for row in rows]
    kept: NDArray[np.bool_] = found[np.array(inside, bool)]
    return kept


def _seen(draft: Bundle, rows: Sequence[Row]) -> tuple[Outputs, dict[str, Any]]:
    outputs = Predictor(draft).outputs([row.text for row in rows])
    return outputs, dict(draft.manifest["task_settings"])


def _at(outputs: Outputs, rows: NDArray[np.int64]) -> Outputs:
    return {name: values[rows] for name, values in outputs.items()}


def _tuned(
    outputs: Outputs, settings: dict[str, Any], rows: Sequence[Row], context: Context
) -> dict[str, Any]:
    return context.task.tuned(outputs, rows, settings)


def _latency(first: Artifact, start: Artifact, shape: Shape, top: int, context: Context) -> float:
    """p50 in milliseconds of a whole answer, by this machine's table."""
    documents = context.dataset.documents
    some = documents[:: max(1, len(documents) // top)][:top]
    few = replace(context, dataset=replace(context.dataset, documents=some))

    def bundle() -> Path:
        return draft_of(first, few, {"hybrid": 0.0}, untaught(start, shape, top, context)).path

    key = fingerprint(first.fingerprint, start.fingerprint, shape.name, [d.read for d in some])
    return LatencyTable.of_this_machine().lookup(f"two models {key[:16]}", bundle)
