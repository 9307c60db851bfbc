"""What a teacher says on labeled rows, in the words of the task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attar.evaluate.documents import Informed
from attar.types import Answerer, Outputs, Row, Task


def settings_of(
    task: Task,
    teacher: Answerer,
    calibrate: Sequence[Row],
    columns: Sequence[str],
    out_of_scope: str | None,
) -> dict[str, Any]:
    """How the teacher's outputs are decoded: with label thresholds of its own, fixed on the
    rows that fixed the student's, so that the comparison is fair."""
    settings = task.settings(columns, out_of_scope)
    if task.gold_kind == "label":
        return settings
    outputs = _outputs(task, teacher, [row.text for row in calibrate])
    return settings | task.tuned(outputs, calibrate, settings)


def teacher_quality(
    task: Task,
    rows: Sequence[Row],
    teacher: Answerer,
    settings: Mapping[str, Any],
    columns: Sequence[str],
    out_of_scope: str | None,
) -> dict[str, float | None]:
    """The task's metrics of the teacher itself on the same rows."""
    outputs = _outputs(task, teacher, [row.text for row in rows])
    answers = task.decode(outputs, {"task_settings": {**settings, "threshold": None}})
    kept = {figure.name for figure in task.figures if figure.of_teacher}
    found = task.metrics(rows, answers, out_of_scope)
    return {k: None if math.isnan(v) else round(float(v), 6) for k, v in found.items() if k in kept}


def teacher_labels(
    task: Task, teacher: Answerer, texts: Sequence[str], settings: Mapping[str, Any]
) -> list[str]:
    """The label that the teacher gives each text; the best in scope, or the set's name."""
    manifest = {"task_settings": {**settings, "threshold": None}}
    return [answer.label for answer in task.decode(_outputs(task, teacher, texts), manifest)]


def _outputs(task: Task, teacher: Answerer, texts: Sequence[str]) -> Outputs:
    """The teacher's answers as a model's outputs."""
    if isinstance(teacher, Informed):
        return teacher.outputs(texts)
    return {"logits": teacher.answer(texts)[0], **task.beside(texts)}
