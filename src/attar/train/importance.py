"""How much the heads, neurons, channels and layers of an encoder matter, on data.

Two measures of the units inside the layers. *taylor*: by how much the loss on gold labels
would change if the unit were scaled down, to first order, |∂L/∂gate| of a gate of one on
the unit, summed over texts (Molchanov et al. 2019; Michel et al. 2019). It needs a
trained head. *activation*: the variance of what the unit adds to the hidden state, so
without labels or head; its mean is worth nothing, because a bias can stand in for it (An
et al. 2024; Minitron, Muralidharan et al. 2024, measures likewise). Both give numbers
that are comparable within one model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from attar.train.batches import padded_batches
from attar.train.blocks import stream_of
from attar.train.encoders import TransformerEncoder
from attar.train.models import Model
from attar.types import Progress

Measure = Literal["taylor", "activation"]
BATCH = 32
RIDGE = 1e-2  # of the mean variance, toward the weights as they are


@dataclass(frozen=True, slots=True)
class Inputs:
    """Moments of a linear layer's inputs over all tokens: mean (d,), covariance (d, d)."""

    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True, slots=True)
class Importance:
    """heads: one (heads,) a layer. neurons: one (neurons,) a layer. channels: (hidden,).
    joining, falling: what those matrices of each layer are given."""

    heads: list[Tensor]
    neurons: list[Tensor]
    channels: Tensor
    joining: list[Inputs]
    falling: list[Inputs]


def measure(
    model: Model, texts: Sequence[str], gold: Tensor, by: Measure, progress: Progress
) -> Importance:
    """Measure every unit of the encoder on texts with these gold columns, (n,).

    Raises AttarError for an encoder that cannot be cut inside its layers.
    """
    assert isinstance(model.encoder, TransformerEncoder)
    gathered = _Gathered(model.encoder)
    model.eval().requires_grad_(False)
    batches = padded_batches(model.tokens(texts), model.pad_id, BATCH, model.max_length)
    handles = gathered.watch(taylor=by == "taylor")
    handles.append(model.register_forward_pre_hook(gathered.begin))
    try:
        for batch in progress.track(batches, "measure importance", len(batches)):
            with torch.set_grad_enabled(by == "taylor"):
                logits, _ = model.read(batch)
            if by == "taylor":
                loss = model.head.gold_loss(logits, gold[batch.rows])  # the mean of its rows
                (loss * len(batch.rows)).backward()
                gathered.end_of_batch()
    finally:
        for handle in handles:
            handle.remove()
        model.requires_grad_(True)
    return gathered.importance(by)


