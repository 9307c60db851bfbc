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
