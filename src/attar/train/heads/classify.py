"""The head of the classify task: dropout and one linear layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from attar.train.blocks import keep_inputs
from attar.train.linear import LinearHead, fit_linear


class ClassifyHead(nn.Module):
    """Logits over the task's columns from the pooled embedding.

    unit: read its direction alone, as a vector of length 1.
    """

    def __init__(self, hidden: int, columns: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.unit = False
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, columns)

    def forward(self, embedding: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(self.inputs(embedding)))  # (batch, columns)
        return logits

    def inputs(self, embedding: Tensor) -> Tensor:
        """What the linear layer reads of embeddings (…, hidden)."""
        return functional.normalize(embedding, dim=-1) if self.unit else embedding

    def keep_inputs(self, kept: Tensor) -> None:
        """Read only these channels of the embedding."""
        keep_inputs(self.linear, kept)

    @staticmethod
    def gold_loss(logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy; target holds column indices, -1 where nobody labeled the row."""
        labeled = target >= 0
        if not bool(labeled.any()):
            return logits.sum() * 0.0
        return functional.cross_entropy(logits[labeled], target[labeled])

    @staticmethod
    def soft_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence from the teacher's softened distribution,
        times T² so that gradients keep their scale (Hinton et al. 2015, §2)."""
        return temperature**2 * functional.kl_div(
            functional.log_softmax(logits / temperature, dim=-1),
            functional.softmax(teacher / temperature, dim=-1),
            reduction="batchmean",
        )

    @staticmethod
    def fitted(
        embedding: NDArray[np.float32],
        target: NDArray[np.int64],
        columns: int,
        balance: float = 0.0,
    ) -> LinearHead:
        """A logistic regression over all columns."""
        return fit_linear(embedding, target, columns, balance=balance)
