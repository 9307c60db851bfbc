"""Spans and labels of texts, from files to a verified bundle, on the tiny teacher."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.bundle import read_bundle
from attar.cli import main
from attar.evaluate.card import model_card
from attar.evaluate.page import as_html
from attar.evaluate.report import as_text
from attar.runtime.predictor import Predictor, load
from attar.testing import check_bundle
from conftest import COMMON, WORDS

RECIPE = """task = "extract"
name = "spans"
[data]
train = "train.jsonl"
test = "test.jsonl"
label = "intent"
[teacher]
model = "encoder"
[budget]
size_mb = 0.4
[[claims]]
metric = "span_f1"
at_least = 0.02
[[claims]]
metric = "accuracy"
at_least = 0.5
[[claims]]
metric = "error_when_answering"
at_most = 0.9
"""


def annotated(count: int, seed: int) -> list[dict[str, Any]]:
    """Tokens of common words, one word that says the intent, and one or two spans."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        intent = rng.choice(["cancel", "refund"])
        parts = [[(word, "O")] for word in rng.sample(COMMON, rng.randint(3, 6))]
        parts.append([(rng.choice(WORDS[intent]), "O")])
        for label in rng.sample(["delivery", "oos"], rng.choice([1, 1, 2])):
            words = rng.sample(WORDS[label], rng.choice([1, 2]))
            tags = [f"B-{label}", f"I-{label}"]
            parts.append(list(zip(words, tags, strict=False)))
        rng.shuffle(parts)
        words_and_tags = [pair for part in parts for pair in part]
        tokens, tags = zip(*words_and_tags, strict=True)
        found.append({"tokens": tokens, "tags": tags, "intent": intent})
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("spans")
    for name, count, seed in (("train", 1_500, 1), ("test", 80, 2)):
        lines = [json.dumps(row) for row in annotated(count, seed)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "encoder").symlink_to(request.getfixturevalue("tiny_encoder"))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    return build(home / "recipe.toml", home / "spans.attar")


def test_the_bundle_keeps_the_contract(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "spans.attar")
    assert report["task"] == "extract"
    # An encoder with random weights learns little in a build's few epochs; how well spans are
    # learned, tests/passes/test_learning_spans.py says.
    assert report["metrics"]["span_f1"] > 0.05
    assert report["metrics"]["accuracy"] > 0.5
    assert report["teacher"]["metrics"]["span_f1"] > 0.05
    statuses = {claim["metric"]: claim["status"] for claim in report["claims"]}
    assert statuses["span_f1"] == "met"
    assert all(claim["rows"] for claim in report["claims"])
    settings = read_bundle(home / "spans.attar").manifest["task_settings"]
    assert settings["labels"] == ["cancel", "refund"]
    assert settings["span_labels"] == ["delivery", "oos"]


def test_it_marks_words_of_texts_it_never_saw(home: Path, report: dict[str, Any]) -> None:
    predictor = load(home / "spans.attar")
    for text in ("Please cancel my courier!", "🛑 refund\r\nthe parcel, now"):
        answer = predictor(text).to_json()
        for span in answer["spans"]:
            assert text[span["start"] : span["end"]] == span["text"]
        assert set(answer) == {"label", "score", "abstained", "spans", "alternatives"}


def test_together_as_alone(home: Path, report: dict[str, Any]) -> None:
    texts = [" ".join(row["tokens"]) for row in annotated(20, 5)] + ["", "x"]
    bundle = read_bundle(home / "spans.attar")
    alone = Predictor(bundle)(texts)
    assert [a.to_json() for a in alone] == [Predictor(bundle)(text).to_json() for text in texts]
    outputs = Predictor(bundle).outputs(texts)
    assert outputs["logits"].shape[:2] == (22, 1 + outputs["words"].shape[1])


def test_it_can_be_read(home: Path, report: dict[str, Any]) -> None:
    assert "span F1" in as_text(report)
    page = as_html(report)
    assert "Span F1" in page
    assert "2 labels · 2 kinds of spans" in page
    assert "span F1" in model_card(report)


def test_the_command_line(
    home: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(home / "spans.attar")
    text = "please cancel my courier"
    assert run(capsys, "predict", bundle, text, "--json")["label"] in ("cancel", "refund")
    arguments = ["verify", bundle, "--data", str(home / "test.jsonl"), "--label", "intent"]
    verdicts = run(capsys, *arguments, "--json")
    sealed = {claim["metric"]: claim["value"] for claim in report["claims"]}
    assert all(v["value"] == sealed[v["metric"]] for v in verdicts)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    with pytest.raises(SystemExit) as done:
        main([*arguments])
    out, err = capsys.readouterr()
    assert done.value.code in (0, None), err
    return json.loads(out)
