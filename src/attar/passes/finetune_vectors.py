"""Fine-tune vectors: an encoder learns from pairs which document answers a query.

For the task rank. The documents' vectors stay those of the pretrained encoder, all of them are
known, and only the reading of queries is learned: a query's document against every other one, by
the softmax of cosines (Henderson et al. 2017; Karpukhin et al. 2020 take the documents of a batch
for the others, because theirs change as they learn). That costs what reading queries costs, and
tells documents of one subject apart, which a batch would rarely hold together. Sentences of the
documents keep their vectors, so that documents that come later are read nearly as those are.

The table of token embeddings stays as it was, as in `finetune`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from attar.passes import Artifact, Context, Pass
from attar.passes.distill_vectors import document_vectors, sentences_to_learn, spread
from attar.tasks.right_documents import documents_in
from attar.train.encoders import TransformerEncoder
from attar.train.heads.rank import SHARP
from attar.train.loop import TrainSettings, train
from attar.train.models import Model


@dataclass(frozen=True, slots=True)
class FinetuneVectors(Pass):
    """sentences: of the documents, whose vectors shall stay. The context's teacher gives the
    vectors that stay: the source's own."""

    name: ClassVar[str] = "finetune_vectors"
    reads: ClassVar[tuple[str, ...]] = ("data", "teacher", "seed")

    epochs: int
    learning_rate: float = 1e-4
    batch_size: int = 32
    sentences: int = 500

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        assert context.teacher is not None, "finetune_vectors needs a teacher in its context"
        model = Model.load(source.folder)
        if isinstance(model.encoder, TransformerEncoder):
            model.encoder.encoder.get_input_embeddings().requires_grad_(False)
        said = spread(sentences_to_learn(context.dataset.documents), self.sentences)
        stay = context.teacher.answer(said).logits if said else None
        known = document_vectors(context)
        if known is None:
            known = np.zeros((0, model.columns), np.float32)
        queries = [row.text for row in context.dataset.train]
        train(
            model,
            model.tokens([*queries, *said]),
            _Objective(known, gold_documents(context), stay),
            TrainSettings(
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                head_factor=1.0,
                seed=context.seed,
            ),
            self.checkpoint(source, context),
            context.progress,
            "finetune vectors",
        )
        model.requires_grad_(True)
        model.save(folder)


def gold_documents(context: Context) -> NDArray[np.int64]:
    """The numbers of each train row's right documents, (rows, most of a row); -1 beyond the last,
    and everywhere where none answers it."""
    numbers = {document.id: i for i, document in enumerate(context.dataset.documents)}
    found = [
        [numbers[name] for name in documents_in(row.label or "") if name in numbers]
        for row in context.dataset.train
    ]
    gold = np.full((len(found), max(1, *map(len, found), 1)), -1, np.int64)
    for row, right in zip(gold, found, strict=True):
        row[: len(right)] = right
    return gold


class _Objective:
    """documents: (documents, columns); gold: (queries, most of a query), -1 beyond the last; stay:
    (sentences, columns). Texts are the queries, then the sentences. Of several right documents
    the sum of their shares counts: a query need not find each."""

    def __init__(
        self,
        documents: NDArray[np.float32],
        gold: NDArray[np.int64],
        stay: NDArray[np.float32] | None,
    ) -> None:
        kept = np.zeros((0, documents.shape[1]), np.float32) if stay is None else stay
        self.documents, self.stay = torch.from_numpy(documents), torch.from_numpy(kept)
        self.gold = torch.from_numpy(
            np.concatenate([gold, np.full((len(kept), gold.shape[1]), -1)])
        )
        self.queries = len(gold)

    def __call__(self, logits: Tensor, embedding: Tensor, rows: Tensor) -> Tensor:
        gold = self.gold[rows]
        asked, said = gold[:, 0] >= 0, rows >= self.queries
        right = gold[asked]
        near = functional.log_softmax(logits[asked] @ self.documents.T / SHARP, dim=-1)
        shares = near.gather(1, right.clamp(min=0)).masked_fill(right < 0, -torch.inf)
        lost = -shares.logsumexp(dim=-1)
        moved = 1 - (logits[said] * self.stay[rows[said] - self.queries]).sum(dim=-1)
        total: Tensor = (lost.sum() + moved.sum()) / len(rows)
        return total
