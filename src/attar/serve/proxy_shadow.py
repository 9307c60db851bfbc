"""A small model that answers what the upstream answers, silently: how often would it, how
often as the upstream did, and what would that have cost.

The upstream is what it is compared with, not the truth: where both err alike, they agree.
Figures are of the traffic since the start, kept nowhere.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from attar.errors import RecipeError
from attar.predictions import Extraction, Prediction
from attar.runtime.predictor import Predictor
from attar.runtime.quotes import Marking, annotation_said
from attar.serve.metering import SECONDS
from attar.serve.served import ANSWERS
from attar.tasks.annotations import name_of

Z_95 = 1.959963984540054  # two-sided, 95 %


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for a million tokens of the upstream's; 0 where unknown."""

    input_usd: float = 0.0
    output_usd: float = 0.0

    def of(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1e6


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """A proportion's two-sided 95 % interval (Wilson 1927, "Probable inference, the law of
    succession, and statistical inference"); (0, 1) without trials.

    Not the exact bound that a certificate takes, which needs scipy: this one's coverage is
    95 % on average, for one look.
    """
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, Z_95 * Z_95
    center = (share + square / (2 * trials)) / (1 + square / trials)
    reach = Z_95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    reach /= 1 + square / trials
    # At the ends the formula gives 0 and 1, but for rounding.
    low = 0.0 if successes == 0 else max(0.0, center - reach)
    high = 1.0 if successes == trials else min(1.0, center + reach)
    return low, high


class Shadow:
    """Asked in one thread, read in others. Raises RecipeError for a bundle that answers neither
    with labels nor with spans."""

    def __init__(self, predictor: Predictor, prices: Prices, registry: CollectorRegistry) -> None:
        if set(ANSWERS).isdisjoint(predictor.capabilities):
            raise RecipeError(
                "--shadow: the bundle gives no labels or spans to compare; it can: "
                f"{', '.join(predictor.capabilities)}"
            )
        self.predictor, self.prices = predictor, prices
        settings = predictor.manifest["task_settings"]
        kinds = settings.get("span_labels")
        marks = "spans" in predictor.capabilities
        self._marking = Marking(predictor.labels, kinds or ()) if marks else None
        self._lock = threading.Lock()
        self._asked = self._answered = self._compared = self._agreed = self._unpriced = 0
        self._usd = self._saved_usd = self._seconds = 0.0
        self._upstream_seconds, self._upstream_answers = 0.0, 0
        self._texts = Counter(
            "attar_shadow_texts", "Texts the small model read.", ["outcome"], registry=registry
        )
        self._agreement = Counter(
            "attar_shadow_compared",
            "Its answers beside the upstream's labels.",
            ["agrees"],
            registry=registry,
        )
        self._spent = Counter("attar_upstream_usd", "Spent on the upstream.", registry=registry)
        self._saved = Counter(
            "attar_shadow_saved_usd", "Of that, on what it answers too.", registry=registry
        )
        self._times = Histogram(
            "attar_shadow_seconds", "The small model's time.", buckets=SECONDS, registry=registry
        )

    def ask(self, text: str) -> tuple[Prediction, float]:
        """The small model's answer, and the seconds it took."""
        started = time.perf_counter()
        prediction = self.predictor(text)
        return prediction, time.perf_counter() - started

    def theirs(
        self, text: str, label: str | list[str] | None, written: Iterable[str | None]
    ) -> str | list[str] | None:
        """What the upstream's answer is compared as: its label; of a model that marks spans an
        annotation's name, None where none of what was `written` says the spans too."""
        if self._marking is None:
            return label
        said = label if isinstance(label, str) else None
        for one in written:
            found = annotation_said(one, said, text, self._marking)
            if found is not None:
                return name_of(*found)
        return None

    def note(
        self,
        prediction: Prediction,
        seconds: float,
        label: str | list[str] | None,
        upstream_seconds: float | None,
        tokens: tuple[int | None, int | None],
    ) -> bool | None:
        """Count one text; returns whether both agree, None where there is no label to tell.
        upstream_seconds: None where the upstream gave no whole answer."""
        agrees = None if label is None else agree(prediction, label)
        answered = not prediction.abstained
        priced = tokens[0] is not None and tokens[1] is not None
        usd = self.prices.of(tokens[0] or 0, tokens[1] or 0)
        with self._lock:
            self._asked += 1
            self._answered += answered
            self._seconds += seconds
            self._usd += usd
            self._saved_usd += usd if answered else 0.0
            self._unpriced += not priced
            if answered and agrees is not None:
                self._compared += 1
                self._agreed += agrees
            if upstream_seconds is not None:
                self._upstream_seconds += upstream_seconds
                self._upstream_answers += 1
        self._texts.labels("answered" if answered else "abstained").inc()
        if answered and agrees is not None:
            self._agreement.labels("yes" if agrees else "no").inc()
        self._spent.inc(usd)
        self._saved.inc(usd if answered else 0.0)
        self._times.observe(seconds)
        return agrees

    def figures(self) -> dict[str, Any]:
        """Everything so far, for JSON."""
        with self._lock:
            low, high = wilson(self._agreed, self._compared)
            return {
                "model": self.predictor.manifest["name"],
                "content_sha256": self.predictor.content_sha256,
                "requests": self._asked,
                "answered": self._answered,
                "answered_share": _ratio(self._answered, self._asked),
                "agreement": {
                    "compared": self._compared,
                    "agreed": self._agreed,
                    "share": _ratio(self._agreed, self._compared),
                    "low": round(low, 6),
                    "high": round(high, 6),
                    "interval": "Wilson, two-sided, 95 %, for one look",
                },
                "cost": {
                    "upstream_usd": round(self._usd, 9),
                    "would_have_saved_usd": round(self._saved_usd, 9),
                    "requests_without_usage": self._unpriced,
                },
                "mean_latency_ms": {
                    "upstream": _ratio(1000 * self._upstream_seconds, self._upstream_answers),
                    "small_model": _ratio(1000 * self._seconds, self._asked),
                },
            }


def agree(prediction: Prediction, label: str | list[str]) -> bool:
    """Whether the model's best answer, also where it abstains, names the same labels; with spans
    whether label and spans are the same."""
    if isinstance(prediction, Extraction):
        return prediction.label == label
    named = {label} if isinstance(label, str) else set(label)
    return set(prediction.named) == named


def _ratio(part: float, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
