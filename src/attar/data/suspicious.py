"""Labels that look wrong: confident learning (Northcutt et al. 2021), through `cleanlab`.

It is given out-of-fold probabilities, those of a model that did not learn from the row,
and counts how many labels disagree with them beyond what the model's own doubts explain
(the confident joint, §3.1). The suspects are that many rows, those whose given label has the
least probability; the paper's own pruning rules find fewer of planted errors and more right
labels (docs/curation.md). It embeds and trains nothing, and it proves nothing: some suspects
are right and merely unusual.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attar.data import reasons
from attar.data.filters import without
from attar.errors import MissingExtraError, RecipeError
from attar.files import write_atomically
from attar.types import Dropped, Flagged, Row, Task

LEAST_ROWS = 5  # of a label, to judge its rows: a fold's model must have learned the label


def check_judgeable(task: Task, what: str) -> None:
    """Raise RecipeError where rows have no one label that could be judged. what: asks for it."""
    if task.gold_kind != "label":
        raise RecipeError(
            f"{what}: labels that look wrong are found where each row has one label; those of the "
            f"task {task.name} have another kind. Take it out."
        )


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row, the label that a model finds likelier, and its probabilities of both."""

    row: Row
    suggested: str
    given_probability: float
    suggested_probability: float

    def flag(self) -> Flagged:
        detail = (
            f"{self.suggested!r} looks likelier ({self.suggested_probability:.2f} against "
            f"{self.given_probability:.2f})"
        )
        return Flagged(self.row, reasons.SUSPICIOUS_LABEL, detail)


def ranked(given: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Row numbers, the least self-confident first: by the probability of the given label.

    given: (n,) columns. probabilities: (n, columns), out of fold.
    """
    own = probabilities[np.arange(len(given)), given]
    order: NDArray[np.int64] = np.argsort(own, kind="stable")
    return order


def find_suspects(
    rows: Sequence[Row], columns: Sequence[str], probabilities: NDArray[np.float64]
) -> list[Suspect]:
    """The rows whose label is suspicious, the most suspicious first.

    probabilities: (rows, columns), out of fold. Rows of labels that have fewer than
    LEAST_ROWS are not judged.
    """
    index = {name: i for i, name in enumerate(columns)}
    given = np.array([index[row.label or ""] for row in rows], np.int64)
    flagged = _issues(given, probabilities)
    frequent = np.bincount(given, minlength=len(columns)) >= LEAST_ROWS
    found = []
    for i in ranked(given, probabilities).tolist():
        best = int(probabilities[i].argmax())
        if flagged[i] and best != given[i] and frequent[given[i]]:
            own, other = float(probabilities[i, given[i]]), float(probabilities[i, best])
            found.append(Suspect(rows[i], columns[best], own, other))
    return found


def mended(
    rows: Sequence[Row], suspects: Sequence[Suspect], how: str
) -> tuple[list[Row], list[Dropped], list[Flagged]]:
    """The rows with suspects dropped, relabeled or kept; what was dropped, what flagged.

    how: "drop", "relabel" or "keep". No label loses its last row.
    """
    flags = [suspect.flag() for suspect in suspects]
    kept, dropped = without(rows, flags)
    gone = {id(one.row) for one in dropped}
    if how == "drop":
        return kept, dropped, [one for one in flags if id(one.row) not in gone]
    if how == "keep":
        return list(rows), [], flags
    new = {id(s.row): replace(s.row, label=s.suggested) for s in suspects if id(s.row) in gone}
    return [new.get(id(row), row) for row in rows], [], flags


def save_suspects(suspects: Iterable[Suspect], path: Path) -> None:
    """Write the suspects as JSONL, the most suspicious first."""
    lines = (
        json.dumps(
            {
                "file": suspect.row.file,
                "row": suspect.row.line,
                "text": suspect.row.text,
                "label": suspect.row.label,
                "suggested": suspect.suggested,
                "label_probability": round(suspect.given_probability, 4),
                "suggested_probability": round(suspect.suggested_probability, 4),
            },
            ensure_ascii=False,
        )
        for suspect in suspects
    )
    write_atomically(path, "".join(line + "\n" for line in lines).encode("utf-8"))


def _issues(given: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        raise MissingExtraError("train", "finding suspicious labels") from None
    found: NDArray[np.bool_] = find_label_issues(
        given, probabilities, filter_by="low_self_confidence", n_jobs=1
    )
    return found
