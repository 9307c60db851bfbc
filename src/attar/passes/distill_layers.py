"""Distill layers: train a student's inside on its teacher's, before its answers.

Three objectives, each with a weight, on all texts of the transfer set; labels are not
used, so that any text helps:

- *relations* (MiniLMv2, Wang et al. 2021): of the teacher's last layer, how queries relate
  to queries, keys to keys, values to values, as distributions over the tokens. Widths and
  numbers of heads may differ.
- *hidden states* (TinyBERT, Jiao et al. 2020): embeddings and every student layer against
  the teacher's layer that the map names, through a learned projection where widths differ.
  The squared error is relative to the size of the teacher's states, which differs by model.
- *attention* (TinyBERT): scores before the softmax, layer by layer, head by head.

The teacher must be a model at hand, not stored answers; of an ensemble it is the first
member. It reads the student's pieces, so that both see the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import ClassVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.passes.distill import transfer_set
from attar.teachers import Teacher
from attar.train.batches import pad
from attar.train.encoders import TransformerEncoder
from attar.train.layer_outputs import Attended, LayerOutputs
from attar.train.loop import TrainSettings, train
from attar.train.models import Model
from attar.train.precision import mixed_precision


@dataclass(frozen=True, slots=True)
class DistillLayers(Pass):
    """copies: altered copies a text. relation_heads: into how many heads both widths are cut
    for the relations; None for the teacher's own number. layer_map: the teacher's layer for
    each of the student's; None spreads them evenly, the last on the last."""

    name: ClassVar[str] = "distill_layers"
    reads: ClassVar[tuple[str, ...]] = ("data", "teacher", "seed")

    epochs: int
    learning_rate: float = 4e-4
    batch_size: int = 32
    copies: int = 3
    relation_weight: float = 1.0
    relation_heads: int | None = None
    hidden_weight: float = 1.0
    attention_weight: float = 0.0
    layer_map: tuple[int, ...] | None = None

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        assert context.teacher is not None, "distill_layers needs a teacher in its context"
        student, teacher = Model.load(source.folder), teacher_model(context.teacher)
        texts, _ = transfer_set(context, self.copies)
        with _Objective(self, student, teacher, student.tokens(texts), context.seed) as objective:
            train(
                student,
                objective.tokens,
                objective,
                TrainSettings(
                    epochs=self.epochs,
                    learning_rate=self.learning_rate,
                    batch_size=self.batch_size,
                    head_factor=1.0,  # of the projection: the head itself is not learned here
                    seed=context.seed,
                ),
                self.checkpoint(source, context),
                context.progress,
                "distill layers",
                tuple(objective.projection.parameters()),
            )
        if student.encoder.hidden == teacher.encoder.hidden and self.hidden_weight:
            student.head.load_state_dict(teacher.head.state_dict())  # it reads the same space now
            student.head.unit = teacher.head.unit
        student.save(folder)


def teacher_model(teacher: Teacher) -> Model:
    """The torch model of a local teacher. AttarError for one that only answers."""
    folder = getattr(teacher, "folder", None)
    if folder is None:
        raise AttarError(
            f"distill_layers: the teacher {teacher.name!r} only gives answers, its layers cannot "
            "be seen; use a local model, or distill its answers alone"
        )
    return Model.load(folder).eval()


def relation_loss(student: Attended, teacher: Attended, mask: Tensor, heads: int) -> Tensor:
    """Mean over queries, keys and values, heads and real tokens of the divergence of the
    student's relations from the teacher's (MiniLMv2, equations 5 to 7).

    mask: (batch, time), 1 for real tokens. Each width must be a multiple of `heads`.
    """
    losses = []
    for ours, theirs in zip(student, teacher, strict=True):
        log_p, log_q = (_relations(rows, mask, heads) for rows in (theirs, ours))
        # (batch, heads, time): padding has probability zero in both and adds nothing.
        divergence = (log_p.exp() * (log_p - log_q)).sum(-1)
        losses.append((divergence * mask[:, None]).sum() / (heads * mask.sum()))
    return torch.stack(losses).mean()


