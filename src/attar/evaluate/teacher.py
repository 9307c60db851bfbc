"""What a teacher says on labeled rows, in the words of the task."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attar.metrics import softmax
from attar.types import Answerer, Row, Task


def teacher_quality(
    task: Task,
    rows: Sequence[Row],
    teacher: Answerer,
    settings: dict[str, object],
    columns: Sequence[str],
    out_of_scope: str | None,
) -> dict[str, float | None]:
    """The task's metrics of the teacher itself on the same rows."""
    logits = teacher.answer([row.text for row in rows])[0]
    answers = task.decode({"logits": logits}, {"task_settings": settings | {"threshold": None}})
    figures = task.metrics(rows, answers, out_of_scope)
    kept = ("accuracy", "macro_f1", "oos_auroc")
    return {
        k: None if math.isnan(v) else round(float(v), 6) for k, v in figures.items() if k in kept
    }


def teacher_labels(
    teacher: Answerer, texts: Sequence[str], columns: Sequence[str], out_of_scope: str | None
) -> list[str]:
    """The teacher's best label in scope for each text."""
    logits = teacher.answer(texts)[0]
    inside = [i for i, name in enumerate(columns) if name != out_of_scope]
    best = softmax(logits)[:, inside].argmax(axis=1)
    return [columns[inside[i]] for i in best]
