"""The report: complete, plain, and never in the way when something was not measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attar.bundle import read_bundle, repack
from attar.errors import BundleError
from attar.evaluate.bench import (
    TOKENS,
    latency_summary,
    latency_times,
    peak_memory_mb,
    sample_text,
)
from attar.evaluate.examine import Examination
from attar.evaluate.latency_table import LatencyTable, cpu_name
from attar.evaluate.report import as_text, exit_code, full_report, versions
from attar.evaluate.teacher import teacher_quality
from attar.runtime.predictor import load
from attar.tasks import TASKS
from attar.types import Row

CLAIM = {
    "metric": "accuracy", "label": None, "at_least": 0.9, "at_most": None, "confidence": 0.95,
    "seals": 1, "value": 0.95, "lower": 0.93, "upper": 0.97, "rows": 500, "p_value": 0.001,
    "more_rows": None, "status": "met",
}  # fmt: skip


def sealed(**changes: Any) -> dict[str, Any]:
    report: dict[str, Any] = {
        "name": "tiny",
        "task": "classify",
        "labels": ["cancel", "delivery", "refund"],
        "student": "1 layer",
        "metrics": {"accuracy": 0.95, "macro_f1": 0.94, "agreement": 0.97, "oos_auroc": 0.98},
        "chance": 0.34,
        "threshold": 0.5,
        "certify_rows": 500,
        "claims": [CLAIM],
        "teacher": {"name": "full", "model": "embedded", "metrics": {"accuracy": 0.96}},
        "budget": {"size_mb": 5.0},
        "plan": {"student": {"value": "1 layer", "reason": "best on select"}},
        "candidates": [
            {"name": "1 layer", "size_bytes": 5000, "score": 0.9, "parameters": 1, "select": {}}
        ],
        "data": {"dropped": {"duplicate": 3, "leak": 0}, "notes": ["a note"]},
        "seed": 0,
        "versions": versions(),
    }
    return {**report, **changes}


@pytest.fixture
def report_of(tiny_bundle: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def make(measurements: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        extra = {"report.json": json.dumps(sealed(**changes)).encode()}
        if measurements is not None:
            extra["measurements.json"] = json.dumps(measurements).encode()
        bundle = repack(read_bundle(tiny_bundle), extra, tmp_path / "sealed.attar", force=True)
        return full_report(bundle)

    return make


def test_a_full_report(report_of: Callable[..., dict[str, Any]]) -> None:
    measured = {"latency": {"p50_ms": 0.5}, "peak_memory_mb": 80.0}
    report = report_of(measured)
    assert report["budget"]["size_mb"]["limit"] == 5.0
    assert report["budget"]["latency_ms"] == {"limit": None, "measured": 0.5}
    assert report["measurements"] == measured
    text = as_text(report)
    for part in (
        "95.00%",
        "0.9800",
        "1 layer *",
        "3 duplicate",
        "note: a note",
        "accuracy at least 0.9, at 95% confidence: met",
        report["content_sha256"],
    ):
        assert part in text, part
    assert "leak" not in text
    assert max(map(len, text.splitlines())) < 120
    assert exit_code(report) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {}, "teacher": {"name": "x", "model": "x", "metrics": {}}},
        {"metrics": {"accuracy": None, "oos_auroc": None}},
        {"claims": [], "candidates": [], "data": {}},
        {"claims": [CLAIM | {"value": None, "lower": 0.0, "upper": 1.0, "status": "undecided"}]},
        {"claims": [CLAIM | {"at_least": None, "at_most": 0.1, "status": "unmet"}]},
        {"budget": {}, "certify_rows": 0, "labels": []},
        {"budget": {"size_mb": 5.0, "latency_ms": 2.0, "memory_mb": 1500.0}},
    ],
)
def test_what_is_missing_does_not_crash_it(
    changes: dict[str, Any], report_of: Callable[..., dict[str, Any]]
) -> None:
    for measurements in (None, {}, {"latency": {}, "peak_memory_mb": 1234.5}):
        report = report_of(measurements, **changes)
        assert as_text(report)
        expected = 0 if all(c["status"] == "met" for c in report["claims"]) else 4
        assert exit_code(report) == expected


def test_measurements_are_outside_the_content(report_of: Callable[..., dict[str, Any]]) -> None:
    first = report_of({"latency": {"p50_ms": 1.0}})
    second = report_of({"latency": {"p50_ms": 2.0}})
    assert first["content_sha256"] == second["content_sha256"]
    assert first["content_sha256"] != report_of(seed=1)["content_sha256"]


def test_a_draft_has_no_report(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="holds no report"):
        full_report(read_bundle(tiny_bundle))


def test_versions_name_what_is_installed() -> None:
    assert {"python", "attar", "numpy", "onnxruntime", "tokenizers"} <= set(versions())


def test_the_latency_table_measures_once(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTAR_CACHE", str(tmp_path / "cache"))
    asked = []

    def bundle() -> Path:
        asked.append(1)
        return tiny_bundle

    table = LatencyTable.of_this_machine()
    assert table.path.is_relative_to(tmp_path / "cache")
    first = table.lookup("a shape", bundle)
    assert 0 < first < 1000
    assert LatencyTable.of_this_machine().lookup("a shape", bundle) == first
    assert len(asked) == 1
    table.lookup("another", bundle)
    assert len(asked) == 2
    assert set(json.loads(table.path.read_text())) == {"a shape", "another"}
    table.path.write_text("{ damaged")
    assert table.lookup("a shape", bundle) > 0
    assert len(asked) == 3
    monkeypatch.delenv("ATTAR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert LatencyTable.of_this_machine().path.is_relative_to(tmp_path / "xdg")
    assert cpu_name()


def test_latency_and_memory(tiny_bundle: Path) -> None:
    predictor = load(tiny_bundle)
    assert predictor.count_tokens(sample_text(predictor)) == TOKENS
    found = latency_summary(latency_times(predictor))
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert 10 < peak_memory_mb(tiny_bundle) < 500
    with pytest.raises(BundleError, match="does not answer in a fresh process"):
        peak_memory_mb(tiny_bundle.with_name("gone.attar"))


class Echo:
    """A teacher that answers by the first word."""

    name = "echo"

    def answer(self, texts: Any) -> Any:
        logits = np.zeros((len(texts), 4), np.float32)
        for i, text in enumerate(texts):
            logits[i, {"cancel": 0, "parcel": 1, "refund": 2}.get(text.split()[0], 3)] = 5.0
        return logits, np.zeros((len(texts), 2), np.float32)


def test_quality_against_gold_and_teacher(tiny_bundle: Path) -> None:
    task, predictor = TASKS.get("classify"), load(tiny_bundle)
    columns = ("cancel", "delivery", "refund", "oos")
    rows = [
        Row("refund please", "refund"),
        Row("my refund", "refund"),  # the teacher reads another first word
        Row("parcel please", "cancel"),  # gold is wrong, both agree
        Row("weather now", "oos"),
    ]
    found = Examination(task, predictor, rows, Echo(), columns, "oos").metrics()
    assert found["accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["agreement"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["oos_auroc"] == 1.0
    nothing = Examination(task, predictor, [], Echo(), columns, "oos").metrics()
    assert nothing["accuracy"] is None
    assert nothing["agreement"] is None
    alone = Examination(task, predictor, rows, None, columns, "oos").metrics()
    assert "agreement" not in alone
    settings = predictor.manifest["task_settings"]
    taught = teacher_quality(task, rows, Echo(), dict(settings), columns, "oos")
    assert taught["accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert set(taught) == {"accuracy", "macro_f1", "oos_auroc"}