def _relations(rows: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Log-probabilities over tokens for each token, (batch, heads, time, time)."""
    split = _by_head(rows, heads)
    scores = split @ split.transpose(-1, -2) / sqrt(split.shape[-1])
    return functional.log_softmax(_hide_padding(scores, mask, -1e4), dim=-1)


def hidden_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Squared error over real tokens, relative to the teacher's; both (batch, time, hidden)."""
    real = mask.unsqueeze(-1)
    return ((student - teacher).square() * real).sum() / (teacher.square() * real).sum()


def attention_loss(student: Attended, teacher: Attended, mask: Tensor, heads: int) -> Tensor:
    """Mean squared difference of attention scores between real tokens (TinyBERT, equation 7);
    both models have `heads` heads."""
    ours, theirs = (_hide_padding(_scores(layer, heads), mask, 0.0) for layer in (student, teacher))
    pairs = mask.sum(1).square().sum() * heads
    return ((ours - theirs).square() * mask[:, None, :, None]).sum() / pairs


def _scores(layer: Attended, heads: int) -> Tensor:
    query, key = _by_head(layer.query, heads), _by_head(layer.key, heads)
    return query @ key.transpose(-1, -2) / sqrt(query.shape[-1])  # (batch, heads, time, time)


def _by_head(rows: Tensor, heads: int) -> Tensor:
    """(batch, time, width) -> (batch, heads, time, width / heads)."""
    return rows.reshape(*rows.shape[:2], heads, -1).transpose(1, 2)


def _hide_padding(scores: Tensor, mask: Tensor, value: float) -> Tensor:
    return scores.masked_fill(mask[:, None, None] == 0, value)


def spread_map(student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's layer for each student layer, evenly spread, last on last (TinyBERT)."""
    return tuple(round((i + 1) * teacher / student) - 1 for i in range(student))


class _Objective:
    """Runs the teacher on each batch and compares; the training loop's logits are not used."""

    def __init__(
        self,
        settings: DistillLayers,
        student: Model,
        teacher: Model,
        tokens: list[list[int]],
        seed: int,
    ) -> None:
        ours, theirs = _transformer(student), _transformer(teacher)
        self.settings, self.teacher, self.tokens = settings, teacher, tokens
        self.pad_id, self.max_length = student.pad_id, student.max_length
        self.piece = _teacher_pieces(student.tokenizer, teacher.tokenizer)
        depth, teacher_depth = len(ours.layers), len(theirs.layers)
        self.map = settings.layer_map or spread_map(depth, teacher_depth)
        _check_map(self.map, depth, teacher_depth)
        self.heads = int(theirs.encoder.config.num_attention_heads)
        self.relation_heads = settings.relation_heads or self.heads
        self._check_heads(ours, theirs)
        last = [depth - 1] if settings.relation_weight else []
        every = list(range(depth)) if settings.attention_weight else []
        self.ours = LayerOutputs(ours, {*last, *every})
        teacher_last = [teacher_depth - 1] if settings.relation_weight else []
        mapped = self.map if settings.attention_weight else ()
        self.theirs = LayerOutputs(theirs, {*teacher_last, *mapped})
        torch.manual_seed(seed)
        self.projection: nn.Module = nn.Identity()
        if ours.hidden != theirs.hidden and settings.hidden_weight:
            self.projection = nn.Linear(ours.hidden, theirs.hidden)

    def __enter__(self) -> _Objective:
        return self

    def __exit__(self, *error: object) -> None:
        for outputs in (self.ours, self.theirs):
            outputs.__exit__(None, None, None)

    def __call__(self, logits: Tensor, embedding: Tensor, rows: Tensor) -> Tensor:
        batch = pad(self.tokens, rows.numpy(), self.pad_id, self.max_length)
        mask = batch.attention_mask
        with torch.no_grad(), mixed_precision():
            self.teacher.encoder(self.piece[batch.input_ids], mask)
        s, real = self.settings, mask.float()
        last, teacher_last = len(self.map) - 1, len(self.theirs.hidden) - 2
        total = torch.zeros(())
        if s.relation_weight:
            ours, theirs = self.ours.attended(last), self.theirs.attended(teacher_last)
            total = total + s.relation_weight * relation_loss(
                ours, theirs, real, self.relation_heads
            )
        if s.hidden_weight:
            pairs = [(0, 0), *((i + 1, j + 1) for i, j in enumerate(self.map))]
            losses = [
                hidden_loss(self.projection(self.ours.hidden[i]), self.theirs.hidden[j], real)
                for i, j in pairs
            ]
            total = total + s.hidden_weight * torch.stack(losses).mean()
        if s.attention_weight:
            losses = [
                attention_loss(self.ours.attended(i), self.theirs.attended(j), real, self.heads)
                for i, j in enumerate(self.map)
            ]
            total = total + s.attention_weight * torch.stack(losses).mean()
        return total

    def _check_heads(self, ours: TransformerEncoder, theirs: TransformerEncoder) -> None:
        heads = self.relation_heads
        if self.settings.relation_weight and (ours.hidden % heads or theirs.hidden % heads):
            raise AttarError(
                f"distill_layers: relation_heads = {heads} must divide the widths of student "
                f"({ours.hidden}) and teacher ({theirs.hidden})"
            )
        own = int(ours.encoder.config.num_attention_heads)
        if self.settings.attention_weight and own != self.heads:
            raise AttarError(
                f"distill_layers: the student has {own} heads and the teacher {self.heads}, so "
                "attention_weight must be 0; relation_weight does not need equal heads"
            )


def _transformer(model: Model) -> TransformerEncoder:
    if not isinstance(model.encoder, TransformerEncoder):
        raise AttarError("distill_layers needs a student and a teacher with transformer layers")
    return model.encoder


def _check_map(layer_map: Sequence[int], student: int, teacher: int) -> None:
    if len(layer_map) != student or any(not 0 <= i < teacher for i in layer_map):
        raise AttarError(
            f"distill_layers: layer_map = {list(layer_map)} must name one of the teacher's "
            f"{teacher} layers for each of the student's {student}"
        )


def _teacher_pieces(student: Tokenizer, teacher: Tokenizer) -> Tensor:
    """The teacher's id of each of the student's pieces, (pieces,)."""
    ours, theirs = (t.get_vocab(with_added_tokens=True) for t in (student, teacher))
    unknown = sorted(ours.keys() - theirs.keys())
    if unknown:
        raise AttarError(
            f"distill_layers: the teacher's vocabulary lacks {len(unknown)} of the student's "
            f"pieces, such as {unknown[0]!r}; student and teacher must start from one encoder"
        )
    found = torch.zeros(max(ours.values()) + 1, dtype=torch.long)
    for piece, number in ours.items():
        found[number] = theirs[piece]
    return found
