"""Tags of words: spans written as one tag a word, and the likeliest tags that make spans.

BIO (Ramshaw & Marcus 1995, in its form IOB2): a span's first word has B-label, its others
I-label, words in no span O. As columns: O, then B and I of each label in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attar.tasks.annotations import Span

OUTSIDE = 0
Floats = NDArray[np.float64]


def begin(label: int) -> int:
    """The column of a label's B; its I is the next one."""
    return 1 + 2 * label


def tags_of(
    words: Sequence[tuple[int, int]], spans: Sequence[Span], labels: Sequence[str]
) -> list[int]:
    """A column for each word. A word belongs to a span that it shares a character with, to the
    first of several; spans whose label is not known, or without a word, are left out."""
    index = {label: i for i, label in enumerate(labels)}
    tags, at = [OUTSIDE] * len(words), 0
    for span in spans:
        if span.label not in index:
            continue
        while at < len(words) and words[at][1] <= span.start:
            at += 1
        first = True
        while at < len(words) and words[at][0] < span.end:
            tags[at] = begin(index[span.label]) + (not first)
            first = False
            at += 1
    return tags


def spans_of(tags: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first word, word after the last, label number) of each span, from tags that follow the
    rule that an I continues its own span."""
    found: list[tuple[int, int, int]] = []
    for at, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        label, inside = divmod(tag - 1, 2)
        if inside and found and found[-1][1:] == (at, label):
            found[-1] = (found[-1][0], at + 1, label)
        else:
            found.append((at, at + 1, label))
    return found


def likeliest(log_p: Floats) -> NDArray[np.int64]:
    """The likeliest tags in which every I follows a B or an I of its label, (n, words).

    log_p: log-probabilities of the tags, (n, words, tags). Viterbi's algorithm; as only the
    I columns ask what stood before, a step takes time in proportion to the tags, not to
    their square.
    """
    n, count, tags = log_p.shape
    inside = np.arange(2, tags, 2)
    back = np.zeros((n, count, tags), np.int64)
    best: Floats = np.empty((n, tags))
    for at in range(count):
        if at == 0:
            best = log_p[:, 0].copy()
            best[:, inside] = -np.inf
            continue
        came = best.argmax(axis=1)
        reached = np.repeat(best[np.arange(n), came][:, None], tags, axis=1)
        back[:, at] = came[:, None]
        continues = best[:, inside] >= best[:, inside - 1]
        reached[:, inside] = np.where(continues, best[:, inside], best[:, inside - 1])
        back[:, at, inside] = np.where(continues, inside, inside - 1)
        best = reached + log_p[:, at]
    path = np.zeros((n, count), np.int64)
    if count:
        path[:, -1] = best.argmax(axis=1)
        for at in range(count - 1, 0, -1):
            path[:, at - 1] = back[np.arange(n), at, path[:, at]]
    return path
