"""Fine-tune pairs: an encoder learns to read a query and a document together.

For the task rank: what scores the first stage's best documents again (Nogueira & Cho 2019). A
query's right document against hard negatives, wrong ones among those that the context's teacher
finds nearest (Gao, Dai & Callan 2021). This makes the teacher of the model that ships.

The table of token embeddings stays as it was, as in `finetune`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from attar.passes import Artifact, Context, Pass
from attar.passes.distill_vectors import document_vectors
from attar.passes.finetune_vectors import gold_documents
from attar.train.encoders import TransformerEncoder
from attar.train.loop import TrainSettings, train
from attar.train.models import Model
from attar.train.pairs import groups_of, hard_negatives


@dataclass(frozen=True, slots=True)
class FinetunePairs(Pass):
    """negatives: of each query, drawn from the `pool` nearest wrong documents. The source is a
    model that reads pairs; the context's teacher knows the documents."""

    name: ClassVar[str] = "finetune_pairs"
    reads: ClassVar[tuple[str, ...]] = ("data", "teacher", "seed")

    epochs: int
    learning_rate: float = 1e-4
    batch_size: int = 8
    negatives: int = 3
    pool: int = 10

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder)
        if isinstance(model.encoder, TransformerEncoder):
            model.encoder.encoder.get_input_embeddings().requires_grad_(False)
        queries, chosen = drawn_groups(context, self.negatives, self.pool)
        documents = [document.read for document in context.dataset.documents]

        def objective(logits: Tensor, embedding: Tensor, rows: Tensor) -> Tensor:
            loss: Tensor = model.head.gold_loss(logits, rows)
            return loss

        if queries:
            train(
                model,
                groups_of(model, queries, documents, chosen),
                objective,
                TrainSettings(
                    epochs=self.epochs,
                    learning_rate=self.learning_rate,
                    batch_size=self.batch_size,
                    seed=context.seed,
                ),
                self.checkpoint(source, context),
                context.progress,
                "finetune pairs",
            )
        model.requires_grad_(True)
        model.save(folder)


def drawn_groups(context: Context, negatives: int, pool: int) -> tuple[list[str], list[list[int]]]:
    """The train queries that a document answers, and of each a right document's number and those
    of wrong ones, drawn from the `pool` nearest."""
    queries, near = near_documents(context, pool)
    rng = np.random.default_rng(context.seed)
    drawn = []
    for right, *wrong in near:
        kept = rng.permutation(len(wrong))[:negatives]
        drawn.append([right, *(wrong[i] for i in sorted(kept.tolist()))])
    return queries, drawn


def near_documents(context: Context, count: int) -> tuple[list[str], list[list[int]]]:
    """The train queries that a document answers, and of each a right document's number, then
    those of the `count` wrong ones that the context's teacher finds nearest."""
    assert context.teacher is not None, "pairs are chosen by the context's teacher"
    documents = document_vectors(context)
    texts = [row.text for row in context.dataset.train]
    if documents is None or len(documents) < 2 or not texts:
        return [], []
    found = hard_negatives(
        context.teacher.answer(texts).logits, documents, gold_documents(context), count
    )
    kept = [i for i, numbers in enumerate(found) if numbers]
    return [texts[i] for i in kept], [found[i] for i in kept]
