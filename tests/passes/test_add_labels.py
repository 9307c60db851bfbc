"""Adding labels: old columns answer as before, new ones are learned, mistakes are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
linear_model = pytest.importorskip("sklearn.linear_model")

from attar.errors import AttarError
from attar.passes import Artifact, Context
from attar.passes.add_labels import (
    MARGIN,
    STRENGTH,
    AddLabels,
    fit_columns,
    imagined_embeddings,
)
from attar.passes.finetune import Finetune
from attar.train.linear import fit_unit
from attar.train.models import Model

pytestmark = pytest.mark.usefixtures("float32")

OLD = ("cancel", "delivery", "oos")


@pytest.fixture
def old(tiny_start: Artifact, tiny_context: Context) -> Artifact:
    """A model that learned everything but refunds."""
    from attar.train.start import start_model

    dataset = tiny_context.dataset
    train = tuple(row for row in dataset.train if row.label in OLD)
    folder = tiny_context.cache / "start-of-three"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    start_model(str(tiny_start.folder), "classify", len(OLD), 16).save(folder)
    context = replace(
        tiny_context, columns=OLD, dataset=replace(dataset, train=train, fingerprint="three")
    )
    step = Finetune(epochs=12, learning_rate=2e-3, batch_size=8)
    return step.apply(Artifact(folder, "start of three"), context)


def as_learned_from_few(old: Artifact, context: Context, folder: Path) -> Artifact:
    """The same encoder under a head that reads directions."""
    model = Model.load(old.folder)
    rows = context.dataset.unlabeled
    _, embedding = model.answer([row.text for row in rows])
    target = np.array([OLD.index(row.label or "") for row in rows], np.int64)
    fitted = fit_unit(embedding, target, len(OLD))
    model.head.unit = True
    with torch.no_grad():
        model.head.linear.weight.copy_(torch.from_numpy(fitted.weight))
        model.head.linear.bias.copy_(torch.from_numpy(fitted.bias))
    model.save(folder)
    return Artifact(folder, "of few")


@pytest.fixture
def refunds_only(tiny_context: Context) -> Context:
    """Train holds refunds alone; texts of the other labels have no label."""
    dataset = tiny_context.dataset
    return replace(
        tiny_context,
        dataset=replace(
            dataset,
            train=tuple(row for row in dataset.train if row.label == "refund"),
            unlabeled=tuple(row for row in dataset.train if row.label != "refund"),
            fingerprint="refunds",
        ),
    )


@pytest.mark.parametrize("unit", [False, True])
def test_old_columns_answer_as_before_and_the_new_one_is_learned(
    unit: bool, old: Artifact, refunds_only: Context, tmp_path: Path
) -> None:
    if unit:
        old = as_learned_from_few(old, refunds_only, tmp_path)
    made = Model.load(AddLabels(known=OLD).apply(old, refunds_only).folder)
    before = Model.load(old.folder)
    rows = refunds_only.dataset.certify
    texts = [row.text for row in rows]
    kept = [refunds_only.columns.index(name) for name in OLD]
    logits, embedding = made.answer(texts)
    old_logits, old_embedding = before.answer(texts)
    np.testing.assert_array_equal(embedding, old_embedding)
    np.testing.assert_allclose(logits[:, kept], old_logits, rtol=0, atol=1e-5)
    assert torch.equal(made.head.linear.weight[kept], before.head.linear.weight)
    assert torch.equal(made.head.linear.bias[kept], before.head.linear.bias)

    answers = [refunds_only.columns[i] for i in logits.argmax(1)]
    changed = [now for now, i in zip(answers, old_logits.argmax(1), strict=True) if now != OLD[i]]
    assert set(changed) <= {"refund"}  # whatever changes, changes to the new label
    found = [now == "refund" for now, row in zip(answers, rows, strict=True) if row.label == now]
    asked = sum(row.label == "refund" for row in rows)
    assert sum(found) > 0.5 * asked
    wrongly = sum(now == "refund" != row.label for now, row in zip(answers, rows, strict=True))
    assert wrongly < 0.2 * len(rows)


def test_the_fit_is_scikit_learns_where_old_logits_say_nothing() -> None:
    """One old column at zero and one new: a logistic regression of new against old."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)).astype(np.float32)
    gold = (rows[:, 0] + 0.5 * rng.normal(size=40) > 0).astype(int)
    target = np.eye(2)[gold]
    weight, bias = fit_columns(torch.from_numpy(rows), torch.zeros(40, 1), torch.from_numpy(target))
    mean, scale = rows.mean(0), rows.std(0) + 1e-6
    balance = np.where(gold == 1, 1.0, gold.sum() / (40 - gold.sum()))
    theirs = linear_model.LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-8).fit(
        (rows - mean) / scale, gold, balance
    )
    expected = theirs.coef_[0] / scale
    np.testing.assert_allclose(weight[0], expected, atol=1e-3)
    assert float(bias[0]) == pytest.approx(theirs.intercept_[0] - expected @ mean, abs=1e-3)


