"""The head of the task extract: one linear layer, on the whole text and on each word."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from attar.train.heads.classify import ClassifyHead


class ExtractHead(ClassifyHead):
    """Logits of all columns at every place, (batch, 1 + words, columns): the text's first,
    from the pooled embedding, then the words'. NaN where there is no word; a batch is as wide
    as its longest text, targets and a teacher's answers as the longest of all.

    Losses count the text once and its words, as a mean over all of the batch, once. Labels
    of texts and tags of words share one softmax, in which either learns to leave the other's
    columns alone. So do two layers of tags: what is learned at a word is half of either, and
    how the columns of one layer share its half is what the layer says.
    """

    @staticmethod
    def gold_loss(logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy; target (batch, 1 + words) holds columns, -1 where nobody knows. With
        a third axis, of layers, the sum over them."""
        width = min(target.shape[1], logits.shape[1])
        logits = logits[:, :width]
        loss = logits[~logits.isnan()].sum() * 0.0
        for column in target[:, :width].reshape(*target[:, :width].shape[:2], -1).unbind(-1):
            known = (column >= 0) & ~logits[..., 0].isnan()
            for places in _text_and_words(known):
                if bool(places.any()):
                    loss = loss + functional.cross_entropy(logits[places], column[places])
        return loss

    @staticmethod
    def soft_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence as in `ClassifyHead.soft_loss`, at every place."""
        width = min(teacher.shape[1], logits.shape[1])
        teacher, logits = teacher[:, :width].float(), logits[:, :width]
        known = ~(logits[..., 0].isnan() | teacher[..., 0].isnan())
        loss = logits[known].sum() * 0.0
        for places in _text_and_words(known):
            if bool(places.any()):
                loss = loss + ClassifyHead.soft_loss(logits[places], teacher[places], temperature)
        return loss


def _text_and_words(known: Tensor) -> tuple[Tensor, Tensor]:
    """The known places of texts, and those of words."""
    text = torch.zeros_like(known)
    text[:, 0] = True
    return known & text, known & ~text
