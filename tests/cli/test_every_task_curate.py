"""attar curate on every task: what it writes is read again, what it cannot do it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")  # as the makers of the rows need it

from attar.data.called import read_functions, task_of
from attar.data.read import read_rows
from attar.recipe import read_recipe
from conftest import Done, assert_one_error
from every_task import TASKS, write_task

Attar = Callable[..., Done]


@pytest.fixture(params=list(TASKS))
def recipe(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "calls":
        pytest.importorskip("dateparser")
    return write_task(request.param, tmp_path)


def test_redacted_rows_are_read_by_the_same_recipe(recipe: Path, attar_command: Attar) -> None:
    """Calls used to be written as templates, texts in a field that the recipe did not name."""
    pytest.importorskip("presidio_analyzer")
    out = recipe.parent / "out.jsonl"
    done = attar_command("curate", recipe, "--json", "--redact", out)
    assert done.code == 0, done.err
    counts = json.loads(done.out)["rows"]
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {row["split"] for row in written} >= {"train", "select", "calibrate", "certify"}
    assert sum(row["split"] == "certify" for row in written) == counts["certify"]
    known = read_recipe(recipe)
    functions = known.data.functions and read_functions(known.data.functions)
    kind = task_of(known).gold_kind

    def labels(*paths: Path) -> set[tuple[str, str | None]]:
        rows, _ = read_rows(
            paths, known.data, labeled=True, strict=True, kind=kind, functions=functions or None
        )
        return {(row.text, row.label) for row in rows}

    assert labels(out) <= labels(*known.data.train, *known.data.test)


def test_labels_that_cannot_be_judged_are_refused(recipe: Path, attar_command: Attar) -> None:
    """Those of other tasks than classify used to end in a traceback."""
    known = read_recipe(recipe)
    if known.task == "classify":
        pytest.skip("has one label a row; tests/cli/test_data_commands.py looks at them")
    assert_one_error(attar_command("curate", recipe, "--labels"), "--labels", known.task)
    recipe.write_text(
        recipe.read_text().replace("[data]", '[data]\nsuspicious_labels = "drop"'),
    )
    assert_one_error(attar_command("curate", recipe), 'suspicious_labels = "drop"', "Take it out")
