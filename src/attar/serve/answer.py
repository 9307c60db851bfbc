"""What a text was answered with, and by whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from msgspec import Struct

from attar.predictions import Call, Extraction, FoundSpan, LabelSet, Prediction
from attar.runtime.quotes import Marked
from attar.tasks.annotations import name_of

AnsweredBy = Literal["model", "fallback", "person", "nobody"]


class Answer(Struct, frozen=True):
    """label: of whoever answered; the model's best guess where nobody did. note: why the
    one who should have answered did not. named: the labels of a fallback that gives several;
    marked: what a fallback marks in the text; text: what it says in place of documents."""

    prediction: Prediction
    label: str
    answered_by: AnsweredBy
    note: str | None = None
    named: tuple[str, ...] | None = None
    marked: Extraction | None = None
    text: str | None = None

    @property
    def extraction(self) -> Extraction | None:
        """What whoever answered marked; None from a model that marks nothing."""
        if self.marked is not None:
            return self.marked
        return self.prediction if isinstance(self.prediction, Extraction) else None

    def to_json(self) -> dict[str, Any]:
        found = shown(self.extraction or self.prediction)
        if self.named is not None and isinstance(self.prediction, LabelSet):
            scores = dict((*self.prediction.labels, *self.prediction.alternatives))
            found["labels"] = [[one, round(scores.get(one, 0.0), 6)] for one in self.named]
        elif self.text is not None:
            found["text"] = self.text
        elif self.answered_by == "fallback" and self.extraction is None:
            found["label"] = self.label
        elif self.answered_by == "fallback" and self.marked is None:
            # In words of its own: the guess of the model that abstained is not its answer.
            found |= {"label": None, "spans": []} | ({"calls": []} if "calls" in found else {})
        found["answered_by"] = self.answered_by
        if self.note:
            found["note"] = self.note
        return found


def shown(prediction: Prediction) -> dict[str, Any]:
    """An answer as it is sent. Where there are calls, the label of the text is only what they
    were made from."""
    found = prediction.to_json()
    if isinstance(prediction, Extraction) and prediction.calls is not None:
        found |= {"label": None, "alternatives": []}
    return found


def marked_by_fallback(found: Marked, of_model: Extraction) -> Extraction:
    """What a fallback marked, with the model's scores where it marked the same, else 0."""
    label, spans = found.annotation.label, found.annotation.spans
    scores = {span[:3]: span.score for span in of_model.spans}
    calls = None
    if found.calls is not None:
        known = of_model.calls or ()
        calls = tuple(
            Call(*call, next((one.score for one in known if one[:2] == call), 0.0))
            for call in found.calls
        )
    return replace(
        of_model,
        label=name_of(label, spans),
        text_label=label,
        text_score=None,
        spans=tuple(FoundSpan(*span, scores.get(span, 0.0)) for span in spans),
        calls=calls,
    )
