"""What may bias a model in how its rows are spread: labels, groups, lengths, giveaways.

It measures and judges nothing: a word that stands under one label only may be what the
label is about, or an accident of how the rows were collected.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import NormalDist, median
from typing import Any

import numpy as np

from attar.types import Row

IMBALANCED = 10.0  # rows of the largest label for one of the smallest
GIVEAWAY_TEXTS = 8  # a word in fewer texts is no pattern yet
GIVEAWAY_SHARE = 0.95  # of the texts with the word have the label
GIVEAWAYS = 20  # shown, the least likely chance first
_WORD = re.compile(r"\w+")


def balance(rows: Sequence[Row]) -> dict[str, Any]:
    """The report on labeled rows, ready for JSON. Empty without rows."""
    labeled = [row for row in rows if row.label is not None]
    if not labeled:
        return {}
    counts = Counter(row.label or "" for row in labeled)
    report: dict[str, Any] = {"labels": label_balance(counts)}
    report["length"] = _lengths(labeled)
    report["giveaways"] = giveaways(labeled)
    grouped = [(row.label or "", row.group) for row in labeled if row.group is not None]
    if grouped:
        report["group"] = {
            "groups": len({group for _, group in grouped}),
            "cramers_v": round(cramers_v([(label, group or "") for label, group in grouped]), 4),
        }
    return report


def label_balance(counts: Mapping[str, int]) -> dict[str, Any]:
    """Ratio of the largest to the smallest label, and how many labels of equal size would
    be as diverse: the exponential of the entropy (Hill 1973, order 1)."""
    shares = np.array([n for n in counts.values() if n], float)
    shares /= shares.sum()
    largest = max(counts, key=lambda label: (counts[label], label))
    return {
        "count": len(counts),
        "largest": largest,
        "largest_share": round(float(shares.max()), 4),
        "ratio": round(float(shares.max() / shares.min()), 2),
        "effective_count": round(float(np.exp(-(shares * np.log(shares)).sum())), 2),
    }


def cramers_v(pairs: Sequence[tuple[str, str]]) -> float:
    """Association of two columns from 0 to 1, with the correction for small samples
    (Bergsma 2013): columns that are independent give about 0, however many values."""
    n = len(pairs)
    first = {name: i for i, name in enumerate(sorted({a for a, _ in pairs}))}
    second = {name: i for i, name in enumerate(sorted({b for _, b in pairs}))}
    r, k = len(first), len(second)
    if r < 2 or k < 2 or n < 2:
        return 0.0
    # chi² / n = Σ n_ij² / (n_i · n_j) - 1, which needs the cells that are not empty alone.
    rows, columns = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    cells = Counter(pairs).items()
    phi2 = sum(count**2 / (rows[a] * columns[b]) for (a, b), count in cells) - 1
    corrected = max(0.0, phi2 - (r - 1) * (k - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return math.sqrt(min(1.0, corrected / least)) if least > 0 else 0.0


def giveaways(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Words that nearly only one label has, beyond chance: the most telling first.

    The z-test of Gardner et al. 2021 (§3): the share of a word's texts that have the
    label, against the label's share of all texts; one-sided at 0.01, Bonferroni over all
    pairs. pmi: pointwise mutual information of word and label, in bits.
    """
    labels = Counter(row.label or "" for row in rows)
    texts: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for row in rows:
        words = set(_WORD.findall(row.text.lower()))
        texts.update(words)
        pairs.update((word, row.label or "") for word in words)
    least_z = -NormalDist().inv_cdf(0.01 / max(1, len(texts) * len(labels)))
    found: list[dict[str, Any]] = []
    for (word, label), count in pairs.items():
        n, chance = texts[word], labels[label] / len(rows)
        if n < GIVEAWAY_TEXTS or count < GIVEAWAY_SHARE * n or chance == 1.0:
            continue
        z = (count / n - chance) / math.sqrt(chance * (1 - chance) / n)
        if z > least_z:
            pmi = math.log2(count / n / chance)
            entry = {"word": word, "label": label, "texts": n, "share": round(count / n, 4)}
            found.append(entry | {"pmi": round(pmi, 2), "z": round(z, 1)})
    return sorted(found, key=lambda e: (-e["z"], e["word"]))[:GIVEAWAYS]


def _lengths(rows: Sequence[Row]) -> dict[str, Any]:
    """Median characters by label; explained: the share of the variance of log lengths that
    the labels account for (eta squared). 0: length tells nothing of the label."""
    lengths: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        lengths[row.label or ""].append(len(row.text))
    logs = {label: np.log1p(values) for label, values in lengths.items()}
    everything = np.concatenate(list(logs.values()))
    total = float(((everything - everything.mean()) ** 2).sum())
    between = sum(len(v) * (v.mean() - everything.mean()) ** 2 for v in logs.values())
    return {
        "median_characters": {label: median(v) for label, v in sorted(lengths.items())},
        "explained": round(float(between) / total, 4) if total else 0.0,
    }
