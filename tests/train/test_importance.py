"""Importance of units: against finite differences and against sums taken by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

from attar.errors import AttarError
from attar.passes import Artifact, Context
from attar.train.blocks import stream_of
from attar.train.importance import Inputs, measure, refit
from attar.train.models import Model
from attar.types import Silent

pytestmark = pytest.mark.usefixtures("float32")
TEXTS = 12
STEP = 1e-4


@pytest.fixture
def model(tiny_start: Artifact) -> Model:
    torch.manual_seed(0)
    made = Model.load(tiny_start.folder)
    nn.init.normal_(made.head.linear.weight, std=1.0)
    return made.double().eval()


@pytest.fixture
def texts(tiny_context: Context) -> list[str]:
    return [row.text for row in tiny_context.dataset.train[:TEXTS]]


@pytest.fixture
def gold(tiny_context: Context) -> Any:
    return torch.from_numpy(tiny_context.targets()[:TEXTS])


def losses(model: Model, texts: list[str], gold: Any) -> Any:
    """Loss of every text alone, (texts,)."""
    found = []
    for text, column in zip(texts, gold, strict=True):
        ids = torch.tensor(model.tokens([text]))
        with torch.no_grad():
            logits, _ = model(ids, torch.ones_like(ids))
        found.append(nn.functional.cross_entropy(logits, column[None]))
    return torch.stack(found)


def slope(model: Model, texts: list[str], gold: Any, gated: Any) -> float:
    """Sum over texts of |∂loss/∂gate|, by central differences. gated(gate) -> handles."""
    found = []
    for gate in (1 - STEP, 1 + STEP):
        handles = gated(gate)
        found.append(losses(model, texts, gold))
        for handle in handles:
            handle.remove()
    return float(((found[1] - found[0]) / (2 * STEP)).abs().sum())


def scaled_inputs(linear: nn.Linear, units: Any) -> Any:
    def gated(gate: float) -> list[Any]:
        factors = torch.ones(linear.in_features, dtype=torch.float64)
        factors[units] = gate
        return [linear.register_forward_pre_hook(lambda part, args: (args[0] * factors,))]

    return gated


def test_taylor_against_finite_differences(model: Model, texts: list[str], gold: Any) -> None:
    found = measure(model, texts, gold, "taylor", Silent())
    encoder = model.encoder
    for layer, block in enumerate(encoder.blocks):
        for head in range(2):
            inside = torch.arange(16 * head, 16 * head + 16)
            expected = slope(model, texts, gold, scaled_inputs(block.joining, inside))
            assert found.heads[layer][head] == pytest.approx(expected, rel=1e-3)
        for neuron in (0, 17, 63):
            expected = slope(model, texts, gold, scaled_inputs(block.falling, neuron))
            assert found.neurons[layer][neuron] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    for channel in (0, 5, 31):

        def gated(gate: float, channel: int = channel) -> list[Any]:
            factors = torch.ones(32, dtype=torch.float64)
            factors[channel] = gate
            return [
                part.register_forward_hook(lambda part, args, output: output * factors)
                for part in stream_of(encoder.encoder, encoder.blocks)
            ]

        expected = slope(model, texts, gold, gated)
        assert found.channels[channel] == pytest.approx(expected, rel=1e-3)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_taylor_ranks_neurons_as_leaving_them_out_does(
    model: Model, texts: list[str], gold: Any
) -> None:
    """To first order only, so: correlated, not equal."""
    found = measure(model, texts, gold, "taylor", Silent()).neurons[2]
    whole = losses(model, texts, gold)
    falling = model.encoder.blocks[2].falling
    changes = []
    for neuron in range(64):
        (handle,) = scaled_inputs(falling, neuron)(0.0)
        changes.append(float((losses(model, texts, gold) - whole).abs().sum()))
        handle.remove()
    assert np.corrcoef(found.numpy(), changes)[0, 1] > 0.95


def given_to(linear: nn.Linear, model: Model, texts: list[str]) -> Any:
    """What a matrix is given for every token, text by text: (tokens, in)."""
    seen: list[Any] = []
    handle = linear.register_forward_pre_hook(lambda part, args: seen.append(args[0][0]))
    losses(model, texts, torch.zeros(len(texts), dtype=torch.long))
    handle.remove()
    return torch.cat(seen)


def test_activation_against_variances_by_hand(model: Model, texts: list[str], gold: Any) -> None:
    found = measure(model, texts, gold, "activation", Silent())
    for layer, block in enumerate(model.encoder.blocks):
        for linear, size, scores, moments in (
            (block.joining, 16, found.heads[layer], found.joining[layer]),
            (block.falling, 1, found.neurons[layer], found.falling[layer]),
        ):
            given = given_to(linear, model, texts)
            torch.testing.assert_close(moments.mean, given.mean(0), atol=1e-5, rtol=1e-4)
            expected = np.cov(given.T.numpy(), bias=True)
            np.testing.assert_allclose(moments.covariance, expected, atol=1e-5)
            for unit in range(linear.in_features // size):
                part = slice(unit * size, unit * size + size)
                added = given[:, part] @ linear.weight.detach()[:, part].T
                variance = float(added.var(0, correction=0).sum())
                assert scores[unit] == pytest.approx(variance, rel=1e-3)
    squares = torch.zeros(32, dtype=torch.float64)
    for part in stream_of(model.encoder.encoder, model.encoder.blocks):
        seen: list[Any] = []
        handle = part.register_forward_hook(
            lambda part, args, output, seen=seen: seen.append(output[0])
        )
        losses(model, texts, gold)
        handle.remove()
        squares += torch.cat(seen).square().sum(0)
    torch.testing.assert_close(found.channels.double(), squares, rtol=1e-4, atol=0)


def test_refitting_is_least_squares_on_the_inputs_that_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(12, 12, generator=generator, dtype=torch.float64)
    given = torch.randn(400, 12, generator=generator, dtype=torch.float64) @ mixed + 3.0
    linear = nn.Linear(12, 5)
    wanted = linear(given.float()).detach().double().numpy()
    kept = torch.tensor([0, 2, 3, 7, 8, 10, 11])
    mean = given.mean(0)
    moments = Inputs(mean, torch.from_numpy(np.cov(given.T.numpy(), bias=True)))
    before = linear.weight.detach().clone()
    refit(linear, kept, moments)
    x = np.column_stack([given[:, kept].numpy(), np.ones(400)])
    best, *_ = np.linalg.lstsq(x, wanted, rcond=None)
    left = linear.bias.detach().numpy() + x[:, :-1] @ linear.weight.detach()[:, kept].numpy().T
    least = ((x @ best - wanted) ** 2).mean()
    plain = ((x[:, :-1] @ before[:, kept].numpy().T - wanted) ** 2).mean()
    assert least <= ((left - wanted) ** 2).mean() < 1.02 * least < 0.3 * plain
    dropped = [i for i in range(12) if i not in kept]
    torch.testing.assert_close(linear.weight[:, dropped], before[:, dropped])


def test_families_that_cannot_be_cut_say_so(model: Model, texts: list[str], gold: Any) -> None:
    model.encoder.layers[1].output = nn.Identity()
    with pytest.raises(AttarError, match="built otherwise"):
        measure(model, texts, gold, "taylor", Silent())
