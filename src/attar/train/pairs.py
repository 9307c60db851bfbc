"""Groups of pairs: a query beside its right document and others that are easily taken for it.

What a model that reads pairs learns from, as token ids. The others are those that a first stage
ranks high (hard negatives; Nogueira & Cho 2019, Gao, Dai & Callan 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attar.tasks.sentences import SentenceIds
from attar.train.batches import padded_batches
from attar.train.models import Model
from attar.train.precision import mixed_precision
from attar.types import Progress, Silent


def groups_of(
    model: Model,
    queries: Sequence[str],
    documents: Sequence[str],
    chosen: Sequence[Sequence[int]],
) -> list[list[int]]:
    """Each query with the documents of these numbers, as `Model.read` lays groups out: as it does
    the sentences of one document, so that they are in one batch."""
    template = model.template
    assert template is not None, "groups are of models that read pairs"
    named = sorted({number for numbers in chosen for number in numbers})
    read = dict(zip(named, _plain(model, [documents[i] for i in named]), strict=True))
    found: list[list[int]] = []
    for query, numbers in zip(_plain(model, queries), chosen, strict=True):
        parts = [template.pair(query, read[number]) for number in numbers]
        found.append(SentenceIds.of(parts, [(0, 0, 0)] * len(parts), ""))
    return found


def _plain(model: Model, texts: Sequence[str]) -> list[list[int]]:
    assert model.template is not None
    encodings = model.tokenizer.encode_batch_fast(list(texts))
    return [model.template.plain(encoding.ids) for encoding in encodings]


def scores_of(
    model: Model, groups: Sequence[list[int]], progress: Progress | None = None, what: str = "score"
) -> NDArray[np.float32]:
    """The logit of each pair, (groups, most pairs of one); NaN beyond a group's last."""
    import torch

    model.eval()
    width = max((len(one.parts) for one in groups if isinstance(one, SentenceIds)), default=0)
    found = np.full((len(groups), width), np.nan, np.float32)
    batches = padded_batches(list(groups), model.pad_id, 8, model.max_length)
    with torch.no_grad():
        for batch in (progress or Silent()).track(batches, what, len(batches)):
            with mixed_precision():
                logits, _ = model.read(batch)
            found[batch.rows, : logits.shape[1]] = logits[..., 0].float().numpy()
    return found


def hard_negatives(
    queries: NDArray[np.float32],
    documents: NDArray[np.float32],
    gold: NDArray[np.int64],
    count: int,
) -> list[list[int]]:
    """Of each query a right document and then the nearest `count` wrong ones, nearest first;
    empty where none is right. queries: (queries, columns); documents: (documents, columns); gold:
    (queries, most of a query), -1 beyond the last."""
    found: list[list[int]] = []
    for vector, right in zip(queries, gold.tolist(), strict=True):
        known = [number for number in right if number >= 0]
        if not known:
            found.append([])
            continue
        near = documents @ vector
        near[known] = -np.inf
        wrong = np.argsort(-near, kind="stable")[: min(count, len(near) - len(known))]
        found.append([known[0], *wrong.tolist()])
    return found
