"""What a row of the task summarize is labeled with, and what is answered, as one name each.

A row's label is a text everywhere (`tasks.label_sets` says why). A reference is named by its
JSON, `{"sections": {"plan": "Rest."}}`; data without sections has the one section SUMMARY. An
answer is named by the places of the sentences that it takes over,
`{"sentences": [[10, 16, "plan"]]}`, in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SUMMARY = "summary"


class Chosen(NamedTuple):
    """A sentence of the document, and the section that it is for. start, end: code points,
    end not included."""

    start: int
    end: int
    section: str


def reference_name(sections: Mapping[str, str]) -> str:
    """The reference's one name, whatever the order of its sections."""
    return json.dumps({"sections": dict(sorted(sections.items()))}, ensure_ascii=False)


def reference_in(name: str | None) -> dict[str, str]:
    """Section -> text, of a name that `reference_name` made; empty where a row has none."""
    found: dict[str, str] = {} if name is None else json.loads(name).get("sections", {})
    return found


def chosen_name(sentences: Iterable[tuple[int, int, str]]) -> str:
    """The name of an answer's sentences, whatever their order."""
    return json.dumps({"sentences": sorted(map(list, sentences))}, ensure_ascii=False)


def chosen_in(name: str | None) -> tuple[Chosen, ...]:
    """The sentences of a name that `chosen_name` made; none of another."""
    found = [] if name is None else json.loads(name).get("sentences", [])
    return tuple(Chosen(*one) for one in found)


def texts_in(name: str | None, text: str) -> dict[str, str]:
    """Section -> text, of a reference's name, or of an answer's to the document `text`."""
    found = reference_in(name)
    for one in chosen_in(name):
        before = found.get(one.section)
        said = text[one.start : one.end]
        found[one.section] = said if before is None else f"{before} {said}"
    return found
