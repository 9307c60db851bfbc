"""The only training loop: AdamW, linear warm-up and decay, a checkpoint every epoch.

What is learned is the caller's objective; how it is learned is `TrainSettings`.
A run that was killed continues from its last epoch and ends with the same weights as
one that was not, because the checkpoint holds optimizer, schedule and random states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from attar.errors import OutputError
from attar.train.batches import batch_order, lengths_of, pad
from attar.train.models import Model
from attar.train.precision import mixed_precision
from attar.types import Progress

#: (logits, embedding, row numbers) -> scalar loss
Objective = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """learning_rate: of the encoder; the head's is `head_factor` times it.
    bf16: mixed precision, used only where the processor computes it natively."""

    epochs: int
    learning_rate: float
    batch_size: int = 32
    head_factor: float = 10.0
    weight_decay: float = 0.01
    warmup: float = 0.1
    seed: int = 0
    bf16: bool = True


def train(
    model: Model,
    tokens: list[list[int]],
    objective: Objective,
    settings: TrainSettings,
    checkpoint: Path,
    progress: Progress,
    what: str,
    extra_parameters: tuple[nn.Parameter, ...] = (),
) -> None:
    """Train `model` in place on rows of token ids.

    checkpoint: the file that holds the state after each finished epoch. The caller
    removes it once the result is stored. extra_parameters: parameters of the
    objective itself, such as a projection, learned along.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    lengths = lengths_of(tokens)
    steps = settings.epochs * math.ceil(len(tokens) / settings.batch_size)
    optimizer = _optimizer(model, settings, extra_parameters)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _linear_decay(step, steps, settings.warmup)
    )
    epoch = _resume(checkpoint, model, optimizer, schedule, rng, extra_parameters)
    if epoch:
        progress.say(f"{what}: continues after epoch {epoch} of {settings.epochs}")
    learned = [p for group in optimizer.param_groups for p in group["params"]]

    def all_batches() -> Iterator[np.ndarray]:
        for current in range(epoch, settings.epochs):
            yield from batch_order(lengths, settings.batch_size, rng)
            _save(checkpoint, current + 1, model, optimizer, schedule, rng, extra_parameters)

    model.train()
    done = epoch * math.ceil(len(tokens) / settings.batch_size)
    for rows in progress.track(all_batches(), what, steps - done):
        batch = pad(tokens, rows, model.pad_id)
        with mixed_precision(settings.bf16):
            logits, embedding = model(batch.input_ids, batch.attention_mask)
        loss = objective(logits.float(), embedding.float(), torch.from_numpy(rows))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
    model.eval()


def _optimizer(
    model: Model, settings: TrainSettings, extra: tuple[nn.Parameter, ...]
) -> torch.optim.AdamW:
    encoder = [p for p in model.encoder.parameters() if p.requires_grad]
    head = [p for p in model.head.parameters() if p.requires_grad]
    groups = [
        {"params": encoder, "lr": settings.learning_rate},
        {"params": [*head, *extra], "lr": settings.learning_rate * settings.head_factor},
    ]
    return torch.optim.AdamW(
        [g for g in groups if g["params"]], weight_decay=settings.weight_decay, fused=True
    )


def _linear_decay(step: int, steps: int, warmup: float) -> float:
    rising = (step + 1) / max(1.0, warmup * steps)
    return min(1.0, rising) * max(0.0, (steps - step) / steps)


def _save(
    checkpoint: Path,
    epoch: int,
    model: Model,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    rng: np.random.Generator,
    extra: tuple[nn.Parameter, ...],
) -> None:
    state = {
        "epoch": epoch,
        "model": _learned_state(model),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.last_epoch,
        "torch_rng": torch.get_rng_state(),
        "numpy_rng": rng.bit_generator.state,
        "extra": [p.detach().clone() for p in extra],
    }
    partial = checkpoint.with_name(checkpoint.name + "-partial")
    try:
        torch.save(state, partial)  # not flushed to the disk: a kill loses nothing
        partial.replace(checkpoint)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError on a full disk
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {checkpoint.name}: {error}") from error


def _learned_state(model: Model) -> dict[str, Tensor]:
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def _resume(
    checkpoint: Path,
    model: Model,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    rng: np.random.Generator,
    extra: tuple[nn.Parameter, ...],
) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(state["model"], strict=False)  # frozen weights are the input's
    optimizer.load_state_dict(state["optimizer"])
    schedule.last_epoch = state["schedule"]
    torch.set_rng_state(state["torch_rng"])
    rng.bit_generator.state = state["numpy_rng"]
    with torch.no_grad():
        for parameter, saved in zip(extra, state["extra"], strict=True):
            parameter.copy_(saved)
    return int(state["epoch"])
