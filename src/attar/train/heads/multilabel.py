"""The head of the multilabel task: dropout and one linear layer, a sigmoid a column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from attar.train.heads.classify import ClassifyHead
from attar.train.linear import LinearHead, fit_one_vs_rest


class MultilabelHead(ClassifyHead):
    """Log-odds of each column from the pooled embedding. Losses sum over the columns, as
    many separate yes-or-no questions, and are means over the rows."""

    @staticmethod
    def gold_loss(logits: Tensor, target: Tensor) -> Tensor:
        """Binary cross-entropy; target (batch, columns) of 0 and 1, -1 where nobody labeled
        the row."""
        labeled = target[:, 0] >= 0
        if not bool(labeled.any()):
            return logits.sum() * 0.0
        loss = functional.binary_cross_entropy_with_logits(
            logits[labeled], target[labeled].to(logits.dtype), reduction="none"
        )
        return loss.sum(dim=1).mean()

    @staticmethod
    def soft_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence from the teacher's softened yes-or-no distributions,
        times T² as in `ClassifyHead.soft_loss`."""
        wanted = (teacher / temperature).sigmoid()
        cross = functional.binary_cross_entropy_with_logits(
            logits / temperature, wanted, reduction="none"
        )
        entropy = functional.binary_cross_entropy(wanted, wanted, reduction="none")
        return temperature**2 * (cross - entropy).sum(dim=1).mean()

    @staticmethod
    def fitted(
        embedding: NDArray[np.float32],
        target: NDArray[np.int64],
        columns: int,
        balance: float = 0.0,
    ) -> LinearHead:
        """One logistic regression a column, against all other rows."""
        return fit_one_vs_rest(embedding, target, columns)
