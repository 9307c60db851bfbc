"""What the tasks with one output column a label have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.evidence import Ratio
from attar.types import Figure, Outputs, Row

#: Of the model that abstains; a teacher is asked for its best answer.
HAND_OVER_FIGURES = (
    Figure("oos_recall", "out-of-scope abstained on", of_teacher=False),
    Figure("in_scope_abstained", "in-scope abstained on", of_teacher=False),
    Figure("accuracy_when_answering", "accuracy when answering", of_teacher=False),
)


def check_labels(settings: Mapping[str, Any]) -> list[str]:
    """The manifest's labels. Raises BundleError where they are not distinct texts."""
    labels = settings.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BundleError("manifest.json: task_settings.labels: expected a list of texts")
    if not labels or len(set(labels)) != len(labels):
        raise BundleError("manifest.json: task_settings.labels: empty, or a label twice")
    return labels


def check_scores(settings: Mapping[str, Any]) -> None:
    """Raise BundleError where threshold or temperature are no usable numbers."""
    if "out_of_scope" not in settings or "threshold" not in settings:
        raise BundleError("manifest.json: task_settings lacks out_of_scope or threshold")
    threshold, temperature = settings["threshold"], settings.get("temperature")
    if threshold is not None and not is_number(threshold):
        raise BundleError("manifest.json: task_settings.threshold: expected a number or null")
    if temperature is None or not is_number(temperature) or not temperature > 0:
        raise BundleError("manifest.json: task_settings.temperature: expected a number above 0")


def checked_logits(outputs: Outputs, columns: int) -> NDArray[np.float32]:
    """The output `logits`, (batch, columns). Raises BundleError for another shape."""
    logits = outputs.get("logits")
    if logits is None or logits.ndim != 2 or logits.shape[1] != columns:
        shape = None if logits is None else logits.shape
        raise BundleError(
            f"the model's output 'logits' has the shape {shape}; the manifest's labels "
            f"need (batch, {columns}). The bundle was put together wrongly."
        )
    if not np.isfinite(logits).all():
        raise BundleError("the model's output 'logits' holds values that are not numbers")
    return logits


def groups_of(rows: Sequence[Row]) -> NDArray[np.int64] | None:
    """A number for each row's group; a row without one is a group of its own."""
    if all(row.group is None for row in rows):
        return None
    numbers: dict[str | int, int] = {}
    keys = [i if row.group is None else row.group for i, row in enumerate(rows)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False


def f1_of(
    found: NDArray[np.int64], both: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> Ratio:
    """Micro-F1 as evidence. found: rightly, both: given and gold together, of each row, (rows,)."""
    return Ratio((2 * found).astype(np.float64), both.astype(np.float64), groups)


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
