"""Texts with several labels, from files to a verified bundle, on the tiny teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.bundle import read_bundle
from attar.cli import main
from attar.data.curate import curate
from attar.evaluate.card import model_card
from attar.evaluate.page import as_html
from attar.evaluate.report import as_text
from attar.recipe import read_recipe
from attar.runtime.predictor import load
from attar.tasks import TASKS
from attar.tasks.label_sets import labels_in
from attar.testing import check_bundle
from conftest import tagged

RECIPE = """task = "multilabel"
name = "tags"
[data]
train = "train.jsonl"
test = "test.csv"
label = "labels"
label_separator = ";"
[teacher]
model = "encoder"
finetune = "frozen"
[budget]
size_mb = 0.4
[[claims]]
metric = "micro_f1"
at_least = 0.3
[[claims]]
metric = "recall"
label = "refund"
at_least = 0.2
[[claims]]
metric = "precision"
label = "refund"
at_least = 0.2
[[claims]]
metric = "subset_accuracy"
at_least = 0.1
[[claims]]
metric = "error_when_answering"
at_most = 0.9
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("tags")
    train = [json.dumps({"text": t, "labels": labels}) for t, labels in tagged(240, 1)]
    (folder / "train.jsonl").write_text("\n".join(train) + "\n")
    test = [f'"{t}",{";".join(labels)}' for t, labels in tagged(60, 2)]
    (folder / "test.csv").write_text("\n".join(["text,labels", *test]) + "\n")
    (folder / "encoder").symlink_to(request.getfixturevalue("tiny_encoder"))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    return build(home / "recipe.toml", home / "tags.attar")


def test_curation_keeps_sets_and_shares_labels_out(home: Path) -> None:
    recipe = read_recipe(home / "recipe.toml")
    dataset = curate(TASKS.get("multilabel"), recipe.data)
    shares = {}
    for name in ("train", "select", "calibrate"):
        rows = getattr(dataset, name)
        gold = TASKS.get("multilabel").gold(rows, ["cancel", "delivery", "refund"])
        shares[name] = gold.mean(axis=0)
        assert any(row.label == "[]" for row in rows)
    for name in ("select", "calibrate"):
        np.testing.assert_allclose(shares[name], shares["train"], atol=0.12)
    # CSV and JSON say the same of one text.
    text, labels = tagged(60, 2)[0]
    (row,) = [row for row in dataset.certify if row.text == text]
    assert labels_in(row.label) == tuple(sorted(labels))


def test_the_bundle_keeps_the_contract(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "tags.attar")
    assert report["task"] == "multilabel"
    assert report["metrics"]["micro_f1"] > report["chance"] + 0.1
    assert report["teacher"]["metrics"]["micro_f1"] > report["chance"]
    statuses = {claim["metric"]: claim["status"] for claim in report["claims"]}
    assert statuses["micro_f1"] == "met"
    assert set(statuses) == {
        "micro_f1", "recall", "precision", "subset_accuracy", "error_when_answering",
    }  # fmt: skip
    assert all(claim["rows"] for claim in report["claims"])
    by_label = {entry["label"]: entry for entry in report["by_label"]}
    assert set(by_label) == {"cancel", "delivery", "refund"}
    claim = next(c for c in report["claims"] if c["metric"] == "recall")
    assert by_label["refund"]["recall"] == claim["value"]


def test_the_thresholds_that_calibrate_fixed_ship(home: Path, report: dict[str, Any]) -> None:
    settings = read_bundle(home / "tags.attar").manifest["task_settings"]
    assert len(settings["label_thresholds"]) == 3
    assert settings["label_thresholds"] != [0.5] * 3
    predictor = load(home / "tags.attar")
    seen = set()
    for text, _ in tagged(60, 2):
        answer = predictor(text)
        seen.add(answer.label)
        scores = dict(answer.to_json()["labels"])
        cuts = dict(zip(settings["labels"], settings["label_thresholds"], strict=True))
        assert all(score >= cuts[label] - 1e-6 for label, score in scores.items())
    assert len(seen) > 3


def test_half_of_calibrate_fixes_thresholds_and_half_certifies(report: dict[str, Any]) -> None:
    rows = report["data"]["rows"]["calibrate"]
    assert report["handover"]["calibrate_rows"] == rows // 2
    assert report["handover"]["certified"] is not None


def test_words_help_a_teacher_that_reads_badly(report: dict[str, Any]) -> None:
    """The tiny encoder's weights are random; the texts are bags of words."""
    assert report["plan"]["teacher.words"]["value"] is True
    reason = report["plan"]["teacher.words"]["reason"]
    assert reason.startswith("average precision on select") and reason.endswith("beyond chance")
    assert report["teacher"]["name"] == "frozen + words"


def test_it_can_be_read(home: Path, report: dict[str, Any]) -> None:
    text = as_text(report)
    assert "micro F1" in text and "exactly the gold labels" in text
    page = as_html(report)
    assert "Label by label" in page and "Micro F1" in page
    card = model_card(report)
    assert "those that fit a text" in card and "micro F1" in card


def test_the_command_line(
    home: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(home / "tags.attar")
    text = "refund money parcel courier"
    assert run(capsys, "predict", bundle, text, "--json")["labels"]
    arguments = ["verify", bundle, "--data", str(home / "test.csv"), "--label", "labels"]
    verdicts = run(capsys, *arguments, "--label-separator", ";", "--json")
    assert {v["metric"]: v["verdict"] for v in verdicts}["micro_f1"] == "met"
    sealed = {claim["metric"]: claim["value"] for claim in report["claims"]}
    assert all(v["value"] == sealed[v["metric"]] for v in verdicts)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    with pytest.raises(SystemExit) as done:
        main([*arguments])
    out, err = capsys.readouterr()
    assert done.value.code in (0, None), err
    return json.loads(out)
