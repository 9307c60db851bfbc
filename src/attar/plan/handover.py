"""The draft that ships: the finished model with its temperature and threshold.

What is designed comes from the trial of the chosen shape on select; the guarantee
comes from the finished model on calibrate. See `evaluate.handover` for the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.bundle import Bundle
from attar.evaluate.bounds import one_row_a_group
from attar.evaluate.handover import (
    Design,
    Threshold,
    about_labels,
    certify_threshold,
    design_handover,
    error_claims,
    fit_distance,
    judged,
)
from attar.passes import Artifact, Context
from attar.passes.distill_vectors import document_vectors
from attar.passes.draft import SecondModel, write_draft
from attar.plan.rescoring import fresh_rows
from attar.recipe import ClaimSpec
from attar.runtime.distance import NearestLabel, write_distance
from attar.runtime.predictor import Predictor
from attar.teachers.documents import KnowsDocuments
from attar.train.shapes import reports_bytes
from attar.types import Outputs, Row

DESIGN_ROWS = 2_000  # queries at most, each searched for
FITTED_ROWS = 10_000  # of train, at most, that distances are fitted on


@dataclass(frozen=True, slots=True)
class HandOver:
    """How the draft abstains, and why."""

    design: Design
    threshold: Threshold

    def to_json(self) -> dict[str, Any]:
        return {
            "acceptance": self.design.acceptance,
            "separation": dict(self.design.separation),
            "temperature": self.design.temperature,
            "threshold": self.threshold.value,
            "method": self.threshold.method,
            "calibrate_rows": self.threshold.rows,
            "certified": self.threshold.certified,
        }


def draft_with_threshold(
    path: Path,
    name: str,
    model: Artifact,
    trial: Bundle,
    context: Context,
    trial_context: Context,
    claims: Sequence[ClaimSpec],
    limit_bytes: float,
    second: SecondModel | None = None,
) -> tuple[Bundle, HandOver]:
    """Write the draft of `model` to `path`.

    trial: the chosen shape's, trained on `trial_context`'s train, so that its select rows
    are fresh. context: the finished model's, whose calibrate rows are. second: what scores
    documents again; then the trial has one, too.
    """
    plain = context.task.settings(context.columns, context.out_of_scope)
    if second is not None:  # which documents it reads was fixed before
        plain |= {"hybrid": trial.manifest["task_settings"]["hybrid"], "rescore": second.settings()}
    read = (context.dataset.documents, document_vectors(context), second)
    draft = write_draft(path, model, context.task, plain, name, None, *read)
    design = _design(draft, trial, context, trial_context, claims, limit_bytes, plain)
    chosen = {"temperature": design.temperature, "acceptance": design.acceptance}
    predictor = Predictor(draft)
    nearest = _fit(predictor, context) if design.acceptance == "distance" else None
    rows = _independent(context.dataset.calibrate)
    outputs = _with_distance(predictor.outputs([row.text for row in rows]), nearest)
    settings = {**plain, **chosen}
    if context.task.gold_kind == "document":
        settings |= design.tuned
    if context.task.gold_kind in ("labels", "summary"):
        # What fixes the labels' thresholds can guarantee no error: then half the rows do each.
        step = 2 if error_claims(claims) else 1
        settings |= context.task.tuned(_every(outputs, step), rows[::step], settings)
        if step == 2:
            rows, outputs = rows[1::2], _every(outputs, 2, first=1)
    answers = context.task.decode(outputs, {"task_settings": settings})
    threshold = certify_threshold(
        design,
        context.task.acceptance(outputs, {"task_settings": settings}),
        _inside(rows, context),
        judged(context.task, rows, answers, claims),
        claims,
    )
    settings["threshold"] = threshold.value
    part = None
    if nearest is not None:
        part = write_distance(np.concatenate([nearest.projection, nearest.centers]))
    draft = write_draft(path, model, context.task, settings, name, part, *read)
    return draft, HandOver(design, threshold)


def _design(
    draft: Bundle,
    trial: Bundle,
    context: Context,
    trial_context: Context,
    claims: Sequence[ClaimSpec],
    limit_bytes: float,
    settings: Mapping[str, Any],
) -> Design:
    rows = design_rows(trial_context, rescored="rescore" in settings)
    predictor = Predictor(trial)
    outputs = predictor.outputs([row.text for row in rows])
    kinds = ["label" if about_labels(claims) else "probability"]
    asked_for = error_claims(claims) or not _inside(rows, context).all()
    if asked_for and "energy" in context.task.acceptances:
        kinds.append("energy")
        nearest = _fit(predictor, trial_context)
        reports = reports_bytes(len(context.columns))
        bytes_needed = 2 * (nearest.projection.size + nearest.centers.size)
        if draft.size_bytes + bytes_needed + reports <= limit_bytes:
            kinds.append("distance")
            outputs = _with_distance(outputs, nearest)
    asked = len(context.dataset.calibrate)
    alike = not context.dataset.own_calibrate
    return design_handover(context.task, outputs, rows, settings, kinds, claims, asked, alike)


def design_rows(context: Context, rescored: bool = False) -> list[Row]:
    """What handing over is designed on: select, one row of each group. Where documents are
    ranked, all of select, and train too where no label of it is learned from. rescored: what
    scores documents again has learned from train."""
    if context.task.gold_kind != "document":
        return _independent(context.dataset.select)
    if rescored:
        return fresh_rows(context.dataset.select)
    rows = list(context.dataset.select)
    if not isinstance(context.teacher, KnowsDocuments):
        rows = [*context.dataset.train, *rows]
    return rows[:: max(1, -(-len(rows) // DESIGN_ROWS))]


def _fit(predictor: Predictor, context: Context) -> NearestLabel:
    """Distances to the labels in scope, from train rows."""
    rows = [row for row in context.dataset.train if row.label != context.out_of_scope]
    rows = rows[:: max(1, len(rows) // FITTED_ROWS)]
    settings = predictor.manifest["task_settings"]
    values = fit_distance(
        predictor.embed([row.text for row in rows]),
        context.task.gold(rows, settings["labels"]),
        len(settings["labels"]),
    )
    # As it will be read back, in half precision.
    return NearestLabel(values.astype(np.float16).astype(np.float32), len(settings["labels"]))


def _every(outputs: Outputs, step: int, first: int = 0) -> Outputs:
    return {name: values[first::step] for name, values in outputs.items()}


def _with_distance(outputs: Outputs, nearest: NearestLabel | None) -> Outputs:
    if nearest is None:
        return outputs
    return {**outputs, "distance": nearest(outputs["embedding"])}


def _inside(rows: Sequence[Row], context: Context) -> NDArray[np.bool_]:
    return np.array([row.label != context.out_of_scope for row in rows], bool)


def _independent(rows: Sequence[Row]) -> list[Row]:
    """One row of each group: the tests assume that rows are independent."""
    numbers: dict[str, int] = {}
    groups = np.array(
        [numbers.setdefault(row.group or f"row {i}", len(numbers)) for i, row in enumerate(rows)],
        np.int64,
    )
    return [rows[i] for i in one_row_a_group(groups, len(rows)).tolist()]
