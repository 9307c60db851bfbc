"""attar frontier and attar audit on every task, and how their pages and texts read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from attar.audit import audit
from attar.evaluate.page.audit import as_html as audit_page
from attar.evaluate.page.audit import as_text as audit_text
from attar.evaluate.page.frontier import as_html, as_text
from attar.plan.frontier import frontier
from attar.recipe import read_recipe
from every_task import TASKS, write_task

Written = Callable[[str], Path]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Written:
    made: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name == "calls":
            pytest.importorskip("dateparser")
        if name not in made:
            made[name] = write_task(name, tmp_path_factory.mktemp(name), tiny_encoder)
        return made[name]

    return write


@pytest.mark.parametrize("name", list(TASKS))
def test_the_frontier(
    name: str, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks without an accuracy used to fail at its interval, those whose teacher reads more than
    the text at a teacher that they do not have."""
    monkeypatch.setenv("ATTAR_CACHE", str(tmp_path))
    found = frontier(read_recipe(written(name)), sizes=(0.03,), minutes=0.1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    *students, teacher = found["points"]
    assert students and teacher["family"] == "teacher"
    for point in found["points"]:
        assert point["low"] <= point["value"] <= point["high"]
        assert math.isfinite(point["score"])
    assert found["figure"]["title"] in as_text(found)
    assert found["figure"]["title"] in as_html(found)


@pytest.mark.parametrize("name", list(TASKS))
def test_the_audit(name: str, written: Written) -> None:
    """It used to know the labels, the teacher and the metrics of the task classify alone."""
    found = audit(read_recipe(written(name)), draws=20, redraws=1, sample=30)
    fixed = {row["metric"]: row for row in found["fixed_model"]["metrics"]}
    assert {TASKS[name][2], "retained"} <= set(fixed)
    assert all(row["trials"] == 20 for row in (fixed[TASKS[name][2]], fixed["retained"]))
    assert found["redraws"]["redraws"] == 1
    json.dumps(found, allow_nan=False)
    assert TASKS[name][2] in audit_text(found)
    assert TASKS[name][2].replace("_", "_<wbr>") in audit_page(found).replace("<wbr/>", "<wbr>")
