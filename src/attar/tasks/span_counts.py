"""What answers that mark spans have right: counted by row, and by kind of span as evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attar.evidence import Evidence, Proportion
from attar.predictions import Prediction
from attar.tasks.annotations import Annotation, annotation_in
from attar.tasks.shared import groups_of
from attar.types import Row


def counts(
    rows: Sequence[Row], answers: Sequence[Prediction]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Spans found rightly, given, and gold, of each row, (rows,)."""
    found = np.zeros((3, len(rows)), np.int64)
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        gold, given = annotation_in(row.label).spans, annotation_in(answer.label).spans
        found[:, i] = len(set(gold) & set(given)), len(given), len(gold)
    return found[0], found[1], found[2]


def evidence_by_label(rows: Sequence[Row], answers: Sequence[Prediction]) -> dict[str, Evidence]:
    """Of each label's spans, gold and given: which are in the other. Those of one text, or of one
    group of texts, are no evidence of their own."""
    groups = groups_of(rows)
    found: dict[str, tuple[list[bool], list[int]]] = {}
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        gold, given = annotation_in(row.label).spans, annotation_in(answer.label).spans
        for metric, spans, others in (("recall", gold, given), ("precision", given, gold)):
            for span in spans:
                hits, owners = found.setdefault(f"{metric} of {span.label}", ([], []))
                hits.append(span in others)
                owners.append(i if groups is None else int(groups[i]))
    return {
        name: Proportion(np.array(hits, bool), np.array(owners, np.int64))
        for name, (hits, owners) in found.items()
    }


def labels_right(
    rows: Sequence[Row], answers: Sequence[Prediction]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows have a label of the whole text, and which answers have the right one."""
    gold: list[Annotation] = [annotation_in(row.label) for row in rows]
    labeled = np.array([one.label is not None for one in gold], bool)
    right = [annotation_in(a.label).label == g.label for a, g in zip(answers, gold, strict=True)]
    return labeled, np.array(right, bool)
