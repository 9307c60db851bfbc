"""Rank: the documents that answer a query, best first, or an abstention where none does.

The model's columns are the dimensions of a vector of length 1, of queries and documents
alike; the index of a bundle (`runtime.index`) turns a query's into candidates with their
cosines and their BM25 scores, and a second model may have scored the best of them again
(`runtime.rescore`). How these are weighed, and how likely the best document is the right one, is
fixed by `tuned`; `tasks.ordering` says how.

An answer's label is the id of a document, a row's that of the right one or the name of several
(`tasks.right_documents`); a row with the out-of-scope label is a query that no document answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError, DataError
from attar.evidence import Difference, Evidence, Proportion, Ratio, Separation
from attar.metrics import auroc
from attar.predictions import Prediction, RankedDocument, Ranking
from attar.recipe import MOST_RESCORED
from attar.tasks.hits import Hits, discounted, first_places, hits_of, reciprocal
from attar.tasks.ordering import RESCORED, features, fitted_logistic, likelihood, ranked
from attar.tasks.right_documents import documents_in
from attar.tasks.shared import HAND_OVER_FIGURES, check_scores, groups_of, is_number
from attar.types import Figure, GoldKind, Outputs, Reads, Row, Task

DIMENSIONS = 384  # until the plan knows the teacher's
SHOWN = 10  # documents of an answer; figures "at 10" look at all of them
UNTUNED = (10.0, 10.0, -5.0)  # slopes of similarity and lead, and the constant
HYBRID_WEIGHTS = tuple(step / 10 for step in range(10))
WORTH_IT = 0.005  # of the mean reciprocal rank: words cost time where a bundle is opened
#: Similarity that a document loses for each step that its second score is behind the best.
RESCORE_WEIGHTS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5)
MOST_PAIR_TOKENS = 4_096
Floats = NDArray[np.float64]


class Rank:
    """The task "rank"."""

    name = "rank"
    gold_kind: GoldKind = "document"
    reads: Reads = "text"
    capabilities: tuple[str, ...] = ("ranking", "embed")
    acceptances: tuple[str, ...] = ("probability",)
    claim_metrics: tuple[str, ...] = (
        *("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "ndcg_at_10", "retained"),
        *("error_when_answering", "handover", "oos_auroc", "oos_recall", "oos_acceptance"),
    )
    figures: tuple[Figure, ...] = (
        Figure("recall_at_1", "recall@1"),
        Figure("recall_at_5", "recall@5"),
        Figure("recall_at_10", "recall@10"),
        Figure("mrr", "mean reciprocal rank", share=False),
        Figure("ndcg_at_10", "nDCG@10", share=False),
        Figure("oos_auroc", "out-of-scope AUROC", share=False),
        *HAND_OVER_FIGURES,
    )

    def check(self, rows: Sequence[Row]) -> None:
        """Raise DataError where there are no queries, or one names no document."""
        if not rows:
            raise DataError("there are no queries: data.train names no usable row")
        for row in rows:
            if row.label is None:
                raise DataError(f"{row.place}: the id of the right document is missing")

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        """None: documents are no classes, and splits need not have some of each."""
        return ()

    def shown(self, label: str | None, text: str) -> str | None:
        return label if label is None else ", ".join(documents_in(label))

    def is_right(self, gold: str | None, named: str) -> bool:
        return named in documents_in(gold)

    def confused(self, gold: str | None, named: str) -> Sequence[tuple[str | None, str]]:
        return [(gold, named)]

    def targets(self, rows: Sequence[Row], out_of_scope: str | None) -> tuple[str, ...]:
        return dimensions(DIMENSIONS)

    def gold(self, rows: Sequence[Row], targets: Sequence[str]) -> NDArray[np.int64]:
        """-1 for each row, (rows,): no column is right."""
        return np.full(len(rows), -1, np.int64)

    def settings(
        self,
        targets: Sequence[str],
        out_of_scope: str | None,
        threshold: float | None = None,
        temperature: float = 1.0,
        acceptance: str = "probability",
    ) -> dict[str, Any]:
        """The manifest's `task_settings`. hybrid: the weight of words, from 0 to 1, null
        until it is fixed; logistic: slopes of similarity and lead, and the constant."""
        return {
            "acceptance": acceptance,
            "dimensions": len(targets),
            "hybrid": None,
            "labels": [],
            "logistic": list(UNTUNED),
            "out_of_scope": out_of_scope,
            "threshold": threshold,
            "temperature": temperature,
        }

    def check_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError where `task_settings` cannot be decoded with."""
        settings = manifest["task_settings"]
        check_scores(settings)
        size, weight, logistic = (settings.get(key) for key in ("dimensions", "hybrid", "logistic"))
        if type(size) is not int or size < 1:
            raise BundleError("manifest.json: task_settings.dimensions: expected a whole number")
        if weight is not None and not (is_number(weight) and 0 <= weight <= 1):
            raise BundleError("manifest.json: task_settings.hybrid: expected 0 to 1 or null")
        again = settings.get("rescore")
        if again is not None:
            _check_rescoring(again)
        numbers = isinstance(logistic, list) and all(map(is_number, logistic))
        if not numbers or len(logistic) not in (len(UNTUNED), len(UNTUNED) + (again is not None)):
            raise BundleError(
                "manifest.json: task_settings.logistic: expected three numbers, or four where "
                "documents are scored again"
            )

    def tuned(
        self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The weight of words with the best mean reciprocal rank, 0 unless another is better by
        WORTH_IT; and the logistic that fits how often the best document is right. Where second
        scores are among the outputs, the weight of words was fixed before, since it says which
        documents have one; then the weight of these scores is fixed likewise."""
        if not rows:
            return {"hybrid": settings["hybrid"] or 0.0}
        right_ones = _right_ones(rows, settings["out_of_scope"])
        if RESCORED in outputs:
            again = {**settings["rescore"]}
            tried = [{**settings, "rescore": {**again, "weight": w}} for w in RESCORE_WEIGHTS]
            again["weight"] = RESCORE_WEIGHTS[_best(outputs, tried, right_ones)]
            found: dict[str, Any] = {"hybrid": settings["hybrid"], "rescore": again}
        else:
            tried = [{**settings, "hybrid": weight} for weight in HYBRID_WEIGHTS]
            found = {"hybrid": HYBRID_WEIGHTS[_best(outputs, tried, right_ones)]}
        order = ranked(outputs, {**settings, **found})
        right = hits_of(_ids(order.documents), right_ones, 1)[:, 0]
        fitted = fitted_logistic(features(order), right) * settings["temperature"]
        return {**found, "logistic": [round(float(x), 6) for x in fitted]}

    def beside(self, texts: Sequence[str]) -> Outputs:
        return {}

    def decode(self, outputs: Outputs, manifest: Mapping[str, Any]) -> list[Prediction]:
        """Answers from `documents`, `cosine` and `words`, (batch, candidates) each, as
        `runtime.index` gives them, and `rescored` as `runtime.rescore` does."""
        settings = manifest["task_settings"]
        order = ranked(outputs, settings)
        scores = likelihood(order, settings).tolist()
        answers: list[Prediction] = []
        for documents, near, score in zip(
            order.documents, order.similarity.tolist(), scores, strict=True
        ):
            found = tuple(
                RankedDocument(document.id, value, document.text, document.title)
                for document, value in zip(documents[:SHOWN], near[:SHOWN], strict=True)
                if document is not None
            )
            threshold = settings["threshold"]
            answers.append(
                Ranking(
                    label=found[0].id if found else "",
                    score=score,
                    abstained=not found or (threshold is not None and score < threshold),
                    documents=found,
                )
            )
        return answers

    def acceptance(self, outputs: Outputs, manifest: Mapping[str, Any]) -> Floats:
        """How likely the best document is the right one."""
        settings = manifest["task_settings"]
        return likelihood(ranked(outputs, settings), settings)

    def log_loss(self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]) -> float:
        """NaN: `tuned` fits the score's slope itself, which leaves no temperature to fit."""
        return float("nan")

    def mean(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The direction of the sum of the models' vectors."""
        total = np.sum(logits, axis=0)
        lengths = np.linalg.norm(total, axis=1, keepdims=True)
        found: NDArray[np.float32] = (total / np.maximum(lengths, 1e-12)).astype(np.float32)
        return found

    def score(self, figures: Mapping[str, float]) -> float:
        return figures.get("mrr", 0.0)

    def grades(self, rows: Sequence[Row], answers: Sequence[Prediction]) -> None:
        """Answers are right or wrong."""

    def metrics(
        self, rows: Sequence[Row], answers: Sequence[Prediction], out_of_scope: str | None
    ) -> dict[str, float]:
        """Point estimates on the queries that a document answers, whether the model abstains or
        not; NaN where undefined. recall_at_k: share with a right document among the first k,
        which is also called hit rate: one is enough. mrr: mean of 1 / place of the first right
        one, 0 after the tenth. ndcg_at_10: all right ones count (`tasks.hits`). With queries that
        none answers: oos_auroc, oos_recall."""
        right_ones = _right_ones(rows, out_of_scope)
        inside = np.array([bool(ids) for ids in right_ones], bool)
        hits = _hits(answers, right_ones)
        places, gains = first_places(hits)[inside], discounted(hits, right_ones)[inside]
        found = {
            **{f"recall_at_{k}": _mean((places > 0) & (places <= k)) for k in (1, 5, 10)},
            "mrr": _mean(reciprocal(places)),
            "ndcg_at_10": _mean(gains),
            "in_scope_rows": float(len(places)),
            "rows": float(len(rows)),
        }
        if not inside.all():
            scores = np.array([answer.score for answer in answers])
            refused = np.array([answer.abstained for answer in answers], bool)
            found |= {
                "oos_auroc": auroc(scores[inside].tolist(), scores[~inside].tolist()),
                "oos_rows": float((~inside).sum()),
                "oos_recall": _mean(refused[~inside]),
                "in_scope_abstained": _mean(refused[inside]),
            }
        return found

    def evidence(
        self,
        rows: Sequence[Row],
        answers: Sequence[Prediction],
        teacher: Sequence[str] | None,
        out_of_scope: str | None,
    ) -> dict[str, Evidence]:
        """By metric. retained, error_when_answering: about the best document, on the queries
        that one answers; oos_acceptance: share of the others that are answered."""
        if not rows:
            return {}
        right_ones = _right_ones(rows, out_of_scope)
        inside = np.array([bool(ids) for ids in right_ones], bool)
        hits, groups = _hits(answers, right_ones), groups_of(rows)
        places = first_places(hits)
        answered = np.array([not answer.abstained for answer in answers], bool)
        kept = None if groups is None else groups[inside]

        def share(hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> Proportion:
            return Proportion(hits[of], None if groups is None else groups[of])

        found: dict[str, Evidence] = {}
        if inside.any():
            for k in (1, 5, 10):
                found[f"recall_at_{k}"] = share((places > 0) & (places <= k), inside)
            every = {"mrr": reciprocal(places), "ndcg_at_10": discounted(hits, right_ones)}
            for name, gains in every.items():
                found[name] = Ratio.mean(gains[inside], kept)
            found["handover"] = share(~answered, inside)
            found["error_when_answering"] = share(places != 1, inside & answered)
            if teacher is not None:
                theirs = [t in ids for t, ids in zip(teacher, right_ones, strict=True)]
                right = places[inside] == 1
                found["retained"] = Difference(right, np.array(theirs, bool)[inside], kept)
        if not inside.all():
            found["oos_recall"] = share(~answered, ~inside)
            found["oos_acceptance"] = share(answered, ~inside)
            if inside.any():
                scores = np.array([answer.score for answer in answers])
                found["oos_auroc"] = Separation(scores, inside, groups)
        return found

    def chance(self, rows: Sequence[Row]) -> float:
        """How often the document that answers most queries is a right one. NaN without rows."""
        counts = Counter(name for row in rows for name in documents_in(row.label))
        return max(counts.values()) / len(rows) if rows else float("nan")


def dimensions(count: int) -> tuple[str, ...]:
    """The names of a vector's columns."""
    return tuple(map(str, range(count)))


def _best(
    outputs: Outputs, tried: Sequence[Mapping[str, Any]], right_ones: Sequence[Sequence[str]]
) -> int:
    """Which settings rank best by the mean reciprocal rank: the first, unless another is better
    by WORTH_IT."""
    inside = np.array([bool(ids) for ids in right_ones], bool)
    figures = []
    for settings in tried:
        places = first_places(hits_of(_ids(ranked(outputs, settings).documents), right_ones, SHOWN))
        figures.append(float(reciprocal(places[inside]).mean()))
    return max(range(len(tried)), key=lambda i: figures[i] - WORTH_IT * (i > 0))


def _check_rescoring(settings: Any) -> None:
    """Raise BundleError where documents cannot be scored again as the manifest says."""
    known = {"max_length", "pad_id", "top", "weight"}
    if not isinstance(settings, Mapping) or {*settings} != known:
        raise BundleError(
            f"manifest.json: task_settings.rescore: expected {', '.join(sorted(known))}"
        )
    limits = {"max_length": (8, MOST_PAIR_TOKENS), "pad_id": (0, 2**31), "top": (2, MOST_RESCORED)}
    for key, (least, most) in limits.items():
        if type(settings[key]) is not int or not least <= settings[key] <= most:
            raise BundleError(
                f"manifest.json: task_settings.rescore.{key}: expected {least} to {most}"
            )
    if not is_number(settings["weight"]) or settings["weight"] < 0:
        raise BundleError("manifest.json: task_settings.rescore.weight: expected 0 or more")


def _ids(ranked: NDArray[np.object_]) -> list[list[str | None]]:
    """The ids of the first SHOWN of each query; None where there is no document."""
    return [[None if one is None else one.id for one in found[:SHOWN]] for found in ranked]


def _right_ones(rows: Sequence[Row], out_of_scope: str | None) -> list[tuple[str, ...]]:
    """The ids of the documents that answer each query; none where it is out of scope."""
    return [() if _outside(row, out_of_scope) else documents_in(row.label) for row in rows]


def _hits(answers: Sequence[Prediction], right_ones: Sequence[Sequence[str]]) -> Hits:
    ranked = []
    for answer in answers:
        assert isinstance(answer, Ranking)
        ranked.append([document.id for document in answer.documents])
    return hits_of(ranked, right_ones, SHOWN)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _outside(row: Row, out_of_scope: str | None) -> bool:
    return out_of_scope is not None and row.label == out_of_scope


RANK: Task = Rank()
