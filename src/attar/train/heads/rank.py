"""The head of the task rank: a linear projection to vectors of length 1."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from attar.train.heads.classify import ClassifyHead
from attar.train.linear import LinearHead

SHARP = 0.05  # temperature of the similarities between texts


class RankHead(ClassifyHead):
    """Unit vectors (batch, columns) from the pooled embedding, as logits: columns are the
    dimensions. Starts as the identity where embeddings are as wide."""

    def __init__(self, hidden: int, columns: int, dropout: float = 0.0) -> None:
        super().__init__(hidden, columns, dropout)
        with torch.no_grad():
            self.linear.bias.zero_()
            if hidden == columns:
                nn.init.eye_(self.linear.weight)

    def forward(self, embedding: Tensor) -> Tensor:
        return functional.normalize(super().forward(embedding), dim=-1)

    @staticmethod
    def gold_loss(logits: Tensor, target: Tensor) -> Tensor:
        """Zero: no row names a column."""
        return logits.sum() * 0.0

    @staticmethod
    def soft_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """1 - cosine to the teacher's vector, plus the Kullback-Leibler divergence of how near
        each text is to the others of the batch (relational distillation, Park et al. 2019).
        temperature: not used; similarities have one of their own."""
        mine, theirs = (functional.normalize(x.float(), dim=-1) for x in (logits, teacher))
        away: Tensor = 1 - (mine * theirs).sum(dim=-1).mean()
        if len(mine) < 3:  # with one other text there is nothing to tell apart
            return away
        alone = torch.eye(len(mine), dtype=torch.bool)
        log_p, log_q = (
            functional.log_softmax((x @ x.T / SHARP).masked_fill(alone, -1e4), dim=-1)
            for x in (theirs, mine)
        )
        return away + functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True)

    @staticmethod
    def fitted(
        embedding: NDArray[np.float32],
        target: NDArray[np.int64],
        columns: int,
        balance: float = 0.0,
    ) -> LinearHead:
        """The identity, or the axes along which the texts' unit vectors have most of their
        length: products of vectors change least (Eckart & Young 1936)."""
        hidden = embedding.shape[1]
        nothing = np.zeros(columns)
        if columns == hidden:
            return LinearHead(np.eye(hidden), nothing)
        unit = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
        _, axes = np.linalg.eigh(unit.astype(np.float64).T @ unit)  # ascending
        kept = axes[:, ::-1][:, :columns].T
        kept *= np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])[:, None]
        return LinearHead(kept, nothing)
