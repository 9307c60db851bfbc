"""Which sentences make a summary: salience, redundancy, length; and how they are fixed.

A sentence's salience is the model's log-odds that it belongs to the summary, and some small
weights: for standing first or last, for its length, for being near to the middle of the
document's sentences. The most salient comes first, each further one with a penalty for what
it repeats of those before (maximal marginal relevance, Carbonell & Goldstein 1998), as far as
the length in words goes. Numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.tasks.shared import is_number

Floats = NDArray[np.float64]
FEATURES = ("first", "last", "length", "center")
#: Before anything is fixed on rows.
DEFAULTS: Mapping[str, Any] = {
    "words": None,
    "share": 0.3,
    "cut": None,
    "redundancy": 1.0,
    "weights": dict.fromkeys(FEATURES, 0.0),
}
MOST_WORDS = 1_000_000
GRID: Mapping[str, tuple[float | None, ...]] = {
    "cut": (None, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0),
    "redundancy": (0.0, 1.0, 2.0, 4.0),
    "center": (0.0, 1.0, 2.0, 4.0),
    "first": (0.0, 0.5, 1.0, 2.0),
    "length": (0.0, 0.25, 0.5, 1.0),
    "last": (0.0, 0.5, 1.0),
}
SWEEPS = 2
WORTH_IT = 0.001  # of ROUGE, that another value must bring: rows are few
LENGTHS = (0.25, 0.5, 0.75, 0.9)  # quantiles of the references' lengths


@dataclass(frozen=True, slots=True)
class Document:
    """log_odds: that a sentence belongs to the summary, (sentences,). words: of each.
    embeddings: (sentences, hidden) of length 1; None where the model gave none, and then
    nothing is known of redundancy and center."""

    log_odds: Floats
    words: NDArray[np.int64]
    embeddings: NDArray[np.float32] | None = None

    def salience(self, weights: Mapping[str, float]) -> Floats:
        count = len(self.words)
        found = self.log_odds.copy()
        place = np.arange(count)
        if weights["first"]:
            found += weights["first"] / (1 + place)
        if weights["last"]:
            found += weights["last"] / (count - place)
        if weights["length"]:
            found += weights["length"] * np.log1p(self.words)
        if weights["center"] and self.embeddings is not None and count:
            middle = self.embeddings.mean(axis=0)
            norm = float(np.linalg.norm(middle)) or 1.0
            found += weights["center"] * (self.embeddings @ (middle / norm))
        return found


def unit(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; those without any stay."""
    length = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    found: NDArray[np.float32] = embeddings / np.maximum(length, 1e-12)
    return found


def choose(document: Document, settings: Mapping[str, Any]) -> list[int]:
    """The numbers of the sentences that make the summary, in order; none only where there are
    none. The most salient one is in it even where it is longer than asked."""
    words = document.words
    if not len(words):
        return []
    salience = document.salience(settings["weights"])
    limit, cut = settings["words"], settings["cut"]
    if limit is None:
        limit = settings["share"] * int(words.sum())
    penalty = np.zeros(len(words))
    repeats = settings["redundancy"] if document.embeddings is not None else 0.0
    chosen: list[int] = []
    total = 0
    open_ = np.ones(len(words), bool)
    while True:
        if chosen:  # what does not fit any more, and what says too little
            open_ &= words <= limit - total
            if cut is not None:
                open_ &= salience >= cut
        if not open_.any():
            return sorted(chosen)
        best = int(np.argmax(np.where(open_, salience - penalty, -np.inf)))
        chosen.append(best)
        open_[best] = False
        total += int(words[best])
        if repeats and document.embeddings is not None:
            alike = document.embeddings @ document.embeddings[best]
            penalty = np.maximum(penalty, repeats * np.maximum(alike, 0.0))


def fixed(
    documents: Sequence[Document],
    wanted_words: Sequence[int],
    merit: Callable[[int, tuple[int, ...]], float],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The settings that make the best summaries, by coordinate search over a small grid:
    length first, then one after the other, twice. A value must be worth a change.

    wanted_words: of each document's reference. merit: document number, sentences -> how good.
    """
    known: list[dict[tuple[int, ...], float]] = [{} for _ in documents]

    def score(tried: Mapping[str, Any]) -> float:
        total = 0.0
        for i, document in enumerate(documents):
            chosen = tuple(choose(document, tried))
            if chosen not in known[i]:
                known[i][chosen] = merit(i, chosen)
            total += known[i][chosen]
        return total / len(documents)

    best = {key: settings[key] for key in DEFAULTS}
    reached = score(best)
    axes = [_lengths(documents, wanted_words)]
    axes += [[_change(name, value) for value in values] for name, values in GRID.items()]
    for _ in range(SWEEPS):
        for axis in axes:
            found = [(score(tried), tried) for tried in (_changed(best, one) for one in axis)]
            top, tried = max(found, key=lambda pair: pair[0])  # of equals the first
            if top > reached + WORTH_IT:
                best, reached = tried, top
    return best


def _lengths(documents: Sequence[Document], wanted: Sequence[int]) -> list[dict[str, Any]]:
    """Lengths in words, and as shares of the document, at quantiles of the references'."""
    shares = [n / max(1, int(d.words.sum())) for n, d in zip(wanted, documents, strict=True)]
    in_words = [max(1, round(float(q))) for q in np.quantile(wanted, LENGTHS)]
    as_shares = [round(min(1.0, max(1e-4, float(q))), 4) for q in np.quantile(shares, LENGTHS)]
    return [
        *({"words": n, "share": None} for n in dict.fromkeys(in_words)),
        *({"words": None, "share": x} for x in dict.fromkeys(as_shares)),
    ]


def _change(name: str, value: float | None) -> dict[str, Any]:
    return {"weights": {name: value}} if name in FEATURES else {name: value}


def _changed(settings: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    weights = {**settings["weights"], **change.get("weights", {})}
    return {**settings, **change, "weights": weights}


def check_choosing(settings: Mapping[str, Any]) -> None:
    """Raise BundleError where the manifest's settings are none that sentences can be chosen by."""
    words, share = settings.get("words"), settings.get("share")
    whole = isinstance(words, int) and not isinstance(words, bool) and 1 <= words <= MOST_WORDS
    part = share is not None and is_number(share) and 0 < share <= 1
    if not ((whole and share is None) or (part and words is None)):
        raise BundleError(
            "manifest.json: task_settings: expected words, a whole number from 1, or share, a "
            "number from 0 to 1, and null for the other"
        )
    if "cut" not in settings or not (settings["cut"] is None or is_number(settings["cut"])):
        raise BundleError("manifest.json: task_settings.cut: expected a number or null")
    redundancy, weights = settings.get("redundancy"), settings.get("weights")
    if redundancy is None or not is_number(redundancy) or redundancy < 0:
        raise BundleError("manifest.json: task_settings.redundancy: expected a number from 0")
    if not isinstance(weights, Mapping) or set(weights) != set(FEATURES):
        raise BundleError(
            f"manifest.json: task_settings.weights: expected numbers for {', '.join(FEATURES)}"
        )
    for name in FEATURES:
        if not is_number(weights[name]):
            raise BundleError(f"manifest.json: task_settings.weights.{name}: expected a number")
