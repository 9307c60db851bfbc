"""What a row of the task extract is labeled with, as one name: an optional label and spans.

A row's label is a text everywhere (`tasks.label_sets` says why). An annotation is named by
its JSON, `{"label": "book_flight", "spans": [[10, 16, "city"]]}`, spans in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple


class Span(NamedTuple):
    """A part of a text and what it is. start, end: code points of the text, end not
    included, as Python's slices."""

    start: int
    end: int
    label: str


class Annotation(NamedTuple):
    """label: of the whole text; None where texts have none. spans: in order, none of them
    empty, none within or across another. calls: where the label is a template of calls and it is
    known, start and end of the words that ask for each (`tasks.segments`); only what is learned
    from says it, never what answers are compared with. owners: the number of the call that each
    span belongs to, where `calling.filled` would not find it by itself; None elsewhere."""

    label: str | None = None
    spans: tuple[Span, ...] = ()
    calls: tuple[tuple[int, int], ...] | None = None
    owners: tuple[int, ...] | None = None


def name_of(
    label: str | None,
    spans: Iterable[Span | tuple[int, int, str]],
    calls: Iterable[tuple[int, int]] | None = None,
    owners: Iterable[int] | None = None,
) -> str:
    """The annotation's one name, whatever the order of its spans; owners: in order of the text."""
    content: dict[str, Any] = {"label": label, "spans": sorted(map(list, spans))}
    if calls is not None:
        content["calls"] = [[*place] for place in calls]
    if owners is not None:
        content["owners"] = [*owners]
    return json.dumps(content, ensure_ascii=False)


def annotation_in(name: str | None) -> Annotation:
    """The annotation of a name that `name_of` made; an empty one where a row has none."""
    if name is None:
        return Annotation()
    found = json.loads(name)
    calls, owners = found.get("calls"), found.get("owners")
    return Annotation(
        found["label"],
        tuple(Span(*span) for span in found["spans"]),
        None if calls is None else tuple((start, end) for start, end in calls),
        None if owners is None else tuple(owners),
    )
