"""The frontier: what is measured, what competes with what, and how minutes become a count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner

from attar.build import build
from attar.cli import commands
from attar.plan.frontier import frontier
from attar.plan.search import (
    SHORT,
    TRIAL,
    Candidate,
    affordable,
    behind_the_best,
    behind_the_frontier,
    nominal_seconds,
    successive_halving,
)
from attar.recipe import read_recipe
from attar.train.shapes import Shape
from attar.types import Silent

SIZES = (0.045, 0.06, 0.08, 0.1)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, write_desk: Callable[..., Path]) -> Path:
    return write_desk(tmp_path_factory.mktemp("frontier"), "[budget]\nsize_mb = 0.07\n")


def test_it_measures_resumes_and_serves_the_build(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTAR_CACHE", str(tmp_path))
    found = frontier(read_recipe(recipe), sizes=SIZES)
    points = found["points"]
    assert [p["family"] for p in points].count("teacher") == 1
    assert len({p["name"] for p in points}) == len(points) > 3
    sizes = [p["size_bytes"] for p in points if p["family"] != "teacher"]
    assert sizes == sorted(sizes)
    best = -1.0
    for point in points:
        assert point["on_frontier"] == (point["score"] > best)
        best = max(best, point["score"])
        assert point["low"] <= point["value"] <= point["high"]
        assert point["latency_ms"] > 0
    assert [s["size_mb"] for s in found["sizes"]] == sorted([*SIZES, 0.07])
    assert json.loads((recipe.parent / ".attar" / "frontier.json").read_text()) == found
    said = Silent()
    assert frontier(read_recipe(recipe), sizes=SIZES, progress=said) == found
    assert not [m for m in said.messages if "distill" in m and "reused" not in m]
    said = Silent()
    report = build(recipe, tmp_path / "out.attar", progress=said)
    trials = {p["name"] for p in points}
    assert {c["name"] for c in report["candidates"]} <= trials


def test_the_command(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAR_CACHE", str(tmp_path))
    page = tmp_path / "page.html"
    arguments = ["frontier", str(recipe), "--sizes", "0.06", "--html", str(page)]
    done = CliRunner().invoke(commands, arguments, standalone_mode=False)
    assert done.exception is None
    assert "best at each size" in done.output
    assert "</svg>" in page.read_text()
    again = CliRunner().invoke(commands, arguments, standalone_mode=False)
    assert "--force" in str(again.exception)
    wrong = CliRunner().invoke(commands, ["frontier", str(recipe), "--sizes", "1,big"])
    assert wrong.exit_code == 2
    assert "expected megabytes" in wrong.output


def scored(name: int, size: int, score: float, trial: float = SHORT) -> Candidate:
    return Candidate(Shape((), name), size, 1, {"accuracy": score}, score, trial)


def test_the_regret_of_a_frontier_is_within_its_size() -> None:
    small, large, dominated = scored(1, 10, 0.7), scored(2, 30, 0.9), scored(3, 20, 0.6)
    field = [small, large, dominated]
    assert [behind_the_frontier(c, field) for c in field] == pytest.approx([0.0, 0.0, 0.1])
    assert [behind_the_best(c, field) for c in field] == pytest.approx([0.2, 0.0, 0.3])


def test_the_better_half_gets_the_long_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {16: 0.5, 24: 0.9, 32: 0.7, 48: 0.6, 64: 0.8}
    runs: list[tuple[int, float]] = []

    def measure(
        shape: Shape, start: object, context: object, part: float, from_labels: bool
    ) -> Candidate:
        assert from_labels
        runs.append((shape.hidden, part))
        return scored(shape.hidden, shape.hidden, scores[shape.hidden], part)

    monkeypatch.setattr("attar.plan.search.measure", measure)

    class Here:
        progress = Silent()

    shapes = [Shape((), hidden) for hidden in scores]
    found = successive_halving(shapes, None, Here(), behind_the_best, True)  # type: ignore[arg-type]
    assert [c.shape for c in found] == shapes
    long = {c.shape.hidden for c in found if c.trial == TRIAL and c.shape is not None}
    assert long == {24, 64, 32}
    assert len(runs) == 5 + 3
    runs.clear()
    successive_halving(shapes[:3], None, Here(), behind_the_best, True)  # type: ignore[arg-type]
    assert runs == [(16, TRIAL), (24, TRIAL), (32, TRIAL)]


def test_minutes_become_a_count_without_a_clock() -> None:
    shapes: list[Shape | None] = [Shape((), width) for width in (16, 32, 64, 96, 128)]
    shapes += [Shape((0,), 384), Shape((0, 5), 384)]
    each = [nominal_seconds(shape, 8000, 16, 6) for shape in shapes]
    assert each[-1] > each[-2] > each[0] > 0
    everything = sum(each) / 60
    assert affordable(shapes, 1.01 * everything, 8000, 16, 6) == shapes
    some = affordable(shapes, everything / 2, 8000, 16, 6)
    assert 1 <= len(some) < len(shapes)
    assert some == affordable(shapes, everything / 2, 8000, 16, 6)
    assert affordable(shapes, 1e-9, 8000, 16, 6) == [shapes[0]]
    assert affordable(shapes, everything, 8000, 64, 6) != shapes  # longer texts take longer
