"""Fine-tune an encoder on the gold labels of the train split: this makes the teacher.

Four ways, from dear to cheap: every layer; the top k layers; low-rank adapters
(LoRA, Hu et al. 2021, through `peft`, merged afterwards); or no weight of the
encoder at all, with a logistic regression fitted as the head. The table of token
embeddings stays as it was pretrained: a small data set would move only the words
that it happens to hold, and it is half of the weights.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.train.encoders import TransformerEncoder
from attar.train.linear import fit_linear
from attar.train.loop import TrainSettings, train
from attar.train.models import Model

Method = Literal["full", "top_layers", "lora", "frozen"]


@dataclass(frozen=True, slots=True)
class Finetune(Pass):
    """top_layers, lora_rank and balance count for their own methods only.

    balance: of the fitted head: rows weigh (their label's share) ** -balance; 0 takes the
    labels as they come, 1 gives them equal weight.
    """

    name: ClassVar[str] = "finetune"
    version: ClassVar[int] = 2
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
        if self.method == "frozen":
            _fit_head(model, context, self.balance)
        else:
            self._train(model, source, context)
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
        train(
            model,
            model.tokens([row.text for row in context.dataset.train]),
            lambda logits, _, rows: model.head.gold_loss(logits, target[rows]),
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
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with warnings.catch_warnings():  # peft asks transformers by a deprecated name
        warnings.simplefilter("ignore", FutureWarning)
        model.encoder.encoder = get_peft_model(model.encoder.encoder, config)


def _fit_head(model: Model, context: Context, balance: float) -> None:
    """The head becomes a logistic regression on the embeddings of the train rows."""
    texts = [row.text for row in context.dataset.train]
    _, embedding = model.answer(texts, context.progress, "finetune (frozen): embed")
    fitted = fit_linear(embedding, context.targets(), model.columns, balance)
    with torch.no_grad():
        model.head.linear.weight.copy_(torch.from_numpy(fitted.weight))
        model.head.linear.bias.copy_(torch.from_numpy(fitted.bias))
