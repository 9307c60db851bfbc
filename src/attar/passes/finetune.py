"""Fine-tune an encoder on the gold labels of the train split: this makes the teacher.

Five ways. Four from dear to cheap: every layer; the top k layers; low-rank adapters
(LoRA, Hu et al. 2021, through `peft`, merged afterwards); or no weight of the
encoder at all, with a logistic regression fitted as the head. And for few rows a label,
contrastive: the encoder learns to embed texts of a label together and others apart, then
a logistic regression is fitted on it, the idea of SetFit (Tunstall et al. 2022) with the
supervised contrastive loss, which sees all pairs of a batch at once (Khosla et al. 2020).
The table of token embeddings stays as it was pretrained: a small data set would move only
the words that it happens to hold, and it is half of the weights.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.train.encoders import TransformerEncoder
from attar.train.linear import fit_unit
from attar.train.loop import TrainSettings, train
from attar.train.models import Model
from attar.train.sparsity import is_sparse, linears_of

Method = Literal["full", "top_layers", "lora", "frozen", "contrastive"]
CONTRAST = 0.1  # temperature of the similarities
FEW_A_LABEL = 16  # rows of a label that are few


@dataclass(frozen=True, slots=True)
class Finetune(Pass):
    """top_layers, lora_rank and balance count for their own methods only.

    balance: of the fitted head: rows weigh (their label's share) ** -balance; 0 takes the
    labels as they come, 1 gives them equal weight.
    """

    name: ClassVar[str] = "finetune"
    version: ClassVar[int] = 5
    reads: ClassVar[tuple[str, ...]] = ("data", "seed")

    method: Method = "full"
    epochs: int = 5
    learning_rate: float = 2e-4
    batch_size: int = 32
    top_layers: int = 2
    lora_rank: int = 16
    balance: float = 0.0

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        torch.manual_seed(context.seed)
        model = Model.load(source.folder)
        if self.method != "frozen":
            self._train(model, source, context)
        if self.method in ("frozen", "contrastive"):
            _fit_head(model, context, self.balance)
        model.save(folder)

    def _train(self, model: Model, source: Artifact, context: Context) -> None:
        plain = model.encoder
        if isinstance(plain, TransformerEncoder):
            plain.encoder.get_input_embeddings().requires_grad_(False)
        if self.method == "top_layers":
            _freeze_below(model, self.top_layers)
        elif self.method == "lora":
            _add_adapters(model, self.lora_rank)
        target = torch.from_numpy(context.targets())

        def objective(logits: Tensor, embedding: Tensor, rows: Tensor) -> Tensor:
            if self.method == "contrastive":
                return contrastive_loss(embedding, target[rows])
            loss: Tensor = model.head.gold_loss(logits, target[rows])
            return loss

        train(
            model,
            model.tokens([row.text for row in context.dataset.train]),
            objective,
            TrainSettings(
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                seed=context.seed,
            ),
            self.checkpoint(source, context),
            context.progress,
            f"finetune ({self.method.replace('_', ' ')})",
        )
        if self.method == "lora":
            assert isinstance(plain, TransformerEncoder)
            plain.encoder = plain.encoder.merge_and_unload()
        model.requires_grad_(True)


def contrastive_loss(embedding: Tensor, target: Tensor, temperature: float = CONTRAST) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, equation 2): how well each text finds,
    by cosine, those of its label among all others of the batch.

    embedding: (batch, hidden); target: (batch,). Texts alone with their label count as others
    only; zero where no two texts share a label.
    """
    unit = functional.normalize(embedding, dim=-1)
    alone = torch.eye(len(unit), dtype=torch.bool)
    similar = (unit @ unit.T / temperature).masked_fill(alone, -1e4)  # (batch, batch)
    log_p = functional.log_softmax(similar, dim=-1)
    same = (target[:, None] == target[None]) & ~alone
    count = same.sum(1)
    paired = count > 0
    if not bool(paired.any()):
        return embedding.sum() * 0.0
    return -((log_p * same).sum(1)[paired] / count[paired]).mean()


def _freeze_below(model: Model, top: int) -> None:
    if not isinstance(model.encoder, TransformerEncoder):
        raise AttarError("top_layers needs a transformer")
    model.encoder.requires_grad_(False)
    for layer in list(model.encoder.layers)[-top:]:
        layer.requires_grad_(True)


def _add_adapters(model: Model, rank: int) -> None:
    from peft import LoraConfig, get_peft_model

    if not isinstance(model.encoder, TransformerEncoder):
        raise AttarError("LoRA needs a transformer")
    if any(is_sparse(linear) for linear in linears_of(model.encoder)):
        raise AttarError("LoRA would fill the zeros of a sparse model; finetune it in full")
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with warnings.catch_warnings():  # peft asks transformers by a deprecated name
        warnings.simplefilter("ignore", FutureWarning)
        model.encoder.encoder = get_peft_model(model.encoder.encoder, config)


def _fit_head(model: Model, context: Context, balance: float) -> None:
    """The head becomes logistic regressions on the embeddings of the train rows."""
    texts = [row.text for row in context.dataset.train]
    _, embedding = model.answer(texts, context.progress, "finetune (frozen): embed")
    target = context.targets()
    named = np.unique(target[target >= 0])
    model.head.unit = target.ndim == 1 and len(texts) < FEW_A_LABEL * len(named)
    if model.head.unit:
        fitted = fit_unit(embedding, target, model.columns, balance)
    else:
        fitted = model.head.fitted(embedding, target, model.columns, balance=balance)
    with torch.no_grad():
        model.head.linear.weight.copy_(torch.from_numpy(fitted.weight))
        model.head.linear.bias.copy_(torch.from_numpy(fitted.bias))
