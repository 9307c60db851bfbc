"""Classify: one label for a text, or an abstention when the text is out of scope.

The model has one output column a label: the labels in scope, sorted, then the
out-of-scope label if the data has one. An answer is always the best label in
scope; an out-of-scope text shows in a low score, because its column takes the
probability. It fits neither the threshold nor the temperature.

Whether to answer at all is decided by the *acceptance* of a text, the higher the surer:
its probability (the score itself), its energy, or its nearness to a label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError, DataError
from attar.evidence import Difference, Evidence, Proportion, Resampled, Separation
from attar.metrics import (
    accuracy,
    auroc,
    macro_f1,
    softmax,
    weighted_macro_f1,
)
from attar.predictions import SHOWN_ALTERNATIVES, Alternative, Prediction
from attar.tasks.shared import (
    HAND_OVER_FIGURES,
    check_labels,
    check_scores,
    checked_logits,
    groups_of,
)
from attar.types import Figure, GoldKind, Outputs, Reads, Row, Task

ACCEPTANCES = ("probability", "energy", "distance")


class Classify:
    """The task "classify"."""

    name = "classify"
    gold_kind: GoldKind = "label"
    reads: Reads = "text"
    capabilities: tuple[str, ...] = ("label", "embed")
    acceptances: tuple[str, ...] = ACCEPTANCES
    claim_metrics: tuple[str, ...] = (
        *("accuracy", "macro_f1", "recall", "retained"),
        *("error_when_answering", "handover", "oos_auroc", "oos_recall", "oos_acceptance"),
    )
    figures: tuple[Figure, ...] = (
        Figure("accuracy", "accuracy (gold, in scope)"),
        Figure("macro_f1", "macro F1"),
        Figure("oos_auroc", "out-of-scope AUROC", share=False),
        *HAND_OVER_FIGURES,
    )

    def check(self, rows: Sequence[Row]) -> None:
        """Raise DataError where labeled rows cannot be learned from."""
        if not rows:
            raise DataError("there are no labeled rows: data.train names no usable row")
        for row in rows:
            if row.label is None:
                raise DataError(f"{row.place}: the label is missing")
        counts = Counter(row.label for row in rows)
        if len(counts) < 2:
            raise DataError(
                f"{rows[0].file}: all {len(rows)} rows have the label {rows[0].label!r}; "
                "a classifier needs at least two labels"
            )
        for row in rows:
            if counts[row.label] == 1:
                raise DataError(
                    f"{row.place}: the label {row.label!r} has this one row only; "
                    "add rows of that label or take it out"
                )

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        return () if label is None else (label,)

    def shown(self, label: str | None, text: str) -> str | None:
        return label

    def is_right(self, gold: str | None, named: str) -> bool:
        return gold == named

    def confused(self, gold: str | None, named: str) -> Sequence[tuple[str | None, str]]:
        return [(gold, named)]

    def targets(self, rows: Sequence[Row], out_of_scope: str | None) -> tuple[str, ...]:
        """The labels in scope, sorted, then the out-of-scope label if a row has it."""
        labels = {row.label for row in rows if row.label is not None}
        in_scope = sorted(labels - {out_of_scope})
        if len(in_scope) < 2:
            raise DataError(
                f"the rows have {len(in_scope)} label(s) in scope (out of scope: "
                f"{out_of_scope!r}); a classifier needs at least two"
            )
        last = (out_of_scope,) if out_of_scope is not None and out_of_scope in labels else ()
        return (*in_scope, *last)

    def gold(self, rows: Sequence[Row], targets: Sequence[str]) -> NDArray[np.int64]:
        """The column of each row's label, (rows,); -1 where the model has none."""
        index = {name: i for i, name in enumerate(targets)}
        return np.array([index.get(row.label or "", -1) for row in rows], np.int64)

    def settings(
        self,
        targets: Sequence[str],
        out_of_scope: str | None,
        threshold: float | None = None,
        temperature: float = 1.0,
        acceptance: str = "probability",
    ) -> dict[str, Any]:
        """The manifest's `task_settings` for the columns that `targets` returned."""
        return {
            "acceptance": acceptance,
            "labels": [label for label in targets if label != out_of_scope],
            "out_of_scope": out_of_scope if out_of_scope in targets else None,
            "threshold": threshold,
            "temperature": temperature,
        }

    def check_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError where `task_settings` cannot be decoded with."""
        settings = manifest["task_settings"]
        labels = check_labels(settings)
        out_of_scope = settings.get("out_of_scope")
        if out_of_scope is not None and (
            not isinstance(out_of_scope, str) or out_of_scope in labels
        ):
            raise BundleError("manifest.json: task_settings.out_of_scope: expected another label")
        check_scores(settings)
        if settings.get("acceptance", ACCEPTANCES[0]) not in ACCEPTANCES:
            raise BundleError(
                f"manifest.json: task_settings.acceptance: expected one of {', '.join(ACCEPTANCES)}"
            )

    def beside(self, texts: Sequence[str]) -> Outputs:
        return {}

    def decode(self, outputs: Outputs, manifest: Mapping[str, Any]) -> list[Prediction]:
        """Answers from `logits` (batch, columns); see `targets` for the columns."""
        settings = manifest["task_settings"]
        labels, threshold = settings["labels"], settings["threshold"]
        in_scope = self._shares(outputs, settings)
        order = (-in_scope).argsort(axis=1, kind="stable")[:, : SHOWN_ALTERNATIVES + 1]
        best = in_scope[np.arange(len(order))[:, None], order]
        abstained = [False] * len(order)
        if threshold is not None:
            by_share = settings.get("acceptance", ACCEPTANCES[0]) == ACCEPTANCES[0]
            sure = best[:, 0] if by_share else self.acceptance(outputs, manifest)
            abstained = (sure < threshold).tolist()
        return [
            Prediction(
                label=labels[row[0]],
                score=scores[0],
                abstained=refused,
                alternatives=tuple(
                    Alternative(labels[column], score)
                    for column, score in zip(row[1:], scores[1:], strict=True)
                ),
            )
            for row, scores, refused in zip(order.tolist(), best.tolist(), abstained, strict=True)
        ]

    def acceptance(self, outputs: Outputs, manifest: Mapping[str, Any]) -> NDArray[np.float64]:
        """How sure the model is that it should answer, (batch,), the higher the surer.

        probability: of the best label in scope. energy: log-sum-exp of the logits in
        scope, less the out-of-scope logit (Liu et al. 2020). distance: minus the squared
        distance to the nearest label (`runtime.distance`).
        """
        settings = manifest["task_settings"]
        kind, count = settings.get("acceptance", ACCEPTANCES[0]), len(settings["labels"])
        if kind == "probability":
            best: NDArray[np.float64] = self._shares(outputs, settings).max(axis=1)
            return best
        if kind == "energy":
            logits = self._logits(outputs, settings).astype(np.float64)
            inside = np.logaddexp.reduce(logits[:, :count], axis=1)
            energy: NDArray[np.float64] = inside - logits[:, count:].sum(axis=1)
            return energy
        if "distance" not in outputs:
            raise BundleError("task_settings.acceptance is distance, but no part gives distances")
        return -outputs["distance"].astype(np.float64)

    def tuned(
        self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {}

    def log_loss(self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]) -> float:
        columns = [*settings["labels"], *filter(None, [settings["out_of_scope"]])]
        gold = self.gold(rows, columns)
        shares = softmax(self._tempered(outputs, settings))[gold >= 0, gold[gold >= 0]]
        return float(-np.log(shares + 1e-12).mean()) if len(shares) else float("nan")

    def mean(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The logarithm of the mean of the softmaxes."""
        shares = np.mean([softmax(one) for one in logits], axis=0)
        pooled: NDArray[np.float32] = np.log(shares + 1e-9).astype(np.float32)
        return pooled

    def score(self, figures: Mapping[str, float]) -> float:
        """Accuracy in scope, and where there are rows out of scope the mean of that and of
        telling the two apart."""
        accuracy, apart = figures.get("accuracy", 0.0), figures.get("oos_auroc")
        return accuracy if apart is None else (accuracy + apart) / 2

    def _shares(self, outputs: Outputs, settings: Mapping[str, Any]) -> NDArray[np.float64]:
        """Probabilities of the labels in scope, (batch, labels); with an out-of-scope
        column they sum to less than one."""
        return softmax(self._tempered(outputs, settings))[:, : len(settings["labels"])]

    def _tempered(self, outputs: Outputs, settings: Mapping[str, Any]) -> NDArray[np.float32]:
        logits = self._logits(outputs, settings)
        if settings["temperature"] != 1.0:
            logits = logits / np.float32(settings["temperature"])
        return logits

    def _logits(self, outputs: Outputs, settings: Mapping[str, Any]) -> NDArray[np.float32]:
        """The checked `logits`, (batch, columns)."""
        columns = len(settings["labels"]) + (settings["out_of_scope"] is not None)
        return checked_logits(outputs, columns)

    def grades(self, rows: Sequence[Row], answers: Sequence[Prediction]) -> None:
        """Answers are right or wrong."""

    def metrics(
        self, rows: Sequence[Row], answers: Sequence[Prediction], out_of_scope: str | None
    ) -> dict[str, float]:
        """Point estimates; NaN where undefined.

        accuracy and macro_f1 take the rows in scope and ignore abstention; a gold
        label that the model does not know counts as an error. With out-of-scope rows:
        oos_auroc (scores in scope above those outside), oos_recall (share of
        out-of-scope rows abstained on), in_scope_abstained (share of in-scope rows
        abstained on), accuracy_when_answering (in-scope rows not abstained on).
        """
        pairs = list(zip(rows, answers, strict=True))
        inside = [(row.label or "", a) for row, a in pairs if not _outside(row, out_of_scope)]
        outside = [a for row, a in pairs if _outside(row, out_of_scope)]
        gold, labels = [label for label, _ in inside], [a.label for _, a in inside]
        found = {
            "accuracy": accuracy(gold, labels),
            "macro_f1": macro_f1(gold, labels),
            "in_scope_rows": float(len(inside)),
            "rows": float(len(pairs)),
        }
        if outside:
            answered = [(label, a.label) for label, a in inside if not a.abstained]
            found |= {
                "oos_auroc": auroc([a.score for _, a in inside], [a.score for a in outside]),
                "oos_rows": float(len(outside)),
                "oos_recall": sum(a.abstained for a in outside) / len(outside),
                "in_scope_abstained": (
                    1.0 - len(answered) / len(inside) if inside else float("nan")
                ),
                "accuracy_when_answering": accuracy(
                    [label for label, _ in answered], [label for _, label in answered]
                ),
            }
        return found

    def evidence(
        self,
        rows: Sequence[Row],
        answers: Sequence[Prediction],
        teacher: Sequence[str] | None,
        out_of_scope: str | None,
    ) -> dict[str, Evidence]:
        """By metric; "recall of LABEL" for each gold label in scope.

        retained: share right, student minus teacher. error_when_answering: share wrong of
        the in-scope rows that are answered. handover: share of the in-scope rows that are
        not. oos_acceptance: share of out-of-scope rows that are answered. A metric whose
        rows are absent is left out.
        """
        inside = np.array([not _outside(row, out_of_scope) for row in rows], bool)
        gold = np.array([row.label or "" for row in rows], object)
        named = np.array([answer.label for answer in answers], object)
        scores = np.array([answer.score for answer in answers])
        answered = np.array([not answer.abstained for answer in answers], bool)
        right = np.asarray(gold == named, bool)
        groups = groups_of(rows)

        def share(hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> Proportion:
            return Proportion(hits[of], None if groups is None else groups[of])

        found: dict[str, Evidence] = {}
        if inside.any():
            kept = None if groups is None else groups[inside]
            found["accuracy"] = share(right, inside)
            found["macro_f1"] = _macro_f1(gold[inside], named[inside], kept)
            found["handover"] = share(~answered, inside)
            found["error_when_answering"] = share(~right, inside & answered)
            for label in sorted(set(gold[inside].tolist())):
                found[f"recall of {label}"] = share(right, inside & (gold == label))
            if teacher is not None:
                theirs = np.asarray(gold == np.array(teacher, object), bool)
                found["retained"] = Difference(right[inside], theirs[inside], kept)
        if not inside.all():
            found["oos_recall"] = share(~answered, ~inside)
            found["oos_acceptance"] = share(answered, ~inside)
            if inside.any():
                found["oos_auroc"] = Separation(scores, inside, groups)
        return found

    def chance(self, rows: Sequence[Row]) -> float:
        """Share of the most frequent label; pass the rows in scope. NaN without rows."""
        counts = Counter(row.label for row in rows)
        return max(counts.values()) / len(rows) if rows else float("nan")


def _macro_f1(
    gold: NDArray[np.object_], named: NDArray[np.object_], groups: NDArray[np.int64] | None
) -> Resampled:
    labels = {label: i for i, label in enumerate(sorted({*gold.tolist(), *named.tolist()}))}
    g = np.array([labels[label] for label in gold.tolist()], np.int64)
    p = np.array([labels[label] for label in named.tolist()], np.int64)
    return Resampled(partial(weighted_macro_f1, g, p), g, groups)


def _outside(row: Row, out_of_scope: str | None) -> bool:
    return out_of_scope is not None and row.label == out_of_scope


CLASSIFY: Task = Classify()
