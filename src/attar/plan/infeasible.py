"""The answer to an infeasible budget: what was measured, what would fit, what would help."""

from __future__ import annotations

from attar.errors import InfeasibleError
from attar.plan.prepare import Prepared
from attar.plan.search import latency_of, measure
from attar.plan.vectors import documents_note
from attar.recipe import Budget
from attar.train.shapes import bundle_bytes, reports_bytes, smallest_shapes

SHOWN = 3


def infeasible(budget: Budget, base: Prepared) -> InfeasibleError:
    """Measure the smallest students, taught by the frozen teacher, which takes seconds."""
    source, columns = base.source, len(base.context.columns)
    assert source is not None
    lines, smallest, latency = [], 0.0, 0.0
    for shape in smallest_shapes(source, base.pieces)[-SHOWN:]:
        found = measure(shape, base.trimmed, base.trials)
        computed = bundle_bytes(shape, source, base.pieces, columns)
        finished = found.size_bytes + reports_bytes(columns)
        smallest = max(computed, finished) / 1e6  # shapes run down in size
        latency = latency_of(shape, source, base.trimmed, base.trials)
        lines.append(
            f"  {shape.name:36} {smallest:6.3f} MB  {latency:6.3f} ms  "
            f"score on select {found.score:.3f}"
        )
    return InfeasibleError(
        f"no student meets the budget ({_words(budget)}).\n"
        "The smallest, measured with the frozen teacher and no search:\n"
        + "\n".join(lines)
        + f"\nThe nearest feasible budget: size_mb = {_round_up(smallest)}"
        + (f", latency_ms = {_round_up(latency)}" if budget.latency_ms is not None else "")
        + documents_note(base.context)
        + f"\nMost bytes are the vocabulary: {base.pieces:,} pieces that the texts use. A narrower "
        "domain needs fewer; more labels or a larger teacher raise the accuracy at a size."
    )


def _words(budget: Budget) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in budget.as_dict().items())


def _round_up(value: float) -> float:
    step = 0.01
    return round((int(value / step) + 1) * step, 2)
