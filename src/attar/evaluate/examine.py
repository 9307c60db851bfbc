"""Everything the report says about a model's answers, from one run over the certify rows.

Nothing is chosen here: thresholds and temperature arrive fixed. Quality beside the
teacher, evidence for claims, where it fails, how far its scores can be believed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.evaluate.handover import curve
from attar.evaluate.slices import (
    CASES,
    DOCUMENT_LENGTHS,
    LENGTHS,
    PERTURBATIONS,
    Judged,
    bias_table,
    perturbed_slices,
    slices,
    worst,
)
from attar.evaluate.statistics import discordant, mcnemar
from attar.evaluate.teacher import teacher_labels
from attar.evidence import Evidence
from attar.metrics import expected_calibration_error
from attar.predictions import Prediction
from attar.runtime.predictor import Predictor
from attar.tasks.annotations import annotation_in
from attar.types import Answerer, JudgesLabels, Progress, Row, Silent, Task

SHOWN_ROWS = 12  # wrong answers and discordant rows that the bundle carries
SHOWN_PAIRS = 15
SHOWN_CHARACTERS = 200
BINS = 10


class Examination:
    """The answers of one predictor on labeled rows, and what follows from them."""

    def __init__(
        self,
        task: Task,
        predictor: Predictor,
        rows: Sequence[Row],
        teacher: Answerer | None,
        columns: Sequence[str],
        out_of_scope: str | None,
        progress: Progress | None = None,
        teacher_settings: Mapping[str, Any] | None = None,
    ) -> None:
        """teacher_settings: how the teacher's outputs are decoded, by default without what
        calibrate fixes (`evaluate.teacher.settings_of`)."""
        self.task, self.predictor, self.rows = task, predictor, rows
        self.out_of_scope = out_of_scope
        self.progress = progress or Silent()
        texts = [row.text for row in rows]
        outputs = predictor.outputs(texts, self.progress)
        self.answers: list[Prediction] = task.decode(outputs, predictor.manifest)
        self.acceptance = task.acceptance(outputs, predictor.manifest)
        self.teacher: list[str] | None = None
        if teacher is not None:
            settings = teacher_settings or task.settings(columns, out_of_scope)
            self.teacher = teacher_labels(task, teacher, texts, settings)
        #: How good each answer is, where answers are not right or wrong.
        self.grades = task.grades(rows, self.answers)
        self.inside = np.array([row.label != out_of_scope for row in rows], bool)
        self.right = np.array(
            [task.is_right(row.label, a.label) for a, row in zip(self.answers, rows, strict=True)],
            bool,
        )

    def metrics(self) -> dict[str, float | None]:
        """The task's metrics, and `agreement` with the teacher on rows in scope."""
        found: dict[str, float] = dict(
            self.task.metrics(self.rows, self.answers, self.out_of_scope)
        )
        if self.teacher is not None and self.grades is None:
            pairs = zip(self.answers, self.teacher, strict=True)
            agreed = np.array([a.label == theirs for a, theirs in pairs], bool)[self.inside]
            found["agreement"] = float(agreed.mean()) if len(agreed) else math.nan
        return {k: None if math.isnan(v) else round(float(v), 6) for k, v in found.items()}

    def evidence(self) -> dict[str, Evidence]:
        return self.task.evidence(self.rows, self.answers, self.teacher, self.out_of_scope)

    def curve(self, threshold: float | None) -> list[dict[str, float | None]]:
        if self.grades is not None:
            return []
        right = self.right
        by_label = self.predictor.manifest["task_settings"].get("acceptance") == "label"
        if by_label and isinstance(self.task, JudgesLabels):
            is_right = self.task.label_is_right
            pairs = zip(self.answers, self.rows, strict=True)
            right = np.array([is_right(row.label, a.label) for a, row in pairs], bool)
        return curve(self.acceptance, self.inside, right, threshold)

    def sections(self) -> dict[str, Any]:
        """The parts of the report that help to read the figures. Where answers are not right or
        wrong, those that count right ones are empty, and the worst answers stand for errors."""
        cut = self._slices()
        if self.grades is not None:
            none = dict.fromkeys(("comparison", "reliability"))
            lists = ("bias", "confusions", "by_label", "errors")
            said = {"slices": cut, "worst_slice": worst(cut), "worst": self._worst(self.grades)}
            return {**none, **{key: [] for key in lists}, **said}
        return {
            "comparison": self._comparison(),
            "slices": cut,
            "worst_slice": worst(cut),
            "bias": bias_table(self._inside_rows(), self.right[self.inside]),
            "confusions": self._confusions(),
            "by_label": self._by_label(),
            "reliability": self._reliability(),
            "errors": self._errors(),
        }

    def _shown(self, i: int, label: str | None) -> str | None:
        return self.task.shown(label, self.rows[i].text)

    def _inside_rows(self) -> list[Row]:
        return [row for row, inside in zip(self.rows, self.inside, strict=True) if inside]

    def _slices(self) -> list[dict[str, Any]]:
        inside = self._inside_rows()
        if not inside:
            return []

        def judge(rows: Sequence[Row]) -> Judged:
            texts = [row.text for row in rows]
            shown = self.progress.track(self.predictor.stream(texts), "slices", len(texts))
            answers = list(shown)
            grades = self.task.grades(rows, answers)
            if grades is not None:
                return grades
            pairs = zip(answers, rows, strict=True)
            return np.array([self.task.is_right(row.label, a.label) for a, row in pairs], bool)

        judged = self.right[self.inside] if self.grades is None else self.grades[self.inside]
        documents = self.task.reads == "sentences"
        lengths = DOCUMENT_LENGTHS if documents else LENGTHS
        parts = slices(inside, judged, labels_of=self.task.labels_of, lengths=lengths)
        if len({part["name"] for part in parts if part["kind"] == "label"}) == 1:
            parts = [part for part in parts if part["kind"] != "label"]  # which are all rows
        # A typo or two are nothing to a document; in a text they move its spans.
        spans = self.task.gold_kind == "spans"
        kinds = [kind for kind in PERTURBATIONS if not documents or kind != "typos"]
        if spans:
            kinds = [*CASES]
        return [*parts, *perturbed_slices(judge, inside, kinds, keep_places=spans)]

    def _comparison(self) -> dict[str, Any] | None:
        if self.teacher is None:
            return None
        pairs = zip(self.rows, self.teacher, strict=True)
        theirs = np.array([self.task.is_right(row.label, label) for row, label in pairs], bool)
        gains, losses = discordant(self.right[self.inside], theirs[self.inside])
        differ = np.flatnonzero(self.inside & (self.right != theirs))
        return {
            "gains": gains,
            "losses": losses,
            "p_value": round(mcnemar(gains, losses), 6),
            "rows": [
                {
                    "text": _short(self.rows[i].text),
                    "gold": self._shown(i, self.rows[i].label),
                    "student": self._shown(i, self.answers[i].label),
                    "teacher": self._shown(i, self.teacher[i]),
                }
                for i in _spread(differ, SHOWN_ROWS)
            ],
        }

    def _confusions(self) -> list[dict[str, Any]]:
        wrong = Counter(
            pair
            for row, answer, inside in zip(self.rows, self.answers, self.inside, strict=True)
            if inside and not self.task.is_right(row.label, answer.label)
            for pair in self.task.confused(row.label, answer.label)
        )
        counts: Counter[str | None] = Counter(row.label for row in self.rows)
        if self.task.gold_kind == "spans":
            counts = Counter(name for row in self.rows for name in self.task.labels_of(row.label))
        ranked = sorted(wrong.items(), key=lambda item: (-item[1], str(item[0])))
        return [
            {"gold": gold, "named": named, "rows": n, "of": counts[gold]}
            for (gold, named), n in ranked[:SHOWN_PAIRS]
        ]

    def _by_label(self) -> list[dict[str, Any]]:
        """With label sets and spans: how each label is found, and how often it is given rightly.
        threshold: None of spans."""
        if self.task.gold_kind not in ("labels", "spans"):
            return []
        settings, evidence = self.predictor.manifest["task_settings"], self.evidence()
        thresholds = dict(
            zip(settings["labels"], settings["label_thresholds"], strict=True)
            if "label_thresholds" in settings
            else dict.fromkeys(settings["span_labels"]).items()
        )
        found = []
        for label, cut in thresholds.items():
            recall, precision = (evidence.get(f"{m} of {label}") for m in ("recall", "precision"))
            found.append(
                {
                    "label": label,
                    "threshold": cut,
                    "rows": recall.rows if recall else 0,
                    "given": precision.rows if precision else 0,
                    "recall": round(recall.value, 6) if recall else None,
                    "precision": round(precision.value, 6) if precision else None,
                }
            )
        return found

    def _reliability(self) -> dict[str, Any] | None:
        """On rows in scope; a row out of scope has no right label."""
        scores = np.array([a.score for a in self.answers])[self.inside]
        right = self.right[self.inside]
        if not len(scores):
            return None
        number = np.minimum((scores * BINS).astype(int), BINS - 1)
        bins = [
            {
                "low": i / BINS,
                "high": (i + 1) / BINS,
                "rows": int((number == i).sum()),
                "score": round(float(scores[number == i].mean()), 6),
                "accuracy": round(float(right[number == i].mean()), 6),
            }
            for i in range(BINS)
            if (number == i).any()
        ]
        return {"ece": round(expected_calibration_error(scores, right, BINS), 6), "bins": bins}

    def _errors(self) -> list[dict[str, Any]]:
        """Wrong answers, the surest first: those are the ones that surprise."""
        wrong = np.flatnonzero(self.inside & ~self.right)
        surest = sorted(wrong.tolist(), key=lambda i: -self.answers[i].score)
        return [
            {
                "text": _short(self.rows[i].text),
                "gold": self._shown(i, self.rows[i].label),
                "label": self._shown(i, self.answers[i].label),
                "score": round(self.answers[i].score, 4),
                **self._marked(i),
            }
            for i in surest[:SHOWN_ROWS]
        ]

    def _marked(self, i: int) -> dict[str, Any]:
        """Gold and given label and spans by themselves, for what shows them in the text; nothing
        where the text is shortened, or where calls say what the spans are for."""
        marks = self.task.gold_kind == "spans" and "calls" not in self.task.capabilities
        if not marks or len(self.rows[i].text) > SHOWN_CHARACTERS:
            return {}
        gold, given = (annotation_in(one.label) for one in (self.rows[i], self.answers[i]))
        return {
            "marked": {
                name: {
                    "label": one.label,
                    "spans": [
                        {"start": s.start, "end": s.end, "label": s.label} for s in one.spans
                    ],
                }
                for name, one in (("gold", gold), ("given", given))
            }
        }

    def _worst(self, grades: NDArray[np.float64]) -> list[dict[str, Any]]:
        """The worst answers, the worst first. grades: (rows,)."""
        return [
            {
                "text": _short(self.rows[i].text),
                "gold": _short(self._shown(i, self.rows[i].label) or ""),
                "label": _short(self._shown(i, self.answers[i].label) or ""),
                "grade": round(float(grades[i]), 4),
            }
            for i in np.argsort(grades, kind="stable")[:SHOWN_ROWS].tolist()
        ]


def _spread(positions: NDArray[np.int64], count: int) -> list[int]:
    step = max(1, -(-len(positions) // count))
    return [int(i) for i in positions[::step]]


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
