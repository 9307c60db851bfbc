"""Cards: only facts of the report, sections that vanish, and labels that stay labels."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("scipy.stats")

from attar.evaluate.card import data_card, model_card
from attar.evaluate.cost import cost
from attar.evaluate.markdown import bullets, escaped, table, yaml_text
from attar.evaluate.slices import bias_table, perturbed_slices, slices, worst
from attar.types import Row

CLAIM = {
    "metric": "error_when_answering", "label": None, "at_least": None, "at_most": 0.02,
    "confidence": 0.95, "seals": 2, "value": 0.01, "lower": 0.002, "upper": 0.03, "rows": 400,
    "p_value": 0.2, "more_rows": 300, "status": "undecided", "together": False,
}  # fmt: skip


def card_arrivals(rows: Sequence[Row]) -> NDArray[np.bool_]:
    return np.array([row.label == "card_arrival" for row in rows])


def full() -> dict[str, Any]:
    rows = [Row("where is my parcel", "card_arrival", f"shop {i % 2}") for i in range(40)]
    right = np.arange(40) % 2 == 0
    found = [*slices(rows, right), *perturbed_slices(card_arrivals, rows)]
    return {
        "name": "desk",
        "task": "classify",
        "labels": ["card_arrival", "re|fund"],
        "student": "2 layers",
        "seed": 0,
        "seals": 2,
        "versions": {"attar": "0.1", "python": "3.12"},
        "size_bytes": 3_210_000,
        "content_sha256": "ab" * 32,
        "metrics": {"accuracy": 0.95, "macro_f1": 0.94, "agreement": 0.97, "oos_auroc": None},
        "teacher": {"name": "full", "model": "embedded", "metrics": {"accuracy": 0.96}},
        "chance": 0.34,
        "certify_rows": 500,
        "budget": {"size_mb": {"limit": 5.0, "measured": 3.21}},
        "plan": {"distill.epochs": {"value": 12, "reason": "few | rows"}},
        "data": {
            "rows": {"train": 1000, "certify": 500},
            "labels": {"train": {"card_arrival": 600, "re|fund": 400}, "certify": {}},
            "dropped": {"duplicate": 3, "leak": 0},
            "flagged": {"personal data": 2},
            "balance": {
                "labels": {"count": 3, "effective_count": 2.5, "largest_share": 0.5},
            },
            "notes": ["the label <b> is rare"],
            "fingerprint": "cd" * 32,
        },
        "claims": [CLAIM, {**CLAIM, "status": "met", "together": True}],
        "handover": {
            "acceptance": "probability", "threshold": 0.5, "method": "Learn then Test",
            "certified": False,
            "curve": [
                {"threshold": 0.9, "answered": 0.1, "error": 0.0, "oos_accepted": 0.0},
                {"threshold": 0.5, "answered": 0.8, "error": 0.0125, "oos_accepted": None},
            ],
        },
        "comparison": {"gains": 3, "losses": 8, "p_value": 0.226562, "rows": []},
        "slices": found,
        "worst_slice": worst(found),
        "bias": bias_table(rows, right),
        "confusions": [{"gold": "re|fund", "named": "card_arrival", "rows": 4, "of": 90}],
        "cost": cost(1.0),
        "measurements": {
            "latency": {"p50_ms": 0.51234, "p99_ms": 0.9}, "peak_memory_mb": 61.2,
            "machine": "a machine", "energy": {"joules_per_request": 0.005, "method": "estimate",
                                               "watts": 10.0},
        },
    }  # fmt: skip


TITLES = [
    "What it does", "Intended use and out of scope", "Results", "Claims", "Handing over",
    "Where it fails", "Size, speed and cost", "Data", "Training", "Limits", "How to reproduce",
]  # fmt: skip


def titles(card: str) -> list[str]:
    return re.findall(r"^## (.*)$", card, re.MULTILINE)


def front_matter(card: str) -> Any:
    yaml = pytest.importorskip("yaml")
    _, matter, _ = card.split("---\n", 2)
    return yaml.safe_load(matter)


def test_every_section_of_a_full_report() -> None:
    card = model_card(full())
    assert titles(card) == TITLES
    for fact in (
        "card\\_arrival, re\\|fund",
        "| accuracy (gold, in scope) | 95.00% |",
        "| 96.00% |",
        "error\\_when\\_answering at most 0.02, at 95% confidence: undecided",
        "1 of 2 are met all together",
        "- 80.00% of the certify rows in scope are answered",
        "- 1.25% of those answers are wrong",
        "no threshold could guarantee",
        "shop 0 (+100.00%), shop 1 (-100.00%)",
        "| re\\|fund | card\\_arrival | 4 of 90 |",
        "0.512 ms (p50), 0.9 ms (p99) for a short text, one thread on a machine",
        "0.005 J a request (an estimate)",
        "requests a month",
        "Curation dropped: 3 duplicate.",
        "Flagged and kept: 2 personal data.",
        "Labels: 3, as diverse as 2.5 of equal size; the largest has 50.0% of the train rows.",
        "the label \\<b\\> is rare",
        "| distill.epochs | 12 | few \\| rows |",
        "judged 2 models",
        "1 of 2 claims are unmet or undecided",
        f"`{'ab' * 32}`",
        "seed 0, attar 0.1, python 3.12",
        "Only this model is right on 3, only the teacher on 8 rows",
    ):
        assert fact in card, fact
    assert "out-of-scope AUROC" not in card and "None" not in card


def test_the_interval_is_that_of_the_texts_as_written() -> None:
    report = full()
    whole = next(s for s in report["slices"] if s["name"] == "as written")
    assert f"{whole['lower']:.2%} to {whole['upper']:.2%} | 96.00%" in model_card(report)
    report["slices"] = []
    assert "| accuracy (gold, in scope) | 95.00% |  | 96.00% |" in model_card(report)


def test_front_matter_is_the_hubs() -> None:
    found = front_matter(model_card(full()))
    assert found["pipeline_tag"] == "text-classification"
    assert found["library_name"] == "attar"
    (model,) = found["model-index"]
    assert model["name"] == "desk"
    (result,) = model["results"]
    assert result["task"] == {"type": "text-classification"}
    assert [(m["type"], m["value"]) for m in result["metrics"]] == [
        ("accuracy", 0.95),
        ("f1", 0.94),
    ]


def test_an_empty_report_is_a_title() -> None:
    card = model_card({})
    assert titles(card) == []
    assert card.endswith("# model\n")
    assert "model-index" not in front_matter(card)


@pytest.mark.parametrize("key", sorted(full()))
def test_any_key_can_be_missing_or_null(key: str) -> None:
    report = full()
    left_out = model_card({k: v for k, v in report.items() if k != key})
    assert left_out == model_card({**report, key: None})
    assert set(titles(left_out)) <= set(TITLES)
    front_matter(left_out)
    assert data_card({**report, key: None})["@type"] == "Dataset"


def test_the_sealed_reports_budget_and_no_timings() -> None:
    """card.md is part of the content hash, so that nothing measured may be in it."""
    sealed = full() | {"budget": {"size_mb": 5.0}}
    for key in ("measurements", "cost", "size_bytes", "content_sha256"):
        del sealed[key]
    card = model_card(sealed)
    assert "Size, speed and cost" not in titles(card)
    assert " ms" not in card


def test_without_a_threshold_it_says_so() -> None:
    report = full()
    report["handover"] = {"threshold": None, "curve": [], "certified": None}
    card = model_card(report)
    assert "It answers every text." in card
    assert "get one of them nevertheless" in card


def test_measured_energy_and_dearer_machines_are_named() -> None:
    report = full()
    report["measurements"]["energy"]["method"] = "RAPL"
    report["cost"] = cost(1e6)
    card = model_card(report)
    assert "(measured by RAPL)" in card
    assert "| never |" in card


def test_no_more_than_the_worst_labels_are_shown() -> None:
    report = full()
    names = [f"label{i:02}" for i in range(30)]
    rows = [Row("a b", name) for name in names for _ in range(20)]
    report["slices"] = slices(rows, np.array([i // 20 != 17 for i in range(600)]))
    card = model_card(report)
    shown = re.findall(r"^\| (label\d+) \|", card, re.MULTILINE)
    assert len(shown) == 10 and shown[0] == "label17"


NASTY = st.text(max_size=30) | st.sampled_from(
    ["|", "a\nb", "---", "<script>", "`x`", "\\", "\x85"]
)


@settings(deadline=None, max_examples=60)
@given(NASTY, st.lists(NASTY, min_size=1, max_size=4))
def test_no_text_breaks_the_card(name: str, labels: list[str]) -> None:
    report = full() | {"name": name, "labels": labels}
    report["data"]["notes"] = labels
    report["confusions"] = [{"gold": x, "named": name, "rows": 1, "of": 2} for x in labels]
    card = model_card(report)
    assert card.encode()  # no lone surrogates
    assert titles(card) == TITLES
    found = front_matter(card)
    assert found["model-index"][0]["name"] == (name or "model")
    for line in card.splitlines():
        if line.startswith("| "):
            cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)
            assert len(cells) >= 4


@given(st.lists(st.lists(NASTY, min_size=2, max_size=2), max_size=4))
def test_tables_keep_their_columns(rows: list[list[str]]) -> None:
    lines = table(("a", "b"), rows).split("\n")
    assert len(lines) == 2 + len(rows)
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


def test_markdown() -> None:
    assert escaped(" a\n*b*  ") == "a \\*b\\*"
    assert escaped(None) == "None"
    assert bullets(["a", "b"]) == "- a\n- b"
    assert table(("x",), []) == "| x |\n| --- |"


@given(st.text())
def test_yaml_reads_back_what_was_quoted(text: str) -> None:
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(f"a: {yaml_text(text)}") == {"a": text}


def test_yaml_without_lone_surrogates() -> None:
    assert yaml_text("\ud83d") == '"?"'


def test_data_card() -> None:
    found = data_card(full())
    assert found["name"] == "desk: data"
    assert found["cr:recordSet"] == [
        {
            "@type": "cr:RecordSet", "name": "train", "rows": 1000,
            "labels": {"card_arrival": 600, "re|fund": 400},
        },
        {"@type": "cr:RecordSet", "name": "certify", "rows": 500},
    ]  # fmt: skip
    assert found["dropped"] == {"duplicate": 3, "leak": 0}
    assert found["flagged"] == {"personal data": 2} and found["balance"]["labels"]["count"] == 3
    assert found["notes"] == ["the label <b> is rare"]
    assert found["fingerprint"] == "cd" * 32
    assert json.loads(json.dumps(found)) == found


def test_data_card_of_nothing() -> None:
    assert set(data_card({})) == {"@context", "@type", "name", "description"}
