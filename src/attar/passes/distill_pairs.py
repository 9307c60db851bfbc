"""Distill pairs: a small model learns how much better a document belongs to a query than others.

For the task rank: the student of `finetune_pairs`, which learns its teacher's margins (Hofstätter
et al. 2020) on train queries and on queries made of their beginnings and the documents' words
(`distill_vectors.transfer_texts`), each beside the documents that the first stage finds nearest.
Right documents of train rows count too.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attar.passes import Artifact, Context, Pass
from attar.passes.distill_vectors import document_vectors, transfer_texts
from attar.passes.finetune_pairs import near_documents
from attar.teachers.pairs import ScoresPairs
from attar.train.fake_quantization import rounding
from attar.train.loop import TrainSettings, train
from attar.train.models import Model
from attar.train.pairs import groups_of, scores_of


@dataclass(frozen=True, slots=True)
class DistillPairs(Pass):
    """others: documents of each query beside the right one. made: queries that are made, at most.
    gold_weight: of the right documents, in the loss. The bits: as in `distill_vectors`. The
    context's teacher is one that scores pairs."""

    name: ClassVar[str] = "distill_pairs"
    reads: ClassVar[tuple[str, ...]] = ("data", "teacher", "seed")

    epochs: int
    learning_rate: float = 4e-4
    batch_size: int = 8
    others: int = 3
    made: int = 0
    gold_weight: float = 0.5
    weight_bits: int | None = None
    embedding_bits: int | None = None

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        assert isinstance(context.teacher, ScoresPairs), "distill_pairs needs who scores pairs"
        model, theirs = Model.load(source.folder), Model.load(context.teacher.scorer)
        queries, chosen = near_documents(context, self.others)
        known = len(queries)
        made, near = self._made(context)
        queries, chosen = [*queries, *made], [*chosen, *near]
        documents = [document.read for document in context.dataset.documents]
        if queries:
            scores = scores_of(
                theirs,
                groups_of(theirs, queries, documents, chosen),
                context.progress,
                "teacher, pairs",
            )
            bits = self.weight_bits
            grid = (
                rounding(model, bits, self.embedding_bits or bits)
                if bits is not None
                else nullcontext()
            )
            with grid:
                train(
                    model,
                    groups_of(model, queries, documents, chosen),
                    _Objective(model, scores, known, self.gold_weight),
                    TrainSettings(
                        epochs=self.epochs,
                        learning_rate=self.learning_rate,
                        batch_size=self.batch_size,
                        head_factor=1.0,
                        seed=context.seed,
                    ),
                    self.checkpoint(source, context),
                    context.progress,
                    "distill pairs",
                )
        model.save(folder)

    def _made(self, context: Context) -> tuple[list[str], list[list[int]]]:
        """Queries that nobody asked, and the documents nearest to each."""
        documents = document_vectors(context)
        if not self.made or documents is None or context.teacher is None:
            return [], []
        _, queries = transfer_texts(context, 0, self.made)
        queries = queries[len(context.dataset.train) :]
        queries = queries[-self.made :]
        if not queries:
            return [], []
        vectors = context.teacher.answer(queries).logits
        count = min(self.others + 1, len(documents))
        return queries, [
            np.argsort(-(documents @ v), kind="stable")[:count].tolist() for v in vectors
        ]


class _Objective:
    """scores: the teacher's, (queries, pairs). The first `known` queries have a right document,
    which comes first."""

    def __init__(
        self, model: Model, scores: NDArray[np.float32], known: int, gold_weight: float
    ) -> None:
        self.head, self.scores = model.head, torch.from_numpy(scores)[..., None]
        self.known, self.gold_weight = known, gold_weight

    def __call__(self, logits: Tensor, embedding: Tensor, rows: Tensor) -> Tensor:
        loss: Tensor = self.head.soft_loss(logits, self.scores[rows], 1.0)
        right = rows < self.known
        if self.gold_weight and bool(right.any()):
            loss = loss + self.gold_weight * self.head.gold_loss(logits[right], rows[right])
        return loss
