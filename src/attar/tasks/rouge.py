"""ROUGE: how much of a reference text another one says (Lin 2004), F1 of three kinds.

Tokens are runs of letters and digits in lower case, without stemming, as the package
rouge-score has them; letters beyond ASCII count too, and of scripts without blanks each
character. ROUGE-L takes the longest common subsequence of the whole texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

_RUN = re.compile(r"[^\W_]+")
_ONE_BY_ONE = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


class Rouge(NamedTuple):
    """F1 each, 0 to 1."""

    rouge1: float
    rouge2: float
    rougeL: float  # noqa: N815, its name in the literature


def tokens_of(text: str) -> list[str]:
    runs = _RUN.findall(text.lower())
    if text.isascii():
        return runs
    found = []
    for run in runs:
        at = 0
        for single in _ONE_BY_ONE.finditer(run):
            if single.start() > at:
                found.append(run[at : single.start()])
            found.append(single.group())
            at = single.end()
        if at < len(run):
            found.append(run[at:])
    return found


def grams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def rouge(text: str, reference: str) -> Rouge:
    """All three, of `text` against `reference`; 0 where either says nothing."""
    return rouge_of_tokens(tokens_of(text), _reference(reference))


class Reference(NamedTuple):
    """A reference's tokens and what is counted of them."""

    tokens: tuple[str, ...]
    singles: Counter[tuple[str, ...]]
    pairs: Counter[tuple[str, ...]]
    places: dict[str, int]  # of each token, as the bits of a number


@lru_cache(maxsize=4096)
def _reference(text: str) -> Reference:
    return reference_of(tokens_of(text))


def reference_of(tokens: Sequence[str]) -> Reference:
    places: dict[str, int] = {}
    for i, token in enumerate(tokens):
        places[token] = places.get(token, 0) | 1 << i
    return Reference(tuple(tokens), grams(tokens, 1), grams(tokens, 2), places)


def rouge_of_tokens(tokens: Sequence[str], reference: Reference) -> Rouge:
    count = len(reference.tokens)
    return Rouge(
        _f1(overlap(grams(tokens, 1), reference.singles), len(tokens), count),
        _f1(overlap(grams(tokens, 2), reference.pairs), len(tokens) - 1, count - 1),
        _f1(_common(tokens, reference.places, count), len(tokens), count),
    )


def overlap(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> int:
    """How many both have, each as often as the one that has it less often."""
    if len(one) > len(other):
        one, other = other, one
    return sum(min(n, other[gram]) for gram, n in one.items() if gram in other)


def _common(tokens: Iterable[str], places: dict[str, int], count: int) -> int:
    """Length of the longest common subsequence, a whole row of the table at once as the bits
    of a number (Hyyrö 2004)."""
    every = (1 << count) - 1
    row = every
    for token in tokens:
        matched = row & places.get(token, 0)
        row = ((row + matched) | (row - matched)) & every
    return count - row.bit_count()


def _f1(both: int, one: int, other: int) -> float:
    if not both:
        return 0.0
    precision, recall = both / one, both / other
    return 2 * precision * recall / (precision + recall)
