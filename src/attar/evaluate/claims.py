"""Claims: what a recipe promises, decided on evidence.

A claim is *met* if the one-sided bound reaches it, *unmet* if the bound on the other
side misses it, else *undecided*: the sample is too small to say. Each claim is decided
at its own confidence; `adjusted` adds what holds for all of them together (Holm).

Size, memory and latency are measured on the finished file and this machine; the rest
is decided on certify rows and sealed. How often a certify split was used before
lowers the level: see `evaluate.ledger`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attar.errors import RecipeError
from attar.evaluate.bounds import bounds_of, independent, more_rows, p_value
from attar.evaluate.statistics import holm
from attar.evidence import Evidence
from attar.recipe import ClaimSpec
from attar.registry import did_you_mean
from attar.types import Task

#: Claims about the file and the machine, with the units of their bounds.
MEASURED = {
    "latency_p50_ms": "milliseconds",
    "latency_p99_ms": "milliseconds",
    "memory_mb": "10^6 bytes",
    "size_mb": "10^6 bytes",
}

OF_A_LABEL = ("recall", "precision")


def check_claims(claims: Sequence[ClaimSpec], task: Task) -> None:
    """Raise RecipeError for a claim that this task cannot be held to."""
    known = (*task.claim_metrics, *MEASURED)
    for number, claim in enumerate(claims, 1):
        where = f"[[claims]] number {number}"
        if claim.metric not in known:
            raise RecipeError(
                f"{where}: metric = {claim.metric!r}.{did_you_mean(claim.metric, known)} "
                f"Known for {task.name}: {', '.join(known)}."
            )
        bound = claim.at_least if claim.at_least is not None else claim.at_most
        assert bound is not None
        low = -1.0 if claim.metric == "retained" else 0.0
        if claim.metric not in MEASURED and not low <= bound <= 1.0:
            raise RecipeError(
                f"{where}: {claim.metric} is a share: expected a number from {low:g} to 1, "
                f"not {bound:g}"
            )
        if (claim.label is not None) != (claim.metric in OF_A_LABEL):
            mend = 'add label = "…"' if claim.metric in OF_A_LABEL else "take its label out"
            raise RecipeError(
                f"{where}: {' and '.join(OF_A_LABEL)}, and only they, are about one label: {mend}"
            )


def check_labels(claims: Sequence[ClaimSpec], labels: Sequence[str]) -> None:
    """Raise RecipeError for a claim about a label that is not among those in scope."""
    for number, claim in enumerate(claims, 1):
        if claim.label is not None and claim.label not in labels:
            raise RecipeError(
                f"[[claims]] number {number}: label = {claim.label!r}: no train row in scope "
                f"has it.{did_you_mean(claim.label, tuple(labels))}"
            )


def measured(claim: ClaimSpec) -> bool:
    """Whether the claim is about the file and the machine instead of about answers."""
    return claim.metric in MEASURED


def evidence_name(claim: ClaimSpec) -> str:
    """The key of the claim's evidence: its metric, and where it is about one label that label."""
    return claim.metric if claim.label is None else f"{claim.metric} of {claim.label}"


def decide(claim: ClaimSpec, evidence: Evidence | None, seals: int = 1) -> dict[str, Any]:
    """The claim with its value, bounds, sample and status, ready for JSON. The value is
    that of the sample: of grouped rows, one a group.

    evidence: None where there is nothing to decide on, such as no out-of-scope rows.
    seals: how many models were sealed on these rows, this one among them; the claim is
    decided at (1 - confidence) / seals.
    """
    alpha = (1 - claim.confidence) / seals
    found: dict[str, Any] = {
        "metric": claim.metric,
        "label": claim.label,
        "at_least": claim.at_least,
        "at_most": claim.at_most,
        "confidence": claim.confidence,
        "seals": seals,
        "value": None,
        "lower": None,
        "upper": None,
        "rows": 0,
        "p_value": 1.0,
        "more_rows": None,
        "status": "undecided",
    }
    if evidence is None or not evidence.rows or math.isnan(evidence.value):
        return found
    evidence = independent(evidence)
    at_least = claim.at_least is not None
    bound = claim.at_least if claim.at_least is not None else claim.at_most
    assert bound is not None
    bounds_at = bounds_of(evidence)
    low, high, rows = bounds_at(alpha)
    if at_least:
        met, unmet = low >= bound, high < bound
    else:
        met, unmet = high <= bound, low > bound
    found |= {
        "value": _finite(evidence.value),
        "lower": _finite(low),
        "upper": _finite(high),
        "rows": rows,
        "p_value": min(1.0, seals * p_value(bounds_at, bound, at_least=at_least)),
        "status": "met" if met else "unmet" if unmet else "undecided",
    }
    if found["status"] == "undecided":
        found["more_rows"] = more_rows(evidence, bound, alpha, at_least=at_least)
    return found


def spec_of(decided: Mapping[str, Any]) -> ClaimSpec:
    """The claim as the recipe had it."""
    keys = ("metric", "label", "at_least", "at_most", "confidence")
    return ClaimSpec(**{key: decided[key] for key in keys})


def decide_all(
    claims: Sequence[ClaimSpec], evidence: Mapping[str, Evidence], seals: int = 1
) -> list[dict[str, Any]]:
    return [decide(claim, evidence.get(evidence_name(claim)), seals) for claim in claims]


def adjusted(decided: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The claims, each with `together`: whether it is met when all must hold at once.

    The chance that any claim called met together is false is at most 1 - confidence.
    """
    together = holm([claim["p_value"] for claim in decided])
    return [
        {**claim, "together": p <= 1 - claim["confidence"] + 1e-12}
        for claim, p in zip(decided, together, strict=True)
    ]


def in_words(claim: Mapping[str, Any]) -> str:
    """One sentence: what was promised, on how many rows, and how it stands."""
    name = claim["metric"]
    if claim.get("label") is not None:
        name += f" of {claim['label']}"
    sense, bound = "at least", claim["at_least"]
    if bound is None:
        sense, bound = "at most", claim["at_most"]
    promise = f"{name} {sense} {bound:g}, at {claim['confidence']:.0%} confidence"
    if claim["value"] is None:
        return f"{promise}: undecided, because no row can decide it"
    unit = "calls" if claim["metric"].startswith("latency") else "rows"
    span = " to ".join("?" if x is None else f"{x:.4g}" for x in (claim["lower"], claim["upper"]))
    text = f"{promise}: {claim['status']}. Measured {claim['value']:.4g} ({span})"
    if claim["metric"] not in ("memory_mb", "size_mb"):
        text += f" on {claim['rows']:,} {unit}"
    if claim["status"] == "undecided":
        more = claim["more_rows"]
        text += (
            "; no sensible number of rows would settle it"
            if more is None
            else f"; about {more:,} more {unit} would settle it, if the rate stays"
        )
    return text


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
