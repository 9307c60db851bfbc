"""Counters in Prometheus' form, and what was saved beside the large model's price.

A registry of its own for every server, so that two in one process do not mix.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64)
TOKENS_IN, TOKENS_OUT = 200, 10  # of a large model's answer, until some were seen


class Metering:
    """input_usd, output_usd: of a million tokens of the large model; 0 where unknown."""

    def __init__(self, input_usd: float = 0.0, output_usd: float = 0.0) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "attar_requests", "Requests.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "attar_request_seconds",
            "Request to answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "attar_answers",
            "Texts answered, by whom.",
            ["model", "answered_by"],
            registry=self.registry,
        )
        self.batch = Histogram(
            "attar_batch_texts",
            "Texts taken at once.",
            ["model"],
            buckets=SIZES,
            registry=self.registry,
        )
        self.waiting = Gauge(
            "attar_waiting_texts", "Texts in line.", ["model"], registry=self.registry
        )
        self.spent = Counter(
            "attar_fallback_usd", "Spent on the large model.", registry=self.registry
        )
        self.saved = Counter(
            "attar_saved_usd", "What the large model would have cost.", registry=self.registry
        )
        self.tokens = Counter(
            "attar_fallback_tokens", "Tokens of the large model.", ["kind"], registry=self.registry
        )
        self.failures = Counter(
            "attar_fallback_failures", "Why it did not answer.", ["why"], registry=self.registry
        )
        self.captured = Counter(
            "attar_captured_rows", "Rows written or lost.", ["outcome"], registry=self.registry
        )
        self.reloads = Counter(
            "attar_reloads", "Bundles reloaded.", ["model", "outcome"], registry=self.registry
        )
        self._routes: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._answerers: dict[tuple[str, str], Counter] = {}
        self._prices = (input_usd, output_usd)
        self._usd = (TOKENS_IN * input_usd + TOKENS_OUT * output_usd) / 1e6
        self._fallbacks, self._tokens_in, self._tokens_out = 0, 0, 0

    @property
    def usd_an_answer(self) -> float:
        """Of the large model: the mean of what it answered here, at first an assumption."""
        return self._usd

    def request(self, route: str, status: int, seconds: float | None) -> None:
        """Count a request; seconds: None for a connection that stays open."""
        # Looking up a label costs more than counting it.
        found = self._routes.get((route, status))
        if found is None:
            found = self.requests.labels(route, str(status)), self.seconds.labels(route)
            self._routes[route, status] = found
        found[0].inc()
        if seconds is not None:
            found[1].observe(seconds)

    def count(self, model: str, answered_by: str) -> None:
        found = self._answerers.get((model, answered_by))
        if found is None:
            found = self._answerers[model, answered_by] = self.answers.labels(model, answered_by)
        found.inc()
        if answered_by == "model" and self._usd:
            self.saved.inc(self._usd)

    def paid(self, tokens_in: int, tokens_out: int) -> float:
        """Book one answer of the large model; returns its price in USD."""
        price = (tokens_in * self._prices[0] + tokens_out * self._prices[1]) / 1e6
        self.tokens.labels("input").inc(tokens_in)
        self.tokens.labels("output").inc(tokens_out)
        self.spent.inc(price)
        self._fallbacks += 1
        self._tokens_in += tokens_in
        self._tokens_out += tokens_out
        total = self._tokens_in * self._prices[0] + self._tokens_out * self._prices[1]
        self._usd = total / 1e6 / self._fallbacks
        return price

    def text(self) -> bytes:
        return generate_latest(self.registry)
