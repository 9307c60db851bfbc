"""Evidence: what a claim is decided on, as plain arrays, one kind a statistical question.

A task turns labeled rows and answers into evidence; `evaluate.bounds` turns
evidence into bounds. Nothing here computes a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attar.metrics import auroc

#: The unit that each row belongs to; None where every row is a unit of its own.
Groups = NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of rows. hits: (rows,), True where the row counts."""

    hits: NDArray[np.bool_]
    groups: Groups = None

    @property
    def rows(self) -> int:
        return len(self.hits)

    @property
    def value(self) -> float:
        return float(self.hits.mean()) if len(self.hits) else float("nan")


@dataclass(frozen=True, slots=True)
class Difference:
    """Share of rows right, student minus teacher, on the same rows. Both: (rows,)."""

    student: NDArray[np.bool_]
    teacher: NDArray[np.bool_]
    groups: Groups = None

    @property
    def rows(self) -> int:
        return len(self.student)

    @property
    def value(self) -> float:
        if not len(self.student):
            return float("nan")
        return float(self.student.mean() - self.teacher.mean())


@dataclass(frozen=True, slots=True)
class Resampled:
    """A statistic without an exact bound: recomputed on resampled rows.

    statistic: weights (draws, rows) -> values (draws,), NaN where undefined. strata:
    (rows,); resampling keeps the size of each. value: the statistic with weights of one.
    """

    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    strata: NDArray[np.int64]
    groups: Groups = None

    @property
    def rows(self) -> int:
        return len(self.strata)

    @property
    def value(self) -> float:
        return float(self.statistic(np.ones((1, self.rows)))[0]) if self.rows else float("nan")


@dataclass(frozen=True, slots=True)
class Ratio:
    """A sum over a sum, such as F1 or, where every whole is 1, a mean. part, whole: (rows,), 0 <=
    part <= whole. The value is scaled to `low` to `high`, what it is at worst and at best."""

    part: NDArray[np.float64]
    whole: NDArray[np.float64]
    groups: Groups = None
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def mean(
        cls, values: NDArray[np.float64], groups: Groups = None, low: float = 0.0, high: float = 1.0
    ) -> Ratio:
        """The mean of values (rows,) between low and high."""
        return cls((values - low) / (high - low), np.ones(len(values)), groups, low, high)

    @property
    def rows(self) -> int:
        return len(self.part)

    @property
    def value(self) -> float:
        whole = float(self.whole.sum())
        share = float(self.part.sum()) / whole if whole else float("nan")
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, slots=True)
class Separation:
    """How well scores tell two kinds of rows apart, as AUROC. scores, inside: (rows,);
    inside is True for the rows that should score high."""

    scores: NDArray[np.float64]
    inside: NDArray[np.bool_]
    groups: Groups = None

    @property
    def rows(self) -> int:
        return len(self.scores)

    @property
    def value(self) -> float:
        return auroc(self.scores[self.inside].tolist(), self.scores[~self.inside].tolist())


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of measurements, such as the median latency. values: (calls,)."""

    values: NDArray[np.float64]
    quantile: float

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def value(self) -> float:
        return float(np.quantile(self.values, self.quantile)) if self.rows else float("nan")


@dataclass(frozen=True, slots=True)
class Exact:
    """A figure that is measured and not sampled, such as the size of the file."""

    value: float

    @property
    def rows(self) -> int:
        return 1


Evidence = Proportion | Difference | Ratio | Resampled | Separation | Quantile | Exact
