"""The head of the task summarize: one linear layer, on each sentence."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from attar.train.heads.classify import ClassifyHead


class SummarizeHead(ClassifyHead):
    """Logits of each sentence from its pooled embedding, (sentences, columns); laid out by
    document they are (batch, sentences, columns), NaN past a document's last. A batch is as
    wide as its longest document, targets and a teacher's answers as the longest of all. Losses
    are means over all sentences of the batch.
    """

    @staticmethod
    def gold_loss(logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy; target (batch, sentences) holds columns, -1 where nobody knows."""
        width = min(target.shape[1], logits.shape[1])
        target, logits = target[:, :width], logits[:, :width]
        known = (target >= 0) & ~logits[..., 0].isnan()
        if not bool(known.any()):
            return logits[known].sum() * 0.0
        return functional.cross_entropy(logits[known], target[known])

    @staticmethod
    def soft_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence as in `ClassifyHead.soft_loss`, at every sentence."""
        width = min(teacher.shape[1], logits.shape[1])
        teacher, logits = teacher[:, :width].float(), logits[:, :width]
        known = ~(logits[..., 0].isnan() | teacher[..., 0].isnan())
        if not bool(known.any()):
            return logits[known].sum() * 0.0
        return ClassifyHead.soft_loss(logits[known], teacher[known], temperature)
