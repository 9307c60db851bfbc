"""The report as one HTML page that needs nothing else: no script, no network, no fonts.

Each section shows what the report holds and is left out where the report is silent. What
the figures mean is decided elsewhere; here they are only shown. The audit's page (`audit`)
shares the markup, the drawings and the style.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attar.evaluate.page import costs, origin, promises, trust, weaknesses
from attar.evaluate.page.markup import Html, document, join, tag

Section = Callable[[Mapping[str, Any]], Html]

#: Anchor, name in the navigation, title, and what writes it ("" leaves it out).
SECTIONS: tuple[tuple[str, str, str, Section], ...] = (
    ("claims", "Claims", "What it promises", promises.claims),
    ("trust", "Trust", "What it can be trusted with", trust.beside_teacher),
    ("budget", "Budget", "Budget and candidates", costs.budget),
    ("handover", "Handing over", "Handing over", trust.handover),
    ("scores", "Scores", "How far its scores can be believed", trust.reliability),
    ("latency", "Latency and cost", "Latency, energy, cost", costs.latency),
    ("slices", "Slices", "Where it is weaker", weaknesses.slices),
    ("labels", "Labels", "Label by label", weaknesses.by_label),
    ("errors", "Errors", "What it gets wrong", weaknesses.errors),
    ("worst", "Worst answers", "Where it is furthest from the gold answer", weaknesses.worst),
    ("data", "Data", "Data", origin.data),
    ("reproduce", "Reproduce", "Reproduce it", origin.reproduce),
)


def as_html(report: Mapping[str, Any]) -> str:
    """A whole HTML document. report: as `full_report` returns it; any key may be absent."""
    links, sections = [], []
    for anchor, short, title, write in SECTIONS:
        if body := write(report):
            links.append(tag("a", short, href=f"#{anchor}"))
            named = f"{anchor}-title"
            heading = tag("h2", title, id=named)
            sections.append(tag("section", heading, body, id=anchor, aria_labelledby=named))
    page = join(
        tag("header", promises.headline(report)),
        tag("nav", *links, aria_label="Sections"),
        tag("main", *sections),
    )
    return document(f"{report.get('name') or 'Model'}: report", page)
