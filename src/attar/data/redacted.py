"""Rows without the personal data that was found in them, whatever their labels say.

A label that is a name stays as it is. Spans move with the text, and the text of a reference
is redacted like the document's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from attar.data.personal import Found, find_personal_data, placeholders
from attar.tasks.annotations import Span, annotation_in
from attar.tasks.annotations import name_of as annotation_name
from attar.tasks.calling import filled
from attar.tasks.functions import Functions
from attar.tasks.label_sets import labels_in
from attar.tasks.right_documents import documents_in
from attar.tasks.summaries import SUMMARY, reference_in, reference_name
from attar.types import GoldKind, Row


def redacted(row: Row, found: Sequence[Found], kind: GoldKind) -> Row:
    """The row with every finding, in order, replaced by its kind: <EMAIL>."""
    label = row.label
    if kind == "summary" and label is not None:
        sections = reference_in(label).items()
        label = reference_name(
            {name: placeholders(text, find_personal_data(text)) for name, text in sections}
        )
    if not found:
        return replace(row, label=label)
    if kind == "spans" and label is not None:
        annotation = annotation_in(label)
        spans = moved(annotation.spans, found)
        owners = annotation.owners if len(spans) == len(annotation.spans) else None
        label = annotation_name(annotation.label, spans, owners=owners)
    return replace(row, text=placeholders(row.text, found), label=label)


def moved(spans: Sequence[Span], found: Sequence[Found]) -> list[Span]:
    """The spans where they are once `found` is replaced. One that holds part of a finding holds
    all of what stands for it; of two that would hold the same, the first does."""

    def place(at: int, *, end: bool) -> int:
        shift = 0
        for one in found:
            long = len(f"<{one.kind}>")
            if at >= one.end:
                shift += long - (one.end - one.start)
            elif at > one.start:
                return one.start + shift + (long if end else 0)
        return at + shift

    kept: list[Span] = []
    for span in spans:
        start, end = place(span.start, end=False), place(span.end, end=True)
        if not kept or start >= kept[-1].end:
            kept.append(span._replace(start=start, end=end))
    return kept


def label_fields(
    row: Row, kind: GoldKind, label: str = "label", functions: Functions | None = None
) -> dict[str, Any] | None:
    """What a row is labeled with, as the fields that rows are read from; nothing without one.

    label: the field of labels. functions: that the row's text may ask for. None where a call
    takes a value that was replaced, and is no longer one of its type.
    """
    if row.label is None:
        return {}
    if kind == "spans":
        annotation = annotation_in(row.label)
        spans = {"spans": [span._asdict() for span in annotation.spans]}
        if functions is not None:
            its = annotation.spans, row.text, functions
            made = filled(annotation.label, *its, owners=annotation.owners)
            calls = [{"name": one.name, "arguments": one.arguments} for one in made.calls]
            return {"calls": calls} if made.whole else None
        return spans if annotation.label is None else {label: annotation.label, **spans}
    if kind == "labels":
        return {label: list(labels_in(row.label))}
    if kind == "document" and len(documents_in(row.label)) > 1:
        return {label: list(documents_in(row.label))}
    if kind == "summary":
        sections = reference_in(row.label)
        return {label: sections[SUMMARY] if set(sections) == {SUMMARY} else sections}
    return {label: row.label}
