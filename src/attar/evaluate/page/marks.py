"""A text with its spans in color, each with its label after it, for readers of any sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attar.evaluate.page.markup import Html, breakable, hidden, join, tag

HUES = 8  # in the style sheet


def marked(text: str, found: Mapping[str, Any], kinds: Sequence[str]) -> Html:
    """found: `spans` in order, of start, end (code points) and label, and perhaps `label`, of the
    whole text. kinds: all labels of spans; a label's place among them is its color."""
    parts: list[object] = []
    if found.get("label") is not None:
        parts += [tag("strong", breakable(found["label"])), ": "]
    at = 0
    for span in found["spans"]:
        start, end, label = span["start"], span["end"], span["label"]
        if start < at:  # within another
            continue
        kind = tag("span", hidden(" ("), breakable(label), hidden(")"), class_="kind")
        hue = f"hue-{kinds.index(label) % HUES}"
        parts += [text[at:start], tag("mark", text[start:end], kind, class_=hue)]
        at = end
    return tag("span", join(*parts, text[at:]), class_="marked", dir="auto")


def kinds_in(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All labels of the spans in `marked` of rows, sorted."""
    both = [row["marked"][side] for row in rows for side in ("gold", "given")]
    return sorted({span["label"] for one in both for span in one["spans"]})
