"""Summaries from files to a verified bundle, on the tiny teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.bundle import read_bundle
from attar.evaluate.card import model_card
from attar.evaluate.page import as_html
from attar.evaluate.report import as_text
from attar.runtime.predictor import Predictor, load
from attar.testing import check_bundle
from tickets import tickets

RECIPE = """task = "summarize"
name = "tickets"
[data]
train = "train.jsonl"
test = "test.jsonl"
text = "document"
label = "summary"
[teacher]
model = "encoder"
[budget]
size_mb = 0.4
[[claims]]
metric = "rouge1"
at_least = 0.3
[[claims]]
metric = "rougeL"
at_least = 0.99
[[claims]]
metric = "retained"
at_least = -0.9
"""
ODD = (
    "Customer: My parcel is late.\r\nAgent: I hope you are well today. 🙂 How is it going?",
    "הזמנה is late. 🛑 I want you to cancel the order!\u2028e\u0301t\u00e9. Thanks again, and bye.",
    "half \ud83d pair. My refund did not arrive.",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("tickets")
    for name, count, seed in (("train", 300, 1), ("test", 40, 2)):
        lines = [json.dumps(row) for row in tickets(count, seed)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "encoder").symlink_to(request.getfixturevalue("tiny_encoder"))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    return build(home / "recipe.toml", home / "tickets.attar")


def test_the_bundle_keeps_the_contract(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "tickets.attar")
    assert report["task"] == "summarize"
    assert report["metrics"]["rouge1"] > report["chance"] + 0.1
    assert report["teacher"]["metrics"]["rouge1"] > report["chance"]
    statuses = {claim["metric"]: claim["status"] for claim in report["claims"]}
    assert statuses == {"rouge1": "met", "rougeL": "unmet", "retained": "met"}
    assert report["errors"] == []
    assert {cut["kind"] for cut in report["slices"]} == {"label", "length", "perturbation"}
    assert report["worst_slice"] in report["slices"]
    grades = [row["grade"] for row in report["worst"]]
    assert grades == sorted(grades)
    assert 0 <= grades[0] < 1
    settings = read_bundle(home / "tickets.attar").manifest["task_settings"]
    assert settings["labels"] == []
    assert settings["sections"] == ["plan", "problems"]


def test_sentences_are_slices_of_the_document(home: Path, report: dict[str, Any]) -> None:
    predictor = load(home / "tickets.attar")
    for text in (*ODD, *(row["document"] for row in tickets(5, 7))):
        answer = predictor(text).to_json()
        assert answer["sentences"]
        last = 0
        for one in answer["sentences"]:
            assert text[one["start"] : one["end"]] == one["text"] == one["text"].strip()
            assert last <= one["start"] < one["end"]
            last = one["end"]
        assert answer["summary"] == " ".join(one["text"] for one in answer["sentences"])
        for section, said in answer["sections"].items():
            mine = [one["text"] for one in answer["sentences"] if one["section"] == section]
            assert said == " ".join(mine)


def test_together_as_alone(home: Path, report: dict[str, Any]) -> None:
    texts = [row["document"] for row in tickets(12, 5)] + ["", "x", *ODD]
    bundle = read_bundle(home / "tickets.attar")
    alone = [Predictor(bundle)(text) for text in texts]
    assert Predictor(bundle)(texts) == alone
    assert Predictor(bundle, batch_tokens=10_000)(texts) == alone
    assert alone[12].to_json()["sentences"] == []
    outputs = Predictor(bundle).outputs(texts)
    assert outputs["logits"].shape[:2] == outputs["sentences"].shape[:2]
    assert Predictor(bundle).embed(texts).shape == outputs["embedding"].shape


def test_another_length(home: Path, report: dict[str, Any], attar_command: Any) -> None:
    text = " ".join(row["document"] for row in tickets(20, 9))
    bundle = home / "tickets.attar"
    for words in (10, 40, 1_000_000):
        done = attar_command("predict", bundle, text, "--words", words, "--json")
        assert done.code == 0, done.err
        said = json.loads(done.out)["summary"].split()
        assert 1 <= len(said) <= words
        assert len(said) > min(words, len(text.split()) // 2) - 15
    said = attar_command("predict", bundle, "My parcel is late.").out
    assert said == "problems: My parcel is late.\n\n"


def test_claims_are_tested_again(home: Path, report: dict[str, Any], attar_command: Any) -> None:
    fields = ["--text", "document", "--label", "summary", "--json"]
    done = attar_command("verify", home / "tickets.attar", "--data", home / "test.jsonl", *fields)
    assert done.code == 4, done.err  # rougeL was claimed too high
    found = {claim["metric"]: claim for claim in json.loads(done.out)}
    sealed = {claim["metric"]: claim for claim in report["claims"]}
    assert {name: claim["verdict"] for name, claim in found.items()} == {
        "rouge1": "met",
        "rougeL": "broken",
        "retained": "not re-testable",
    }
    assert all(found[name]["value"] == sealed[name]["value"] for name in sealed)


def test_it_can_be_read(report: dict[str, Any]) -> None:
    assert "ROUGE-L" in as_text(report)
    assert "2 sections" in as_text(report)
    page = as_html(report)
    assert "The worst answers" in page
    assert "2 sections" in page
    assert "sentences of its own, apart for the sections plan, problems" in model_card(report)
