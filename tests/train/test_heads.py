"""Losses of the heads against naive computations."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.train.heads import HEADS


def test_multilabel_losses_are_sums_of_yes_or_no_questions() -> None:
    generator = np.random.default_rng(0)
    logits, teacher = generator.normal(size=(2, 4, 3))
    target = np.array([[1, 0, 1], [0, 0, 0], [-1, -1, -1], [0, 1, 0]])
    head = HEADS.get("multilabel")(5, 3)

    def share(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    losses = [
        -sum(np.log(share(x) if yes else 1 - share(x)) for x, yes in zip(*pair, strict=True))
        for pair in zip(logits, target, strict=True)
        if pair[1][0] >= 0
    ]
    found = head.gold_loss(torch.tensor(logits), torch.tensor(target))
    assert float(found) == pytest.approx(np.mean(losses))
    unlabeled = torch.full((4, 3), -1)
    assert float(head.gold_loss(torch.tensor(logits), unlabeled)) == 0.0

    divergences = []
    for mine, theirs in zip(logits, teacher, strict=True):
        total = 0.0
        for x, t in zip(mine / 2, theirs / 2, strict=True):
            for p, q in ((share(t), share(x)), (1 - share(t), 1 - share(x))):
                total += p * np.log(p / q)
        divergences.append(total)
    soft = head.soft_loss(torch.tensor(logits), torch.tensor(teacher), 2.0)
    assert float(soft) == pytest.approx(4 * np.mean(divergences))


def test_one_against_the_rest_is_fitted_for_each_column() -> None:
    generator = np.random.default_rng(1)
    embedding = generator.normal(size=(200, 6)).astype(np.float32)
    target = (embedding[:, :3] > 0.3).astype(np.int64)
    target = np.concatenate([target, np.zeros((200, 1), int), np.ones((200, 1), int)], axis=1)
    weight, bias = HEADS.get("multilabel").fitted(embedding, target, 5)
    named = embedding @ weight.T + bias > 0
    assert (named[:, :3] == target[:, :3].astype(bool)).mean() > 0.9
    assert not named[:, 3].any()
    assert named[:, 4].all()


def test_vectors_have_length_one_and_start_as_the_embedding() -> None:
    head = HEADS.get("rank")(4, 4).eval()
    embedding = torch.tensor([[3.0, 0.0, 4.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    found = head(embedding).detach()
    expected = torch.tensor([[0.6, 0, 0.8, 0], [0, 1, 0, 0]])
    assert torch.allclose(found, expected)
    assert float(head.gold_loss(found, torch.tensor([-1, -1]))) == 0.0


def test_vectors_are_learned_by_direction_and_by_their_neighbors() -> None:
    generator = np.random.default_rng(2)
    mine, theirs = generator.normal(size=(2, 5, 6))
    head = HEADS.get("rank")
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (mine, theirs))

    def near(x: np.ndarray) -> np.ndarray:
        exps = np.exp((x @ x.T) / 0.05)
        np.fill_diagonal(exps, 0)
        return exps / exps.sum(axis=1, keepdims=True)

    p, q = near(b), near(a)
    off = ~np.eye(5, dtype=bool)
    divergence = (p[off] * np.log(p[off] / q[off])).sum() / 5
    expected = 1 - (a * b).sum(axis=1).mean() + divergence
    found = head.soft_loss(torch.tensor(mine), torch.tensor(theirs), 2.0)
    assert float(found) == pytest.approx(expected, rel=1e-4)
    same = head.soft_loss(torch.tensor(mine), 3 * torch.tensor(mine), 2.0)
    assert float(same) == pytest.approx(0, abs=1e-5)
    one = head.soft_loss(torch.tensor(mine[:1]), torch.tensor(theirs[:1]), 2.0)
    assert float(one) == pytest.approx(1 - (a[0] * b[0]).sum(), rel=1e-5)


def test_shorter_vectors_keep_the_products_of_texts() -> None:
    generator = np.random.default_rng(3)
    flat = generator.normal(size=(50, 2)) @ generator.normal(size=(2, 6))
    weight, bias = HEADS.get("rank").fitted(flat.astype(np.float32), np.full(50, -1), 2)
    short = flat @ weight.T + bias
    assert short @ short.T == pytest.approx(flat @ flat.T, abs=1e-4)
    weight, _ = HEADS.get("rank").fitted(flat.astype(np.float32), np.full(50, -1), 6)
    assert weight == pytest.approx(np.eye(6))


def test_two_layers_of_tags_are_learned_together() -> None:
    generator = np.random.default_rng(0)
    logits = torch.tensor(generator.normal(size=(2, 4, 6)))
    logits[1, 3] = float("nan")  # past the last word
    layers = np.full((2, 5, 2), -1)  # as wide as the longest of all texts
    layers[:, 1:4, 0] = [[0, 1, 2], [0, 0, -1]]
    layers[:, :4, 1] = [[4, 3, -1, 5], [3, 3, 3, -1]]
    head = HEADS.get("extract")(5, 6)
    apart = [head.gold_loss(logits, torch.tensor(layers[..., i])) for i in range(2)]
    together = head.gold_loss(logits, torch.tensor(layers))
    assert float(together) == pytest.approx(float(sum(apart)))
    assert min(map(float, apart)) > 0
    unknown = torch.full((2, 5, 2), -1)
    assert float(head.gold_loss(logits, unknown)) == 0.0
