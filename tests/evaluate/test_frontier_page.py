"""The frontier's page and text, from given points."""

from __future__ import annotations

from typing import Any

from html_reader import Page

from attar.evaluate.page.frontier import as_html, as_text


def point(name: str, size: int, score: float, **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "family": "no layers", "size_bytes": size, "parameters": size,
        "latency_ms": 0.2, "trial": 0.333, "score": score, "value": score, "low": score - 0.02,
        "high": score + 0.02, "oos_auroc": None, "agreement": 0.9, "on_frontier": True, **changes,
    }  # fmt: skip


FOUND = {
    "name": "<desk>",
    "figure": {"name": "accuracy", "title": "accuracy", "share": True},
    "select_rows": 766,
    "pieces": 2342,
    "machine": "a machine",
    "values": {},
    "points": [
        point("small", 290_000, 0.8),
        point("dominated", 900_000, 0.7, on_frontier=False, trial=0.111),
        point("the frozen teacher, float32", 90_000_000, 0.92, family="teacher", trial=None),
    ],
    "sizes": [{"size_mb": 0.1, "best": None}, {"size_mb": 0.3, "best": "small"}],
}


def test_the_page_is_whole_and_escaped() -> None:
    page = Page(as_html(FOUND))
    assert "What a megabyte buys for <desk>" in page.text
    assert "2 candidates from 0.29 MB to 0.90 MB; the best scores 0.8000." in page.text
    assert sum(name == "circle" for name, _ in page.tags) == 3


def test_the_text_marks_the_frontier_and_says_what_fits() -> None:
    lines = as_text(FOUND).splitlines()
    small = next(line for line in lines if line.strip().startswith("small"))
    assert small.endswith("best")
    dominated = next(line for line in lines if "dominated" in line)
    assert dominated.endswith("short trial")
    assert any(line.split() == ["0.1", "MB", "nothing", "fits"] for line in lines)
