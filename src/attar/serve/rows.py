"""What is captured of a text: a row that `attar build` reads, gold only from who knows better.

Nothing is written here; `runtime.capture` does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attar.predictions import Extraction, FoundSpan, LabelSet, Prediction, Summary
from attar.registry import did_you_mean
from attar.runtime.quotes import fits
from attar.serve.answer import Answer
from attar.serve.served import Served
from attar.serve.wire import HttpError
from attar.tasks.annotations import Span

SEARCHED = 1_000  # documents, among which a wrong id is compared with each


@dataclass(frozen=True, slots=True)
class Correct:
    """What a person says of a text; None for what is not said."""

    label: str | list[str] | None = None
    spans: Sequence[Span] | None = None
    calls: Sequence[Mapping[str, Any]] | None = None
    summary: str | Mapping[str, str] | None = None


def answered(served: Served, text: str, answer: Answer) -> dict[str, Any]:
    """The text, the fallback's answer as gold where it answered, and the model's beside it."""
    row: dict[str, Any] = {"text": text}
    if answer.answered_by == "fallback":
        if answer.marked is not None:
            row |= _of(answer.marked)
        elif answer.text is None:  # what is said in place of documents names none of them
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
    """The model's own answer: a label, the id of a document, a list of labels, a label and spans,
    calls, or the sentences of a summary as spans."""
    if isinstance(found, Extraction):
        return _of(found)
    if isinstance(found, Summary):
        return annotated(None, found.sentences)
    return list(found.named) if isinstance(found, LabelSet) else found.label


def _of(found: Extraction) -> dict[str, Any]:
    """What was marked, as the fields of a row."""
    if found.calls is not None:
        return {"calls": [{"name": c.name, "arguments": dict(c.arguments)} for c in found.calls]}
    return annotated(found.text_label, found.spans)


def corrected(served: Served, text: str, said: Correct) -> dict[str, Any]:
    """The text and what a person says of it. Raises HttpError, 409, where the model gives
    something else."""
    label, spans, calls = said.label, said.spans, said.calls

    def refuse(code: str, message: str, param: str) -> HttpError:
        return HttpError(409, code, f"{served.name!r} {message}", param=param)

    if isinstance(label, list) and not served.gives_sets and (len(label) < 2 or not served.ranks):
        if len(label) != 1:
            raise refuse("one_label", f"gives a text one label, not {len(label)}", "label")
        label = label[0]
    by = {"answered_by": "person", "model": served.name}
    if said.summary is not None and not served.sections:
        raise refuse("no_summary", "makes no summaries", "summary")
    if served.sections:
        if said.summary is None or said != Correct(summary=said.summary):
            raise refuse("summary_alone", "summarizes; give the right summary alone", "summary")
        return {"text": text, "summary": _reference(served, said.summary), **by}
    if calls is not None and not served.calls:
        raise refuse("no_calls", "knows no functions", "calls")
    if served.calls:
        if calls is None or label is not None or spans is not None:
            raise refuse("calls_alone", "calls functions; give calls alone, [] for none", "calls")
        return {"text": text, "calls": [_known(served, one) for one in calls], **by}
    if not served.marks:
        if spans is not None:
            raise refuse("no_spans", "marks no spans; give the label", "spans")
        if label is None:
            gives = (
                "documents; say the right one's id" if served.ranks else "labels; say the right one"
            )
            raise refuse("label_missing", f"gives {gives}", "label")
        if served.ranks:
            for name in [label] if isinstance(label, str) else label:
                _check_document(served, name, alone=isinstance(label, str))
        gold = [label] if isinstance(label, str) and served.gives_sets else label
        return {"text": text, "label": gold, **by}
    if spans is None:
        raise refuse("spans_missing", "marks spans; give all of the text, [] for none", "spans")
    if (label is not None) != bool(served.labels):
        gives = "no label; leave it out" if label is not None else "a label; say the right one"
        raise refuse("one_label", f"gives the whole text {gives}", "label")
    assert not isinstance(label, list)
    return {"text": text, **annotated(label, spans), **by}


def _reference(served: Served, said: str | Mapping[str, str]) -> dict[str, str]:
    """A reference summary as `attar build` reads it. Raises HttpError, 400."""
    if isinstance(said, str) and len(served.sections) > 1:
        raise HttpError(
            400, "sections_missing", f"{served.name!r} knows several sections: give an object of "
            f"section and text. Sections: {', '.join(served.sections)}.", param="summary",
        )  # fmt: skip
    texts = {served.sections[0]: said} if isinstance(said, str) else dict(said)
    for name in texts:
        if name not in served.sections:
            raise HttpError(
                400, "no_such_section", f"{served.name!r} knows no section {name[:80]!r}."
                f"{did_you_mean(name, served.sections)} It knows: {', '.join(served.sections)}.",
                param="summary",
            )  # fmt: skip
    kept = {name: text for name, text in texts.items() if text.strip()}
    if not kept:
        raise HttpError(400, "empty_summary", "the summary is empty", param="summary")
    return kept


def _check_document(served: Served, label: str, alone: bool) -> None:
    """Raise HttpError, 400, for what is neither the id of a document nor, where it is said alone,
    the label of queries that none answers."""
    documents = served.predictor.documents
    if (alone and label in served.all_labels) or any(
        label == one.id or label in one.also for one in documents
    ):
        return
    ids = [one.id for one in documents[:SEARCHED]]
    none = " A query that no document answers has no label in this model's data."
    if served.all_labels:
        none = f" A query that no document answers is {served.all_labels[0]!r}."
    raise HttpError(
        400, "no_such_document", f"{served.name!r} knows no document {label[:80]!r}."
        f"{did_you_mean(label, ids)}{none}", param="label",
    )  # fmt: skip


def _known(served: Served, call: Mapping[str, Any]) -> Mapping[str, Any]:
    """The call, if the model's functions allow it. Raises HttpError, 400."""
    known = {one["name"]: one.get("parameters") or {} for one in served.functions}
    if call["name"] not in known:
        raise HttpError(
            400, "no_such_function", f"{served.name!r} knows no function {call['name'][:80]!r}."
            f"{did_you_mean(call['name'], known)} It knows: {', '.join(known)}.", param="calls",
        )  # fmt: skip
    if not fits(call["arguments"], known[call["name"]]):
        raise HttpError(
            400, "invalid_arguments", f"the arguments of {call['name']!r} do not keep its "
            "parameters' schema", param="calls",
        )  # fmt: skip
    return call


def annotated(label: str | None, spans: Iterable[Span | FoundSpan]) -> dict[str, Any]:
    """An annotation as the fields of a row."""
    marked = [{"start": one.start, "end": one.end, "label": one.label} for one in spans]
    return ({} if label is None else {"label": label}) | {"spans": marked}
