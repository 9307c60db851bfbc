"""The answer to an infeasible budget: what was measured, what would fit, what would help."""

from __future__ import annotations

from dataclasses import replace

from attar.errors import InfeasibleError
from attar.passes import Artifact, Context
from attar.plan.search import latency_of, measure, source_of
from attar.plan.teacher import frozen_teacher
from attar.recipe import Budget
from attar.train.shapes import REPORTS, bundle_bytes, no_layer_shapes

SHOWN = 3


def infeasible(
    budget: Budget, start: Artifact, teacher_start: Artifact, context: Context
) -> InfeasibleError:
    """Measure the smallest students, taught by the frozen teacher, which takes seconds.

    start: trimmed to the vocabulary of the texts."""
    source, pieces = source_of(start)
    assert source is not None
    context = replace(context, teacher=frozen_teacher(teacher_start, context))
    shapes = no_layer_shapes(source)[-SHOWN:]
    lines, smallest = [], 0.0
    for shape in shapes:
        found = measure(shape, start, context)
        computed = bundle_bytes(shape, source, pieces, len(context.columns))
        smallest = max(computed, found.size_bytes + REPORTS) / 1e6  # shapes run down in size
        latency = latency_of(shape, source, start, context)
        lines.append(
            f"  {shape.name:24} {smallest:6.3f} MB  {latency:6.3f} ms  "
            f"score on select {found.score:.3f}"
        )
    return InfeasibleError(
        f"no student meets the budget ({_words(budget)}).\n"
        "The smallest, measured with the frozen teacher and no search:\n"
        + "\n".join(lines)
        + f"\nThe nearest feasible budget: size_mb = {_round_up(smallest)}"
        + (
            f", latency_ms = {_round_up(latency_of(shapes[-1], source, start, context))}"
            if budget.latency_ms is not None
            else ""
        )
        + f"\nMost bytes are the vocabulary: {pieces:,} pieces that the texts use. A narrower "
        "domain needs fewer; more labels or a larger teacher raise the accuracy at a size."
    )


def _words(budget: Budget) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in budget.as_dict().items())


def _round_up(value: float) -> float:
    step = 0.01
    return round((int(value / step) + 1) * step, 2)
