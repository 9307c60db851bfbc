"""What is captured of a text: a row that `attar build` reads, gold only from who knows better.

Nothing is written here; `runtime.capture` does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attar.serve.answer import Answer
from attar.serve.served import Served
from attar.serve.wire import HttpError
from attar.tasks.annotations import Span
from attar.types import Extraction, FoundSpan, LabelSet, Prediction


def answered(served: Served, text: str, answer: Answer) -> dict[str, Any]:
    """The text, the fallback's answer as gold where it answered, and the model's beside it."""
    row: dict[str, Any] = {"text": text}
    if answer.answered_by == "fallback":
        if answer.marked is not None:
            row |= annotated(answer.marked.text_label, answer.marked.spans)
        else:
            row["label"] = answer.label if answer.named is None else list(answer.named)
    found = answer.prediction
    return row | {
        "predicted": predicted(found),
        "score": round(found.score, 6),
        "answered_by": answer.answered_by,
        "model": served.name,
        "content_sha256": served.predictor.content_sha256,
    }


def predicted(found: Prediction) -> Any:
    """The model's own answer: a label, a list of them, or a label and spans."""
    if isinstance(found, Extraction):
        return annotated(found.text_label, found.spans)
    return list(found.named) if isinstance(found, LabelSet) else found.label


def corrected(
    served: Served, text: str, label: str | list[str] | None, spans: Sequence[Span] | None
) -> dict[str, Any]:
    """The text and what a person says of it. Raises HttpError, 409, where the model gives
    something else."""

    def refuse(code: str, message: str, param: str) -> HttpError:
        return HttpError(409, code, f"{served.name!r} {message}", param=param)

    if isinstance(label, list) and not served.gives_sets:
        if len(label) != 1:
            raise refuse("one_label", f"gives a text one label, not {len(label)}", "label")
        label = label[0]
    by = {"answered_by": "person", "model": served.name}
    if not served.span_labels:
        if spans is not None:
            raise refuse("no_spans", "marks no spans; give the label", "spans")
        if label is None:
            raise refuse("label_missing", "gives labels; say the right one", "label")
        gold = [label] if isinstance(label, str) and served.gives_sets else label
        return {"text": text, "label": gold, **by}
    if spans is None:
        raise refuse("spans_missing", "marks spans; give all of the text, [] for none", "spans")
    if (label is not None) != bool(served.predictor.labels):
        gives = "no label; leave it out" if label is not None else "a label; say the right one"
        raise refuse("one_label", f"gives the whole text {gives}", "label")
    assert not isinstance(label, list)
    return {"text": text, **annotated(label, spans), **by}


def annotated(label: str | None, spans: Iterable[Span | FoundSpan]) -> dict[str, Any]:
    """An annotation as the fields of a row."""
    marked = [{"start": one.start, "end": one.end, "label": one.label} for one in spans]
    return ({} if label is None else {"label": label}) | {"spans": marked}
