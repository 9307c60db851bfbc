"""Fine-tuning: each way learns a separable task; the frozen head is scikit-learn's."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
linear_model = pytest.importorskip("sklearn.linear_model")

from attar.errors import AttarError
from attar.metrics import softmax
from attar.passes import Artifact, Context
from attar.passes.finetune import Finetune, Method, contrastive_loss
from attar.passes.no_layers import NoLayers
from attar.tasks import TASKS
from attar.train.encoders import TransformerEncoder
from attar.train.linear import UNIT_STRENGTH
from attar.train.models import Model

pytestmark = pytest.mark.usefixtures("float32")


def accuracy(model: Model, context: Context) -> float:
    rows = context.dataset.certify
    logits, _ = model.answer([row.text for row in rows])
    gold = [context.columns.index(row.label or "") for row in rows]
    return float((logits.argmax(1) == gold).mean())


@pytest.mark.parametrize("method", ["full", "top_layers", "lora", "frozen", "contrastive"])
def test_every_method_learns(method: Method, tiny_start: Artifact, tiny_context: Context) -> None:
    step = Finetune(method=method, epochs=12, learning_rate=2e-3, batch_size=8, lora_rank=4)
    made = Model.load(step.apply(tiny_start, tiny_context).folder)
    assert accuracy(made, tiny_context) > 0.45  # chance is 0.25
    before = Model.load(tiny_start.folder).encoder.state_dict()
    after = made.encoder.state_dict()
    assert before.keys() == after.keys()  # adapters are merged
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    if method == "frozen":
        assert not changed
    elif method == "top_layers":
        assert changed
        assert all(".layer.1." in name or ".layer.2." in name for name in changed)
    elif method == "lora":
        assert changed
        assert all(name.endswith("weight") and "embeddings" not in name for name in changed)
    else:
        assert any(".layer.0." in name for name in changed)


def test_a_still_entry_gets_no_huge_weight(
    tiny_start: Artifact, tiny_context: Context, tmp_path: Path
) -> None:
    """MiniLM has such entries; divided by their deviation they broke every int8 head."""
    model = Model.load(tiny_start.folder)
    assert isinstance(model.encoder, TransformerEncoder)
    with torch.no_grad():
        model.encoder.layers[-1].output.LayerNorm.weight[0] = 1e-6
    model.save(tmp_path)
    step = Finetune(method="frozen")
    made = Model.load(step.apply(Artifact(tmp_path, "still"), tiny_context).folder)
    weight = made.head.linear.weight.abs()
    assert weight[:, 0].max() < weight[:, 1:].max()
    assert accuracy(made, tiny_context) > 0.45


def test_the_contrastive_loss_is_the_papers() -> None:
    torch.manual_seed(0)
    rows, labels, temperature = torch.randn(6, 5), [0, 1, 0, 2, 1, 0], 0.3
    terms = []
    for i, own in enumerate(labels):
        others = [j for j in range(6) if j != i]
        near = {
            j: math.exp(float(torch.cosine_similarity(rows[i], rows[j], dim=0)) / temperature)
            for j in others
        }
        same = [j for j in others if labels[j] == own]
        if same:  # the text with label 2 has no partner
            logs = [math.log(near[j] / sum(near.values())) for j in same]
            terms.append(-sum(logs) / len(same))
    found = contrastive_loss(rows, torch.tensor(labels), temperature)
    assert found.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    alone = contrastive_loss(rows.requires_grad_(), torch.arange(6))
    alone.backward()
    assert alone.item() == 0.0


def test_contrast_draws_labels_together(tiny_start: Artifact, tiny_context: Context) -> None:
    def spread(model: Model) -> float:
        """How much nearer texts of one label are than others, by cosine."""
        rows = tiny_context.dataset.certify
        _, embedding = model.answer([row.text for row in rows])
        unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
        labels = np.array([row.label for row in rows])
        same = labels[:, None] == labels
        near = unit @ unit.T
        return float(near[same].mean() - near[~same].mean())

    step = Finetune(method="contrastive", epochs=12, learning_rate=2e-3)
    made = Model.load(step.apply(tiny_start, tiny_context).folder)
    assert spread(made) > 3 * spread(Model.load(tiny_start.folder))


@pytest.mark.parametrize("labels", [4, 2])
def test_the_frozen_head_gives_scikit_learns_probabilities(
    labels: int, tiny_start: Artifact, tiny_context: Context
) -> None:
    kept = tiny_context.columns[:labels]
    dataset = tiny_context.dataset
    train = tuple(row for row in dataset.train if row.label in kept)
    context = replace(tiny_context, dataset=replace(dataset, train=train))
    made = Model.load(Finetune(method="frozen").apply(tiny_start, context).folder)
    texts = [row.text for row in dataset.select]
    logits, embedding = made.answer(texts)
    _, seen = made.answer([row.text for row in train])
    mean, scale = seen.mean(0), seen.std(0) + 1e-6
    official = linear_model.LogisticRegression(C=0.1, max_iter=500)
    official.fit((seen - mean) / scale, [row.label for row in train])
    expected = official.predict_proba((embedding - mean) / scale)
    assert list(official.classes_) == sorted(kept)
    found = softmax(logits)
    columns = [tiny_context.columns.index(label) for label in official.classes_]
    np.testing.assert_allclose(found[:, columns], expected, atol=2e-4)
    assert found.sum(1) == pytest.approx(1.0)
    # Columns without a train row never win.
    assert np.delete(found, columns, axis=1).sum() < 1e-3


@pytest.mark.parametrize("method", ["frozen", "contrastive"])
def test_few_rows_a_label_are_told_apart_by_direction(
    method: Method, tiny_start: Artifact, tiny_context: Context
) -> None:
    dataset = tiny_context.dataset
    train = tuple(
        row
        for label in tiny_context.columns
        for row in [row for row in dataset.train if row.label == label][:6]
    )
    context = replace(tiny_context, dataset=replace(dataset, train=train, fingerprint="few"))
    made = Model.load(Finetune(method=method, epochs=2).apply(tiny_start, context).folder)
    assert made.head.unit
    _, seen = made.answer([row.text for row in train])
    logits, embedding = made.answer([row.text for row in dataset.select])
    official = linear_model.LogisticRegression(C=UNIT_STRENGTH, max_iter=500)
    official.fit(seen / np.linalg.norm(seen, axis=1, keepdims=True), context.targets())
    directions = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(logits), official.predict_proba(directions), atol=2e-4)
    with torch.no_grad():
        longer = made.head.eval()(torch.from_numpy(3 * embedding)).numpy()
    np.testing.assert_allclose(longer, logits, atol=1e-4)


def test_methods_that_need_a_transformer_say_so(
    tiny_start: Artifact, tiny_context: Context
) -> None:
    flat = NoLayers(hidden=16).apply(tiny_start, tiny_context)
    for method in ("top_layers", "lora"):
        with pytest.raises(AttarError, match="needs a transformer"):
            Finetune(method=method, epochs=1).apply(flat, tiny_context)  # type: ignore[arg-type]


def test_the_seed_decides(tiny_start: Artifact, tiny_context: Context) -> None:
    first = Finetune(epochs=1).apply(tiny_start, tiny_context)
    other = Finetune(epochs=1).apply(tiny_start, replace(tiny_context, seed=1))
    assert first.folder != other.folder
    a, b = (Model.load(artifact.folder).state_dict() for artifact in (first, other))
    assert any(not torch.equal(a[name], b[name]) for name in a)


def test_targets_name_the_columns(tiny_context: Context) -> None:
    assert tiny_context.columns == ("cancel", "delivery", "refund", "oos")
    assert tiny_context.columns == TASKS.get("classify").targets(
        tiny_context.dataset.certify, "oos"
    )
    names = [tiny_context.columns[i] for i in tiny_context.targets()]
    assert names == [row.label for row in tiny_context.dataset.train]
