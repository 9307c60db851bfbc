"""Layers of tags over words: the names of their columns, and what they say of a text.

A model of the task extract has a layer for spans and, where texts ask for function calls, one
more for these (`tasks.segments`); `tasks.tagging` knows what makes tags spans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from attar.predictions import FoundSpan
from attar.tasks.tagging import begin, likeliest, spans_of

OF_TEXT = "text: "  # before the label of a whole text, in the name of its column
OF_CALLS = "call: "  # before a tag of the layer of calls
SEVERAL = "several calls"  # of a text; no word has it
OUTSIDE, BEGIN, INSIDE = "O", "B-", "I-"
Floats = NDArray[np.float64]


def tags_for(labels: Sequence[str]) -> list[str]:
    """The names of a layer's tags, in the order of `tasks.tagging`."""
    return [OUTSIDE, *(tag + label for label in labels for tag in (BEGIN, INSIDE))]


def labels_of_columns(targets: Sequence[str]) -> tuple[list[str], list[str]]:
    """Labels of texts, with functions the templates of calls, and of spans, from the names of
    the columns."""
    before = (OF_TEXT, OF_CALLS + BEGIN)
    of_texts = [name.split(one, 1)[1] for name in targets for one in before if name.startswith(one)]
    return of_texts, [name.removeprefix(BEGIN) for name in targets if name.startswith(BEGIN)]


def of_whole_text(parts: Sequence[str], index: Mapping[str, int], after: int) -> int:
    """The column that says what a text as a whole asks for, in the layer of calls, which begins
    `after` others: O for nothing, I of its only call, the last one for several. -1 where the call
    is none of `index`.

    A text's place is the mean of its words', also in what it learns. I of a call is what its words
    have, so that all learn the same; B spread into every word (docs/experiments.md).
    """
    if not parts:
        return after
    if len(parts) > 1:
        return after + 1 + 2 * len(index)
    return after + begin(index[parts[0]]) + 1 if parts[0] in index else -1


def asked_by_text(log_p: Floats, labels: int) -> tuple[Floats, Floats, Floats | None]:
    """What texts as wholes ask for, from their own place in the layer of calls (batch, tags), as
    log-probabilities: nothing (batch,), each call alone (batch, labels), and several (batch,), None
    for a model that has no such column."""
    several = log_p[:, -1] if log_p.shape[1] > 1 + 2 * labels else None
    return log_p[:, 0], log_p[:, 2 : 2 + 2 * labels : 2], several


def said_by_words(log_p: Floats) -> tuple[Floats, Floats]:
    """What the words of texts say on average of a text as a whole, from the layer of calls
    (batch, words, tags): that it asks for nothing (batch,), or for each call (batch, labels)."""
    read = np.isfinite(log_p[..., -1:])
    many = np.maximum(read.sum(axis=1), 1)
    known = np.where(read, log_p, 0.0)
    calls = np.where(read, np.logaddexp(known[..., 1::2], known[..., 2::2]), 0.0)
    return known[..., 0].sum(axis=1) / many[:, 0], calls.sum(axis=1) / many


def found_in(
    log_p: Floats,
    words: Sequence[Sequence[Sequence[int]]],
    labels: Sequence[str],
    alike: bool = False,
) -> tuple[list[tuple[FoundSpan, ...]], Floats]:
    """The spans of each text in one layer of tags, and the log-probability of all of its tags.

    alike: words of a span, and those in none, say the same thing each: their probabilities are
    no product but a geometric mean, which is far better calibrated (docs/experiments.md).
    """
    total = np.zeros(len(log_p))
    if not log_p.shape[2]:
        return [()] * len(log_p), total
    paths = likeliest(log_p)
    path_p = np.take_along_axis(log_p, paths[..., None], axis=2)[..., 0]
    read = np.isfinite(log_p[..., -1])
    found = []
    for i, path in enumerate(paths.tolist()):
        own = path_p[i]
        spans = [
            (
                first,
                after,
                label,
                float(own[first:after].mean() if alike else own[first:after].sum()),
            )
            for first, after, label in spans_of(path)
        ]
        outside = own[read[i] & (paths[i] == 0)]
        of_none = outside.sum() / (max(len(outside), 1) if alike else 1)
        total[i] = of_none + sum(p for *_, p in spans)
        found.append(
            tuple(
                FoundSpan(words[i][a][0], words[i][b - 1][1], labels[n], float(np.exp(p)))
                for a, b, n, p in spans
            )
        )
    return found, total


def with_unread(log_p: Floats) -> Floats:
    """Of tags, with O where nothing was read."""
    if log_p.shape[-1]:
        unread = np.isnan(log_p[..., 0])
        log_p[unread] = -np.inf
        log_p[unread, 0] = 0.0
    return log_p


def log_softmax(logits: Floats) -> Floats:
    if not logits.shape[-1]:
        return logits
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found