class _Gathered:
    """Sums over the batches seen, filled in by hooks on the encoder."""

    def __init__(self, encoder: TransformerEncoder) -> None:
        self.blocks = encoder.blocks
        self.stream = stream_of(encoder.encoder, self.blocks)
        self.mask = torch.zeros(0)
        self.inputs = [
            (_Moments(b.joining.in_features), _Moments(b.falling.in_features)) for b in self.blocks
        ]
        self.heads = [torch.zeros(b.heads) for b in self.blocks]
        self.neurons = [torch.zeros(b.neurons) for b in self.blocks]
        self.channels = torch.zeros(encoder.hidden)
        self.squares = torch.zeros(encoder.hidden)
        self.shared: dict[int, Tensor] = {}  # of this batch, by run: (windows, hidden)
        self.run = 0

    def watch(self, taylor: bool) -> list[Any]:
        handles = [self.stream[0].register_forward_hook(self._start)] if taylor else []
        for i, block in enumerate(self.blocks):
            for linear, moments, note in (
                (block.joining, self.inputs[i][0], self._heads(i)),
                (block.falling, self.inputs[i][1], self._neurons(i)),
            ):
                handles.append(linear.register_forward_pre_hook(self._unit(moments, note)))
        handles += [part.register_forward_hook(self._channels) for part in self.stream]
        return handles

    def begin(self, model: nn.Module, args: tuple[Tensor, Tensor]) -> None:
        """Of a run of the model; a batch of sentences takes several."""
        self.run += 1
        self.mask = args[1]

    def end_of_batch(self) -> None:
        for gates in self.shared.values():
            self.channels += gates.abs().sum(0)
        self.shared = {}

    def importance(self, by: Measure) -> Importance:
        joining = [moments.inputs() for moments, _ in self.inputs]
        falling = [moments.inputs() for _, moments in self.inputs]
        heads, neurons, channels = self.heads, self.neurons, self.channels
        if by == "activation":
            parts = list(zip(self.blocks, joining, falling, strict=True))
            heads = [_added(b.joining, given, b.head_size) for b, given, _ in parts]
            neurons = [_added(b.falling, given, 1) for b, _, given in parts]
            channels = self.squares
        return Importance(heads, neurons, channels, joining, falling)

    @staticmethod
    def _start(part: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output.requires_grad_()  # weights are frozen: gradients begin here

    def _unit(self, moments: _Moments, note: Callable[[Tensor], None]) -> Callable[..., None]:
        def hook(linear: nn.Module, args: tuple[Tensor]) -> None:
            (given,) = args  # (batch, time, units)
            moments.add(given.detach()[self.mask.bool()])
            if given.requires_grad:
                _on_gradient(given, note)

        return hook

    def _heads(self, layer: int) -> Callable[[Tensor], None]:
        def note(gates: Tensor) -> None:  # (batch, heads * head_size)
            by_head = gates.view(len(gates), self.blocks[layer].heads, -1).sum(2)
            self.heads[layer] += by_head.abs().sum(0)

        return note

    def _neurons(self, layer: int) -> Callable[[Tensor], None]:
        def note(gates: Tensor) -> None:  # (batch, neurons)
            self.neurons[layer] += gates.abs().sum(0)

        return note

    def _channels(self, part: nn.Module, args: Any, output: Tensor) -> None:
        """One gate a channel, shared by every place of the stream."""
        self.squares += output.detach()[self.mask.bool()].square().sum(0)
        run = self.run

        def note(gates: Tensor) -> None:  # (windows, hidden)
            self.shared[run] = self.shared[run] + gates if run in self.shared else gates

        if output.requires_grad:
            _on_gradient(output, note)


def _on_gradient(values: Tensor, note: Callable[[Tensor], None]) -> None:
    """Hand over the derivative by a gate on each unit and text, (batch, units), once the
    gradient of `values` (batch, time, units) is known."""
    plain = values.detach()

    def hook(gradient: Tensor) -> None:
        note((plain * gradient).sum(1))

    values.register_hook(hook)  # type: ignore[no-untyped-call]


class _Moments:
    def __init__(self, width: int) -> None:
        self.count = 0
        self.sum = torch.zeros(width, dtype=torch.float64)
        self.products = torch.zeros(width, width, dtype=torch.float64)

    def add(self, tokens: Tensor) -> None:  # (tokens, width)
        self.count += len(tokens)
        self.sum += tokens.sum(0)
        self.products += (tokens.T @ tokens).double()

    def inputs(self) -> Inputs:
        mean = self.sum / self.count
        return Inputs(mean, self.products / self.count - torch.outer(mean, mean))


def _added(linear: nn.Linear, given: Inputs, size: int) -> Tensor:
    """Variance of what each unit of `size` inputs adds to the outputs, (units,)."""
    units = linear.in_features // size
    columns = linear.weight.detach().double().view(-1, units, size)  # (out, units, size)
    blocks = given.covariance.view(units, size, units, size).diagonal(dim1=0, dim2=2)
    added: Tensor = torch.einsum("oui,iju,ouj->u", columns, blocks, columns)
    return added.float()


def refit(linear: nn.Linear, kept: Tensor, given: Inputs) -> None:
    """Change weight and bias so that the kept inputs alone give, in the mean square over
    the measured tokens, what all inputs gave (least squares, as Kwon et al. 2022, §4.3,
    fit their masks). The columns of other inputs stay, for the caller to cut.
    """
    covariance, weight = given.covariance, linear.weight.detach().double()  # weight: (out, in)
    dropped = torch.ones(len(covariance), dtype=torch.bool)
    dropped[kept] = False
    if not dropped.any():
        return
    missing = weight[:, dropped]
    ridge = RIDGE * covariance.diagonal().mean() * torch.eye(len(kept), dtype=torch.float64)
    within = covariance[kept][:, kept] + ridge
    change = torch.linalg.solve(within, covariance[kept][:, dropped] @ missing.T).T
    shift = missing @ given.mean[dropped] - change @ given.mean[kept]
    with torch.no_grad():
        linear.weight[:, kept] += change.float()
        linear.bias.add_(shift.float())
