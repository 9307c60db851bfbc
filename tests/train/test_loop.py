"""The training loop: it learns, it repeats, and a killed run loses nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from attar.passes import Artifact, Context
from attar.train.loop import TrainSettings, train
from attar.train.models import Model
from attar.train.precision import native_bf16
from attar.types import Silent

SETTINGS = TrainSettings(epochs=4, learning_rate=1e-3, batch_size=16, seed=5)
BATCHES = 6  # of 96 rows


class Killed(Exception):
    pass


@dataclass(frozen=True, slots=True)
class KillAfter(Silent):
    """Raises in place of the batch with this number, as a kill between two steps."""

    batches: int = 0

    def track(self, items: Iterable[Any], what: str, total: int | None = None) -> Any:
        for number, item in enumerate(items):
            if number == self.batches:
                raise Killed
            yield item


@dataclass(slots=True)
class Run:
    start: Artifact
    context: Context
    checkpoint: Path

    def __call__(self, settings: TrainSettings = SETTINGS, progress: Any = None) -> Any:
        """Train from the start; returns the model, its projection and the last loss."""
        model = Model.load(self.start.folder)
        torch.manual_seed(1)
        projection = torch.nn.Linear(32, 4)
        target = torch.from_numpy(self.context.targets())
        losses = []

        def objective(logits: Any, embedding: Any, rows: Any) -> Any:
            loss = model.head.gold_loss(logits + projection(embedding), target[rows])
            losses.append(loss.item())
            return loss

        train(
            model,
            model.tokens([row.text for row in self.context.dataset.train]),
            objective,
            settings,
            self.checkpoint,
            progress or Silent(),
            "test",
            tuple(projection.parameters()),
        )
        state = {**model.state_dict(), **{f"p.{k}": v for k, v in projection.state_dict().items()}}
        return state, losses


@pytest.fixture
def run(tiny_start: Artifact, tiny_context: Context, tmp_path: Path) -> Run:
    return Run(tiny_start, tiny_context, tmp_path / "state.checkpoint")


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


@pytest.mark.parametrize("killed_at", [1, 2 * BATCHES, 2 * BATCHES + 3, 4 * BATCHES - 1])
def test_a_killed_run_ends_with_the_same_weights(run: Run, killed_at: int) -> None:
    expected, _ = run()
    run.checkpoint.unlink()
    with pytest.raises(Killed):
        run(progress=KillAfter(batches=killed_at))
    assert run.checkpoint.exists() == (killed_at >= BATCHES)
    torch.manual_seed(123)  # a new process has other random states
    said = Silent()
    found, losses = run(progress=said)
    done = killed_at // BATCHES
    assert len(losses) == (4 - done) * BATCHES
    if done:
        assert said.messages == [f"test: continues after epoch {done} of 4"]
    assert_equal(found, expected)


def test_it_learns_and_repeats(run: Run) -> None:
    first, losses = run()
    assert sum(losses[-BATCHES:]) < 0.9 * sum(losses[:BATCHES])
    run.checkpoint.unlink()
    second, _ = run()
    assert_equal(second, first)
    run.checkpoint.unlink()
    other, _ = run(replace(SETTINGS, seed=6))
    assert any(not torch.equal(other[name], first[name]) for name in first)


def test_a_finished_checkpoint_needs_no_batch(run: Run) -> None:
    expected, _ = run()
    found, losses = run()
    assert losses == []
    assert_equal(found, expected)


def test_frozen_weights_stay(run: Run, tiny_start: Artifact, tmp_path: Path) -> None:
    model = Model.load(tiny_start.folder)
    model.encoder.requires_grad_(False)
    before = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    target = torch.from_numpy(run.context.targets())
    train(
        model,
        model.tokens([row.text for row in run.context.dataset.train]),
        lambda logits, _, rows: model.head.gold_loss(logits, target[rows]),
        replace(SETTINGS, epochs=1),
        tmp_path / "c",
        Silent(),
        "test",
    )
    assert_equal(dict(model.encoder.state_dict()), before)


def test_native_bf16_is_a_fact() -> None:
    assert native_bf16() in (True, False)