def test_imagined_embeddings_are_what_the_head_knows() -> None:
    torch.manual_seed(0)
    head, center = torch.nn.Linear(12, 5), torch.randn(12)
    found = imagined_embeddings(head, center)
    logits = head(found).detach()
    assert logits.argmax(1).tolist() == [0, 1, 2, 3, 4]
    rest = logits[~torch.eye(5, dtype=torch.bool)].reshape(5, 4)
    torch.testing.assert_close(logits.diagonal()[:, None] - rest, torch.full((5, 4), MARGIN))
    # The nearest: what separates it from the center lies in the span of the head's rows.
    apart = found - center
    span = torch.linalg.pinv(head.weight) @ head.weight
    torch.testing.assert_close(apart @ span.T, apart, atol=1e-4, rtol=0)


def test_imagined_embeddings_stand_in_for_replay(
    old: Artifact, refunds_only: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = replace(refunds_only.dataset, unlabeled=(), fingerprint="refunds alone")
    texts = [row.text for row in dataset.certify if row.label != "refund"]

    def taken(cache: str) -> float:
        context = replace(refunds_only, dataset=dataset, cache=refunds_only.cache / cache)
        made = Model.load(AddLabels(known=OLD).apply(old, context).folder)
        answers = made.answer(texts)[0].argmax(1)
        return float((answers == context.columns.index("refund")).mean())

    kept = taken("with")
    monkeypatch.setattr(
        "attar.passes.add_labels.imagined_embeddings", lambda head, center: center[None][:0]
    )
    assert kept < taken("without") - 0.2


def test_gold_rows_of_old_labels_count_as_replay(old: Artifact, tiny_context: Context) -> None:
    dataset = replace(tiny_context.dataset, unlabeled=(), fingerprint="no unlabeled")
    context = replace(tiny_context, dataset=dataset)
    made = Model.load(AddLabels(known=OLD).apply(old, context).folder)
    texts = [row.text for row in dataset.certify]
    gold = [context.columns.index(row.label or "") for row in dataset.certify]
    assert (made.answer(texts)[0].argmax(1) == gold).mean() > 0.45


def test_refusals(old: Artifact, refunds_only: Context) -> None:
    def refused(known: tuple[str, ...], context: Context, match: str) -> None:
        with pytest.raises(AttarError, match=match):
            AddLabels(known).apply(old, context)

    refused(("cancel", "delivery"), refunds_only, "3 columns and 2 names")
    refused(("cancel", "delivery", "gone"), refunds_only, r"\['gone'\] would be lost")
    refused(OLD, replace(refunds_only, columns=OLD), "knows all labels")
    more = replace(refunds_only, columns=(*refunds_only.columns, "exchange"))
    refused(OLD, more, "no train row has the new label 'exchange'")
