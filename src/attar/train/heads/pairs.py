"""The head of a model that reads a query and a document together: one logit a pair."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from attar.train.heads.classify import ClassifyHead


class PairHead(ClassifyHead):
    """A logit from the pooled embedding of a pair, (batch, 1). Losses read the logits of groups,
    (queries, pairs, 1): a query with its right document, which comes first, and with others; NaN
    where a query has fewer."""

    @staticmethod
    def gold_loss(logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the first pair against the others of its group (Gao, Dai & Callan
        2021, "localized contrastive estimation"). target: not looked at."""
        scores = logits[..., 0]
        scores = scores.masked_fill(scores.isnan(), -torch.inf)
        return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64))

    @staticmethod
    def soft_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Mean squared difference of the margins by which the first pair is ahead of each other
        one, from the teacher's (Hofstätter et al. 2020). temperature: not used; the scale of the
        margins is learned."""
        width = min(teacher.shape[1], logits.shape[1])
        mine, theirs = logits[:, :width, 0], teacher[:, :width, 0].to(logits.dtype)
        away = (mine[:, :1] - mine[:, 1:]) - (theirs[:, :1] - theirs[:, 1:])
        known = ~away.isnan()
        return (away[known] ** 2).mean() if bool(known.any()) else logits.nansum() * 0.0
