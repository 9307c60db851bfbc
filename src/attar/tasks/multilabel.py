"""Multilabel: any number of labels for a text, none included.

The model has one output column a label, each a yes or no of its own: probabilities are
sigmoids and do not sum to one. A label is named where its probability reaches the label's
threshold, which the calibrate split fixes (`Multilabel.tuned`).

A row's label, and an answer's, is the name of its whole set (`tasks.label_sets`). "Right"
therefore means that exactly the gold set is named; F1, recall and precision look inside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError, DataError
from attar.evidence import Difference, Evidence, Proportion, Resampled
from attar.metrics import (
    average_precision,
    best_f1_threshold,
    logit,
    sigmoid,
    weighted_mean_f1,
    weighted_micro_f1,
)
from attar.predictions import Alternative, LabelSet, Prediction
from attar.tasks.label_sets import labels_in, name_of
from attar.tasks.shared import (
    check_labels,
    check_scores,
    checked_logits,
    f1_of,
    groups_of,
    is_number,
)
from attar.types import Figure, GoldKind, Outputs, Reads, Row, Task

UNTUNED = 0.5
#: So many positive rows weigh alike with what they are shrunk towards: a label's own best
#: threshold towards the shared one, and gold labels towards the probabilities themselves.
SHRINK = 30


class Multilabel:
    """The task "multilabel"."""

    name = "multilabel"
    gold_kind: GoldKind = "labels"
    reads: Reads = "text"
    capabilities: tuple[str, ...] = ("label", "embed")
    acceptances: tuple[str, ...] = ("probability",)
    claim_metrics: tuple[str, ...] = (
        *("micro_f1", "macro_f1", "subset_accuracy", "recall", "precision", "retained"),
        *("error_when_answering", "handover"),
    )
    figures: tuple[Figure, ...] = (
        Figure("micro_f1", "micro F1"),
        Figure("macro_f1", "macro F1"),
        Figure("subset_accuracy", "exactly the gold labels"),
        Figure("average_precision", "average precision", share=False),
    )

    def check(self, rows: Sequence[Row]) -> None:
        """Raise DataError where labeled rows cannot be learned from."""
        if not rows:
            raise DataError("there are no labeled rows: data.train names no usable row")
        for row in rows:
            if row.label is None:
                raise DataError(f"{row.place}: the labels are missing; write [] for none")
        counts = Counter(label for row in rows for label in labels_in(row.label))
        if not counts:
            raise DataError(f"{rows[0].file}: none of the {len(rows)} rows has a label")
        for row in rows:
            for label in labels_in(row.label):
                if counts[label] == 1:
                    raise DataError(
                        f"{row.place}: the label {label!r} has this one row only; "
                        "add rows of that label or take it out"
                    )

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        return labels_in(label)

    def shown(self, label: str | None, text: str) -> str | None:
        return label

    def is_right(self, gold: str | None, named: str) -> bool:
        return gold == named

    def confused(self, gold: str | None, named: str) -> Sequence[tuple[str | None, str]]:
        return [(gold, named)]

    def targets(self, rows: Sequence[Row], out_of_scope: str | None) -> tuple[str, ...]:
        """The labels, sorted."""
        if out_of_scope is not None:
            raise DataError(
                f"[data] out_of_scope = {out_of_scope!r}: a text that no label fits has an "
                "empty list of labels here. Take out_of_scope out."
            )
        labels = {label for row in rows for label in labels_in(row.label)}
        if not labels:
            raise DataError("no row has a label; there is nothing to tell apart")
        return tuple(sorted(labels))

    def gold(self, rows: Sequence[Row], targets: Sequence[str]) -> NDArray[np.int64]:
        """1 for each label that a row has, else 0, (rows, columns)."""
        index = {name: i for i, name in enumerate(targets)}
        found = np.zeros((len(rows), len(targets)), np.int64)
        for i, row in enumerate(rows):
            found[i, [index[label] for label in labels_in(row.label) if label in index]] = 1
        return found

    def settings(
        self,
        targets: Sequence[str],
        out_of_scope: str | None,
        threshold: float | None = None,
        temperature: float = 1.0,
        acceptance: str = "probability",
    ) -> dict[str, Any]:
        """The manifest's `task_settings`; label_thresholds: of each label, in order."""
        return {
            "acceptance": acceptance,
            "labels": list(targets),
            "label_thresholds": [UNTUNED] * len(targets),
            "out_of_scope": None,
            "threshold": threshold,
            "temperature": temperature,
        }

    def check_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError where `task_settings` cannot be decoded with."""
        settings = manifest["task_settings"]
        labels = check_labels(settings)
        check_scores(settings)
        thresholds = settings.get("label_thresholds")
        if (
            not isinstance(thresholds, list)
            or len(thresholds) != len(labels)
            or not all(is_number(value) for value in thresholds)
        ):
            raise BundleError(
                "manifest.json: task_settings.label_thresholds: expected a number a label"
            )

    def tuned(
        self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The labels' thresholds, fixed on rows that nobody learned from.

        Few rows fix a threshold badly, so that all are shrunk. The one for all labels together
        maximizes the F1 of n gold labels and of the labels to expect if the probabilities are
        right (Lipton et al. 2014), mixed n to SHRINK. Each label's own best threshold is drawn
        towards that one in log-odds: with n positive rows it keeps n / (n + SHRINK).
        """
        shares = self._shares(outputs, settings)
        gold = self.gold(rows, settings["labels"]).astype(bool)
        positives = gold.sum(axis=0)
        known = positives.sum() / (positives.sum() + SHRINK)
        likely = known * gold + (1 - known) * shares
        shared = best_f1_threshold(shares.ravel(), likely.ravel()) if gold.any() else None
        if shared is None:
            return {}
        own = [best_f1_threshold(shares[:, i], gold[:, i]) for i in range(gold.shape[1])]
        weight = positives / (positives + SHRINK)
        wanted = np.array([shared if value is None else value for value in own])
        drawn = sigmoid(weight * logit(wanted) + (1 - weight) * logit(np.array(shared)))
        return {"label_thresholds": [round(value, 6) for value in drawn.tolist()]}

    def beside(self, texts: Sequence[str]) -> Outputs:
        return {}

    def decode(self, outputs: Outputs, manifest: Mapping[str, Any]) -> list[Prediction]:
        """Answers from `logits` (batch, labels)."""
        settings = manifest["task_settings"]
        labels, threshold = settings["labels"], settings["threshold"]
        cuts = np.array(settings["label_thresholds"])
        shares = self._shares(outputs, settings)
        named = shares >= cuts
        order = np.argsort(-shares, axis=1, kind="stable")
        nearest = np.argsort(logit(cuts) - logit(shares), axis=1, kind="stable")
        found: list[Prediction] = []
        for i, score in enumerate(self._of_the_set(shares, named).tolist()):
            yes, values = named[i].tolist(), shares[i].tolist()
            chosen = [Alternative(labels[j], values[j]) for j in order[i].tolist() if yes[j]]
            others = [Alternative(labels[j], values[j]) for j in nearest[i].tolist() if not yes[j]]
            found.append(
                LabelSet(
                    label=name_of(label for label, _ in chosen),
                    score=score,
                    abstained=threshold is not None and score < threshold,
                    alternatives=tuple(others),
                    labels=tuple(chosen),
                )
            )
        return found

    def acceptance(self, outputs: Outputs, manifest: Mapping[str, Any]) -> NDArray[np.float64]:
        """How likely exactly the set that is named is, were the labels independent, (batch,)."""
        settings = manifest["task_settings"]
        shares = self._shares(outputs, settings)
        return self._of_the_set(shares, shares >= np.array(settings["label_thresholds"]))

    def _of_the_set(
        self, shares: NDArray[np.float64], named: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        likely: NDArray[np.float64] = np.where(named, shares, 1 - shares).prod(axis=1)
        return likely

    def _shares(self, outputs: Outputs, settings: Mapping[str, Any]) -> NDArray[np.float64]:
        """The probability of each label, (batch, labels)."""
        logits = checked_logits(outputs, len(settings["labels"]))
        return sigmoid(logits / np.float32(settings["temperature"]))

    def log_loss(self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]) -> float:
        """Binary cross-entropy, summed over the labels."""
        if not rows:
            return float("nan")
        shares = self._shares(outputs, settings)
        right = np.where(self.gold(rows, settings["labels"]), shares, 1 - shares)
        return float(-np.log(right + 1e-12).sum(axis=1).mean())

    def mean(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The log-odds of the mean of the sigmoids."""
        return logit(np.mean([sigmoid(one) for one in logits], axis=0)).astype(np.float32)

    def score(self, figures: Mapping[str, float]) -> float:
        """Average precision, which needs no thresholds: they are fixed later."""
        return figures.get("average_precision", 0.0)

    def grades(self, rows: Sequence[Row], answers: Sequence[Prediction]) -> None:
        """Answers are right or wrong."""

    def metrics(
        self, rows: Sequence[Row], answers: Sequence[Prediction], out_of_scope: str | None
    ) -> dict[str, float]:
        """Point estimates; NaN where undefined.

        A gold label that the model does not know counts as missed. average_precision: over
        all pairs of row and label; mean_average_precision: over the labels, each alone.
        hamming_loss: share of the pairs decided wrongly. subset_accuracy: share of the rows
        that get exactly their gold set.
        """
        gold, named, scores = _matrices(rows, answers)
        ones = np.ones((1, len(rows)))
        by_label = [average_precision(scores[:, i], gold[:, i]) for i in range(gold.shape[1])]
        defined = [value for value in by_label if not np.isnan(value)]
        return {
            "micro_f1": float(weighted_micro_f1(gold, named, ones)[0]),
            "macro_f1": float(weighted_mean_f1(gold, named, ones)[0]),
            "subset_accuracy": float((gold == named).all(axis=1).mean()) if rows else np.nan,
            "hamming_loss": float((gold != named).mean()) if gold.size else np.nan,
            "average_precision": average_precision(scores.ravel(), gold.ravel()),
            "mean_average_precision": float(np.mean(defined)) if defined else np.nan,
            "in_scope_rows": float(len(rows)),
            "rows": float(len(rows)),
        }

    def evidence(
        self,
        rows: Sequence[Row],
        answers: Sequence[Prediction],
        teacher: Sequence[str] | None,
        out_of_scope: str | None,
    ) -> dict[str, Evidence]:
        """By metric; "recall of LABEL" on the rows that have the label, "precision of LABEL"
        on those that are given it. `retained` and `error_when_answering` are about whole
        sets. Resampling keeps no strata: most sets are rare.
        """
        if not rows:
            return {}
        gold, named, _ = _matrices(rows, answers)
        groups = groups_of(rows)
        right = (gold == named).all(axis=1)
        answered = np.array([not answer.abstained for answer in answers], bool)

        def share(hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> Proportion:
            return Proportion(hits[of], None if groups is None else groups[of])

        everywhere, one_stratum = np.ones(len(rows), bool), np.zeros(len(rows), np.int64)
        found: dict[str, Evidence] = {
            "micro_f1": f1_of(
                (gold & named).sum(axis=1), gold.sum(axis=1) + named.sum(axis=1), groups
            ),
            "macro_f1": Resampled(partial(weighted_mean_f1, gold, named), one_stratum, groups),
            "subset_accuracy": share(right, everywhere),
            "handover": share(~answered, everywhere),
            "error_when_answering": share(~right, answered),
        }
        for i, label in enumerate(_labels(rows, answers)):
            if gold[:, i].any():
                found[f"recall of {label}"] = share(named[:, i], gold[:, i])
            if named[:, i].any():
                found[f"precision of {label}"] = share(gold[:, i], named[:, i])
        if teacher is not None:
            theirs = [t == row.label for t, row in zip(teacher, rows, strict=True)]
            found["retained"] = Difference(right, np.array(theirs, bool), groups)
        return found

    def chance(self, rows: Sequence[Row]) -> float:
        """The micro-F1 of giving every text the same labels, the best ones. NaN without any."""
        counts = Counter(label for row in rows for label in labels_in(row.label))
        if not counts:
            return float("nan")
        hits = np.cumsum(sorted(counts.values(), reverse=True))
        given = len(rows) * np.arange(1, len(hits) + 1)
        return float((2 * hits / (given + hits[-1])).max())


def _labels(rows: Sequence[Row], answers: Sequence[Prediction]) -> list[str]:
    """All labels that a row has or an answer has a score for, sorted."""
    known = {label for answer in answers for label in _scores(answer)}
    return sorted(known.union(*(labels_in(row.label) for row in rows)))


def _scores(answer: Prediction) -> dict[str, float]:
    assert isinstance(answer, LabelSet)
    return dict((*answer.labels, *answer.alternatives))


def _matrices(
    rows: Sequence[Row], answers: Sequence[Prediction]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Gold, named and scores, each (rows, labels), columns as in `_labels`."""
    labels = _labels(rows, answers)
    index = {label: i for i, label in enumerate(labels)}
    gold = np.zeros((len(rows), len(labels)), bool)
    named, scores = np.zeros_like(gold), np.zeros(gold.shape)
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        gold[i, [index[label] for label in labels_in(row.label)]] = True
        named[i, [index[label] for label in answer.named]] = True
        for label, score in _scores(answer).items():
            scores[i, index[label]] = score
    return gold, named, scores


MULTILABEL: Task = Multilabel()
