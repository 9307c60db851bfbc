"""Training and torch answers on long texts agree with the runtime's numpy."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.bundle import read_bundle
from attar.passes import Artifact, Context
from attar.passes.draft import write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.plan.start import longest_text, most_windows, start_artifact
from attar.runtime.predictor import load
from attar.tasks import TASKS
from attar.testing import check_bundle
from attar.train import loop
from attar.train.batches import in_parts
from attar.train.loop import TrainSettings, train
from attar.train.models import Model
from attar.train.start import start_model
from attar.types import Silent
from conftest import WORDS

TEXTS = ["refund money", "", "hello " * 40 + "parcel", "order again " * 25, "cancel"]


@pytest.fixture
def windowed(tiny_encoder: Path, tmp_path: Path) -> Artifact:
    torch.manual_seed(0)
    (tmp_path / "start").mkdir()
    start_model(str(tiny_encoder), "classify", 4, 16, windows=5).save(tmp_path / "start")
    return Artifact(tmp_path / "start", "windowed start")


def test_torch_and_runtime_pool_alike(
    windowed: Artifact, tiny_context: Context, float32: None
) -> None:
    model = Model.load(windowed.folder)
    assert model.windows == 5
    assert max(map(len, model.tokens(TEXTS))) > 32
    logits, embedding = model.answer(TEXTS)
    exported = ExportOnnx().apply(windowed, tiny_context)
    settings = tiny_context.task.settings(tiny_context.columns, "oos")
    path = tiny_context.cache / "draft.attar"
    draft = write_draft(path, exported, tiny_context.task, settings, "draft")
    assert draft.manifest["input"]["windows"] == {"overlap": 4, "most": 5}
    found = load(path).outputs(TEXTS)
    np.testing.assert_allclose(found["logits"], logits, atol=1e-4)
    np.testing.assert_allclose(found["embedding"], embedding, atol=1e-4)
    # The head is linear: the mean of logits is the head of the mean embedding.
    with torch.no_grad():
        again = model.head(torch.from_numpy(embedding)).numpy()
    np.testing.assert_allclose(again, logits, atol=1e-4)


def test_torch_and_runtime_read_words_alike(
    tiny_encoder: Path, tmp_path: Path, tiny_context: Context, float32: None
) -> None:
    columns = ("text: a", "text: b", "O", "B-thing", "I-thing")
    torch.manual_seed(0)
    (tmp_path / "spans").mkdir()
    start_model(str(tiny_encoder), "extract", 5, 16, windows=5).save(tmp_path / "spans")
    source = Artifact(tmp_path / "spans", "windowed spans")
    logits, embedding = Model.load(source.folder).answer(TEXTS)
    task = TASKS.get("extract")
    exported = ExportOnnx().apply(source, tiny_context)
    path = tiny_context.cache / "draft.attar"
    write_draft(path, exported, task, task.settings(columns, None), "draft")
    found = load(path).outputs(TEXTS)
    assert np.isfinite(logits[2, 41]).all()  # "parcel", in the last of several windows
    np.testing.assert_allclose(found["logits"], logits, atol=5e-3)  # half precision
    np.testing.assert_allclose(found["embedding"], embedding, atol=1e-4)


def test_torch_and_runtime_read_sentences_alike(
    tiny_encoder: Path, tmp_path: Path, tiny_context: Context, float32: None
) -> None:
    columns = ("(left out)", "plan", "problems")
    torch.manual_seed(0)
    (tmp_path / "sentences").mkdir()
    start_model(str(tiny_encoder), "summarize", 3, 16).save(tmp_path / "sentences")
    source = Artifact(tmp_path / "sentences", "sentences")
    texts = ["Refund money! " + "hello " * 40 + ". Order again? No.", "", "Cancel it\nparcel"]
    logits, embedding = Model.load(source.folder).answer(texts)
    assert logits.shape == (3, 4, 3)
    assert np.isfinite(logits[0]).all()
    assert np.isnan(logits[1]).all()
    task = TASKS.get("summarize")
    exported = ExportOnnx().apply(source, tiny_context)
    path = tiny_context.cache / "draft.attar"
    write_draft(path, exported, task, task.settings(columns, None), "draft")
    found = load(path).outputs(texts)
    np.testing.assert_allclose(found["logits"], logits, atol=5e-3)  # half precision
    np.testing.assert_allclose(found["embedding"], embedding, atol=1e-4)
    alone = load(path).embed(["Order again?"])
    np.testing.assert_allclose(found["sentence_embeddings"][0, 2], alone[0], atol=1e-4)


def test_parts_of_a_batch_add_up(
    windowed: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, float32: None
) -> None:
    """A batch too large for memory is learned in parts, to the same weights."""
    target = torch.arange(len(TEXTS)) % 4
    weights = []
    for most in (10_000, 20):
        monkeypatch.setattr(loop, "MOST_TOKENS", most)
        model = Model.load(windowed.folder)
        model.head.dropout.p = 0.0
        model.encoder.encoder.config.hidden_dropout_prob = 0.0
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        train(
            model,
            model.tokens(TEXTS),
            lambda logits, _, rows, head=model.head: head.gold_loss(logits, target[rows]),
            TrainSettings(epochs=2, learning_rate=1e-3, batch_size=8),
            tmp_path / f"checkpoint-{most}",
            Silent(),
            "train",
        )
        weights.append(model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=2e-4, rtol=1e-3, msg=name)


def test_parts_hold_every_row_once() -> None:
    rows = np.array([3, 0, 2, 1])
    lengths = np.array([5, 9, 1, 4])
    parts = in_parts(rows, lengths, 9)
    assert np.concatenate(parts).tolist() == rows.tolist()
    assert [part.tolist() for part in parts] == [[3, 0], [2], [1]]


def test_windows_come_only_where_texts_are_longer_than_the_encoder(
    tiny_encoder: Path, tiny_context: Context
) -> None:
    location = str(tiny_encoder)
    assert most_windows(location, 64, tiny_context).value == 1
    long = tuple(
        replace(row, text=row.text + " " + "order " * (70 + i % 40))
        for i, row in enumerate(tiny_context.dataset.train)
    )
    context = replace(tiny_context, dataset=replace(tiny_context.dataset, train=long))
    longest = longest_text(location, context)
    assert longest.value == 64
    assert "at once" in longest.reason
    windows = most_windows(location, 64, context)
    assert windows.value == 3
    assert start_artifact(location, 64, context, 3) != start_artifact(location, 64, context)


def test_a_build_reads_long_texts(write_desk: Callable[..., Path], tmp_path: Path) -> None:
    """The words that tell the labels apart stand at the end, beyond the encoder's 64 tokens."""
    recipe = write_desk(tmp_path / "home", 'finetune = "frozen"\n[budget]\nsize_mb = 0.4\n')
    for name, count, seed in (("train", 36, 1), ("test", 10, 3)):
        lines, rng = [], random.Random(seed)
        for label in [*WORDS] * count:
            before = " ".join("".join(rng.choices("abcdefghij", k=3)) for _ in range(25))
            text = " ".join([before, *rng.choices(WORDS[label], k=30)])
            lines.append(json.dumps({"text": text, "label": label}))
        (tmp_path / "home" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    out = tmp_path / "long.attar"
    report = build(recipe, out)
    assert report["plan"]["windows"]["value"] > 1
    assert read_bundle(out).manifest["input"]["windows"]["most"] > 1
    assert report["metrics"]["accuracy"] > report["chance"] + 0.3
    check_bundle(out)
