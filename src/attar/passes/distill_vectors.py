"""Distill vectors: train a student that embeds texts on its teacher's vectors.

For the task rank. The documents of the index are read by the teacher (`document_vectors`), so
what the student must learn is to read queries into the teacher's space: it learns from train
queries, from queries made of their beginnings and the documents' words, from sentences of the
documents, and from other unlabeled texts; from some whole documents, too, because those that are
added later it reads itself. The loss of a text is one minus the cosine to the
teacher's vector, plus two divergences: of how near it is to the others of its batch (relational
distillation, Park et al. 2019), and of how near it is to the documents, which is the ranking
itself (Tang & Wang 2018). Gold documents are not looked at: rows of train stay fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from attar.data.augment import spliced
from attar.passes import Artifact, Context, Pass
from attar.tasks.sentences import sentences_of
from attar.train.fake_quantization import rounding
from attar.train.heads.rank import SHARP, RankHead
from attar.train.loop import TrainSettings, train
from attar.train.models import Model
from attar.types import Document, Item

SHORTEST, LONGEST = 15, 160  # characters of a sentence to learn from
ANCHORS = 4_096  # documents, at most, that a text's ranking is learned of


@dataclass(frozen=True, slots=True)
class DistillVectors(Pass):
    """epochs: over all texts. sentences, made: how many to learn from at most, of the documents'
    sentences and of queries made from them; passages: of whole documents. weight_bits,
    embedding_bits: of the grid to train on, as `Quantize` will be set; None trains on the weights
    as they are."""

    name: ClassVar[str] = "distill_vectors"
    reads: ClassVar[tuple[str, ...]] = ("data", "teacher", "seed")

    epochs: int
    learning_rate: float
    batch_size: int = 32
    sentences: int = 1_000
    made: int = 4_000
    passages: int = 0
    ranking_weight: float = 1.0
    weight_bits: int | None = None
    embedding_bits: int | None = None
    bf16: bool = True

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        assert context.teacher is not None, "distill_vectors needs a teacher in its context"
        model = Model.load(source.folder)
        sentences, queries = transfer_texts(context, self.sentences, self.made)
        # Apart, because the first are the same for a trial and the final training.
        vectors = [context.teacher.answer(texts).logits for texts in (sentences, queries) if texts]
        anchors = document_vectors(context)
        if anchors is None:
            anchors = np.zeros((0, model.columns), np.float32)
        read = [document.read for document in context.dataset.documents]
        whole = spread([*range(len(read))], self.passages)
        if whole:
            vectors.append(anchors[whole])
        grid = (
            rounding(model, self.weight_bits, self.embedding_bits or self.weight_bits)
            if self.weight_bits is not None
            else nullcontext()
        )
        with grid:
            train(
                model,
                model.tokens([*sentences, *queries, *(read[i] for i in whole)]),
                _Objective(np.concatenate(vectors), anchors, self.ranking_weight),
                TrainSettings(
                    epochs=self.epochs,
                    learning_rate=self.learning_rate,
                    batch_size=self.batch_size,
                    head_factor=1.0,
                    seed=context.seed,
                    bf16=self.bf16,
                ),
                self.checkpoint(source, context),
                context.progress,
                "distill vectors",
            )
        model.save(folder)


def document_vectors(context: Context) -> NDArray[np.float32] | None:
    """The teacher's vectors of the documents, (documents, columns); None without either."""
    if context.teacher is None or not context.dataset.documents:
        return None
    return context.teacher.answer([one.read for one in context.dataset.documents]).logits


def transfer_texts(context: Context, sentences: int, made: int) -> tuple[list[str], list[str]]:
    """What a student learns from: sentences of the documents and their titles; and queries, those
    made of them, and the unlabeled texts that are no documents."""
    dataset = context.dataset
    known = {one.read for one in dataset.documents}
    said = sentences_to_learn(dataset.documents)
    queries = [row.text for row in dataset.train]
    others = [row.text for row in dataset.unlabeled if row.text not in known]
    new = spliced(queries, said, made, context.seed) if said else []
    return spread(said, sentences), [*queries, *others, *new]


def sentences_to_learn(documents: Sequence[Document]) -> list[str]:
    """The documents' titles and sentences of ordinary length, each once."""
    found: dict[str, None] = {}
    for document in documents:
        if document.title:
            found[document.title] = None
        text = document.text
        for start, end in sentences_of(text):
            if SHORTEST <= end - start <= LONGEST:
                found[text[start:end]] = None
    return [*found]


def spread(items: list[Item], most: int) -> list[Item]:
    """At most so many of them, evenly spread."""
    if len(items) <= most:
        return items
    return [items[i * len(items) // most] for i in range(most)]


class _Objective:
    """teacher: vectors of the texts, (texts, columns); anchors: of documents."""

    def __init__(
        self, teacher: NDArray[np.float32], anchors: NDArray[np.float32], ranking_weight: float
    ) -> None:
        self.teacher = torch.from_numpy(teacher)
        step = max(1, -(-len(anchors) // ANCHORS))
        self.anchors = torch.from_numpy(np.ascontiguousarray(anchors[::step]))
        self.ranking_weight = ranking_weight if len(anchors) > 1 else 0.0

    def __call__(self, logits: Tensor, embedding: Tensor, rows: Tensor) -> Tensor:
        theirs = self.teacher[rows]
        loss = RankHead.soft_loss(logits, theirs, 1.0)
        if self.ranking_weight:
            loss = loss + self.ranking_weight * ranking_loss(logits, theirs, self.anchors)
        return loss


def ranking_loss(student: Tensor, teacher: Tensor, documents: Tensor) -> Tensor:
    """Divergence of how near each text is to the documents, by the student, from how near it is
    by the teacher. All unit vectors: (batch, columns), (batch, columns), (documents, columns)."""
    log_p, log_q = (
        functional.log_softmax(x @ documents.T / SHARP, dim=-1) for x in (teacher, student)
    )
    return functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
