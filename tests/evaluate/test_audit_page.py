"""The audit's two forms: whole, safe to open, and plain about a broken promise."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from html_reader import Page

from attar.evaluate.page.audit import as_html, as_text

HOSTILE = "<script>alert(1)</script>\"'&</style><img src=x onerror=y>"


def entry(metric: str, missed: int, trials: int = 2000, **changes: Any) -> dict[str, Any]:
    limit = 0.059747 if trials == 2000 else 0.080822
    share = missed / trials
    made = {
        "metric": metric, "trials": trials, "missed": missed, "share": share, "limit": limit,
        "kept": share <= limit, "naive_share": 0.513,
    }  # fmt: skip
    return {**made, **changes}


#: As the audit gives what only the naive way was asked for.
NAIVE = {"trials": 0, "missed": None, "share": None, "limit": None, "kept": None}

KEPT: dict[str, Any] = {
    "name": "bank-support",
    "alpha": 0.05,
    "pool_rows": 12000,
    "family": "no layers, 128 wide, gold labels",
    "fixed_model": {
        "draws": 2000,
        "sample": 1000,
        "truth": {"accuracy": 0.9013, "macro_f1": 0.8991, "error_when_answering": 0.0467},
        "metrics": [
            entry("accuracy", 88),
            entry("macro_f1", 71),
            entry("error_when_answering", 94, naive_share=None),
            {**entry("naive threshold", 0), **NAIVE, "naive_share": 0.694},
        ],
    },
    "redraws": {
        "redraws": 200,
        "overlap": 0.1,
        "certified": 183,
        "metrics": [entry("accuracy", 9, 200), entry("error_when_answering", 0, 200)],
    },
}


def broken() -> dict[str, Any]:
    found = copy.deepcopy(KEPT)
    found["redraws"]["metrics"][1] = entry("error_when_answering", 31, 200)
    return found


def empty() -> dict[str, Any]:
    """No draw and no redraw."""
    found = copy.deepcopy(KEPT)
    for part in ("fixed_model", "redraws"):
        found[part]["metrics"] = []
    return found


@pytest.mark.parametrize("found", [KEPT, broken(), empty()], ids=["kept", "broken", "empty"])
def test_the_page_is_whole_and_asks_the_network_for_nothing(found: dict[str, Any]) -> None:
    source = as_html(found)
    page = Page(source)
    assert [name for name, _ in page.tags].count("h1") == 1
    assert "None" not in source and "nan" not in source
    assert "//" not in source and "url(" not in source and "@import" not in source
    assert "default-src 'none'" in source
    for name, attributes in page.tags:
        assert name not in {"script", "link", "img", "iframe", "object", "base", "form"}
        assert not {"src", "srcset", "href", "action", "style"} & attributes.keys()
        assert name != "svg" or attributes.get("aria-label")
        assert name != "th" or attributes["scope"] in {"row", "col"}


def test_no_name_becomes_markup() -> None:
    found = copy.deepcopy(KEPT)
    found["name"] += HOSTILE
    found["family"] += HOSTILE
    found["redraws"]["metrics"][0]["metric"] += HOSTILE
    dirty = as_html(found)
    assert "<script" not in dirty and "<img" not in dirty and "&lt;script&gt;" in dirty
    assert dirty.count("</style>") == 1
    assert [name for name, _ in Page(dirty).tags] == [name for name, _ in Page(as_html(KEPT)).tags]


def test_promises_that_are_kept_say_so() -> None:
    for text in (as_text(KEPT), Page(as_html(KEPT)).text):
        assert "5 promises tested, none broken more often than allowed." in text
        assert "88 of 2,000 (4.4%)" in text and "6.0%" in text and "69.4%" in text
        assert "183" in text and "12,000" in text
    assert "NO" not in as_text(KEPT)


def test_a_broken_promise_is_seen_in_words() -> None:
    said = "5 promises tested, 1 broken more often than allowed: error_when_answering (redraws)."
    text, page = as_text(broken()), Page(as_html(broken())).text
    assert said in text and said in page
    row = next(line for line in text.splitlines() if "31 of 200" in line)
    assert re.split(r" {2,}", row.strip()) == [
        "error_when_answering", "31 of 200 (15.5%)", "8.1%", "NO", "51.3%",
    ]  # fmt: skip
    assert re.search(r"31 of 200 \(15\.5%\)8\.1%broken51\.3%", page)


def test_the_naive_way_alone_is_neither_kept_nor_broken() -> None:
    row = next(line for line in as_text(KEPT).splitlines() if "naive threshold" in line)
    assert re.split(r" {2,}", row.strip()) == ["naive threshold", "–", "–", "–", "69.4%"]


def test_an_audit_of_nothing_says_so() -> None:
    assert "Nothing was tested." in as_text(empty())
