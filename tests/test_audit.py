"""The audit, small: it counts what it should, resumes, and can find a broken promise."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from attar import audit as module
from attar.audit import audit, binomial_limit
from attar.cli import main
from attar.errors import DataError
from attar.evaluate.bounds import Bounds
from attar.recipe import read_recipe
from attar.types import Silent

SETTINGS: dict[str, Any] = {"draws": 60, "redraws": 3, "sample": 40}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, write_desk: Any) -> Path:
    found: Path = write_desk(tmp_path_factory.mktemp("audit"), "", rows=60)
    return found


@pytest.fixture(scope="module")
def found(recipe: Path) -> dict[str, Any]:
    return audit(read_recipe(recipe), **SETTINGS)


def test_the_tables(found: dict[str, Any]) -> None:
    fixed = {row["metric"]: row for row in found["fixed_model"]["metrics"]}
    assert {"accuracy", "macro_f1", "retained", "oos_auroc", "naive threshold"} <= set(fixed)
    assert fixed["accuracy"]["trials"] == 60
    assert fixed["accuracy"]["limit"] == pytest.approx(binomial_limit(0.05, 60), abs=1e-6)
    assert 0.2 < fixed["accuracy"]["naive_share"] < 0.8  # half of the time, without an interval
    redrawn = {row["metric"]: row for row in found["redraws"]["metrics"]}
    assert redrawn["accuracy"]["trials"] == 3
    assert "retained" not in redrawn
    json.dumps(found, allow_nan=False)


def test_it_goes_on_where_it_was(recipe: Path, found: dict[str, Any]) -> None:
    said = Silent()
    again = audit(read_recipe(recipe), **SETTINGS, progress=said)
    assert again == found
    assert "audit (a): 60 samples of 40 rows: 60 reused" in said.messages
    (lines,) = recipe.parent.glob(".attar/audit/*/fixed-40.jsonl")
    kept = lines.read_text().splitlines()
    lines.write_text("\n".join(kept[:10]) + "\n" + kept[10][:20])  # killed while writing
    assert audit(read_recipe(recipe), **SETTINGS) == found


def test_it_can_find_a_broken_promise(
    recipe: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With bounds that promise what was measured, half of the promises break."""

    def measured(evidence: Any) -> Any:
        return lambda alpha: Bounds(evidence.value, evidence.value, evidence.rows)

    monkeypatch.setattr(module, "bounds_of", measured)
    broken = audit(read_recipe(recipe), draws=60, redraws=0, sample=41)
    (row,) = [r for r in broken["fixed_model"]["metrics"] if r["metric"] == "accuracy"]
    assert row["kept"] is False
    assert row["share"] == row["naive_share"]


def test_the_command(recipe: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    command = ["audit", str(recipe), "--draws", "60", "--redraws", "3", "--sample", "40"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--html", str(page)])
    assert stopped.value.code in (0, 4)
    assert "promised too much" in capsys.readouterr().out
    assert "<svg" in page.read_text()
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--html", str(page)])
    assert stopped.value.code == 2


def test_few_rows_are_refused(tmp_path: Path, write_desk: Any) -> None:
    few = write_desk(tmp_path, "", rows=6)
    with pytest.raises(DataError, match="at least 20 labeled rows a label"):
        audit(read_recipe(few))


def test_the_limit() -> None:
    assert binomial_limit(0.05, 2000) == pytest.approx(0.05 + 2 * math.sqrt(0.0475 / 2000))
