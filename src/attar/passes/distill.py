"""Distill: train a student on a teacher's soft targets and representations.

Rows: the train split, the unlabeled texts, and altered copies of both. Every row
carries the teacher's answer; train rows carry their gold label too. The loss is
(1 - gold_weight) · KL at a temperature + gold_weight · cross-entropy on labeled rows
(Hinton et al. 2015), plus representation_weight · (1 - cosine) between the student's
projected embedding and the teacher's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from attar.data.augment import altered_copies
from attar.passes import Artifact, Context, Pass
from attar.tasks.sentences import sentences_of
from attar.train.encoders import ConvolutionEncoder
from attar.train.loop import TrainSettings, train
from attar.train.models import Model


@dataclass(frozen=True, slots=True)
class Distill(Pass):
    """copies: altered copies a text. epochs: over the whole transfer set. embedding_dropout:
    of a student without layers; transformers bring their own."""

    name: ClassVar[str] = "distill"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("data", "teacher", "seed")

    reasons: ClassVar[dict[str, str]] = {
        "epochs": "the more texts, the fewer visits of each (docs/experiments.md)",
        "copies": "altered copies are free to make, and the teacher labels them",
        "learning_rate": "what the family learns best with (docs/experiments.md)",
    }

    epochs: int
    learning_rate: float
    batch_size: int = 32
    head_factor: float = 10.0
    copies: int = 3
    temperature: float = 2.0
    gold_weight: float = 0.3
    representation_weight: float = 0.0
    embedding_dropout: float = 0.0
    bf16: bool = True

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder)
        self.teach(model, source, context)
        model.save(folder)

    def teach(self, model: Model, source: Artifact, context: Context) -> None:
        """Train `model`, which is that of `source`, on the teacher's answers."""
        assert context.teacher is not None, f"{self.name} needs a teacher in its context"
        texts, gold = transfer_set(context, self.copies)
        answers = context.teacher.answer(texts)
        projection = self._projection(model, answers.embedding.shape[1], context.seed)
        if isinstance(model.encoder, ConvolutionEncoder):
            model.encoder.dropout.p = self.embedding_dropout
        train(
            model,
            model.tokens(texts),
            _Objective(self, model, gold, answers.logits, answers.embedding, projection),
            TrainSettings(
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                head_factor=self.head_factor,
                seed=context.seed,
                bf16=self.bf16,
            ),
            self.checkpoint(source, context),
            context.progress,
            self.name.replace("_", " "),
            tuple(projection.parameters()) if projection is not None else (),
        )

    def _projection(self, model: Model, width: int, seed: int) -> nn.Linear | None:
        if not self.representation_weight:
            return None
        torch.manual_seed(seed)
        return nn.Linear(model.encoder.hidden, width)


def transfer_set(context: Context, copies: int) -> tuple[list[str], Tensor]:
    """All texts to learn from, and gold targets with -1 where nobody labeled the text."""
    labeled = [row.text for row in context.dataset.train]
    texts = labeled + [row.text for row in context.dataset.unlabeled]
    altered = _altered(texts, copies, context)
    targets = context.targets()
    gold = np.full((len(texts) + len(altered), *targets.shape[1:]), -1, np.int64)
    gold[: len(labeled)] = targets
    return texts + altered, torch.from_numpy(gold)


def _altered(texts: list[str], copies: int, context: Context) -> list[str]:
    """Altered copies; where sentences are read, with each sentence altered in a line of its own."""
    if context.task.reads != "sentences":
        return altered_copies(texts, copies, context.seed)
    documents = [[text[start:end] for start, end in sentences_of(text)] for text in texts]
    flat = iter(altered_copies([one for said in documents for one in said], copies, context.seed))
    return ["\n".join(islice(flat, len(said))) for _ in range(copies) for said in documents]


class _Objective:
    def __init__(
        self,
        settings: Distill,
        model: Model,
        gold: Tensor,
        logits: np.ndarray,
        embedding: np.ndarray,
        projection: nn.Linear | None,
    ) -> None:
        self.settings = settings
        self.head = model.head
        self.gold = gold
        self.logits = torch.from_numpy(logits)
        self.embedding = torch.from_numpy(embedding)
        self.projection = projection

    def __call__(self, logits: Tensor, embedding: Tensor, rows: Tensor) -> Tensor:
        s = self.settings
        gold = self.gold[rows]
        soft = self.head.soft_loss(logits, self.logits[rows], s.temperature)
        labeled = (gold >= 0).reshape(len(gold), -1).any(dim=1).float().mean()
        hard = self.head.gold_loss(logits, gold) * labeled
        loss: Tensor = (1 - s.gold_weight) * soft + s.gold_weight * hard
        if self.projection is not None:
            near = functional.cosine_similarity(
                self.projection(embedding), self.embedding[rows], dim=-1
            )
            loss = loss + s.representation_weight * (1 - near.mean())
        return loss
