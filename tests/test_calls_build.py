"""Function calls, from functions and rows to a verified bundle, on a tiny encoder."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("dateparser")

import home_calls
from attar.build import build
from attar.bundle import read_bundle
from attar.cli import main
from attar.evaluate.card import model_card
from attar.evaluate.page import as_html
from attar.evaluate.report import as_text
from attar.predictions import Extraction
from attar.runtime.predictor import load
from attar.tasks.calling import template_in
from attar.tasks.functions import functions_in
from attar.testing import check_bundle
from conftest import write_hf_folder

RECIPE = """task = "extract"
name = "home"
[data]
train = "train.jsonl"
test = "test.jsonl"
functions = "functions.json"
[teacher]
model = "encoder"
[budget]
size_mb = 0.4
[[claims]]
metric = "calls"
at_least = 0.2
[[claims]]
metric = "call_f1"
at_least = 0.2
"""


def encoder(folder: Path) -> Path:
    """A BERT that knows the words of requests at home, with random weights."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*string.ascii_lowercase, *string.digits]
    pieces = [*special, *letters, *(f"##{c}" for c in letters), *home_calls.words()]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(special)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.1,
    )
    return write_hf_folder(BertModel(config), tokenizer, folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    for name, count, seed in (("train", 2_500, 1), ("test", 80, 2)):
        lines = [json.dumps(row) for row in home_calls.rows(count, seed)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "encoder").mkdir()
    encoder(folder / "encoder")
    (folder / "functions.json").write_text(json.dumps(home_calls.FUNCTIONS))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    return build(home / "recipe.toml", home / "home.attar")


def test_the_bundle_keeps_the_contract(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "home.attar")
    manifest = read_bundle(home / "home.attar").manifest
    assert manifest["capabilities"] == ["calls", "spans", "embed"]
    settings = manifest["task_settings"]
    assert [*functions_in(settings["functions"])] == ["set_light", "start_timer", "set_alarm"]
    assert all(len(template_in(label)) == 1 for label in settings["labels"])
    assert '[{"name":"start_timer"}]' in settings["labels"]
    assert settings["span_labels"] == ["days", "duration", "percent", "room", "time"]
    # An encoder with random weights learns little in a build's few epochs.
    assert report["metrics"]["calls"] > 0.2
    assert report["metrics"]["call_f1"] > 0.2
    assert report["teacher"]["metrics"]["calls"] > 0.1
    assert report["functions"] == ["set_light", "start_timer", "set_alarm"]
    assert {claim["metric"]: claim["status"] for claim in report["claims"]} == {
        "calls": "met",
        "call_f1": "met",
    }


def test_calls_are_valid_whatever_the_text(home: Path, report: dict[str, Any]) -> None:
    predictor = load(home / "home.attar")
    functions = functions_in(home_calls.FUNCTIONS)
    texts = [row["text"] for row in home_calls.rows(60, 3)]
    answers = predictor([*texts, "", "🛑 \r\n", "start a timer for 99 kitchen minutes"])
    for answer in answers:
        assert isinstance(answer, Extraction)
        assert answer.calls is not None
        for call in answer.calls:
            assert functions[call.name].problem(call.arguments) is None
            assert 0 < answer.score <= call.score + 1e-9 <= 1 + 1e-6
    counts = [len(answer.calls) for answer in answers if isinstance(answer, Extraction)]
    assert {0, 1} <= set(counts)


def test_it_can_be_read(home: Path, report: dict[str, Any]) -> None:
    assert "exactly the gold calls" in as_text(report)
    page = as_html(report)
    assert "Exactly the gold calls" in page
    assert "3 functions" in page
    card = model_card(report)
    assert "Says which functions a text asks for" in card
    assert "call F1" in card


def test_the_command_line(
    home: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(home / "home.attar")
    texts = [row["text"] for row in home_calls.rows(16, 4)]
    answers = [json.loads(line) for line in run(capsys, "predict", bundle, *texts, "--json")]
    asked = next(i for i, answer in enumerate(answers) if answer["calls"])
    assert set(answers[asked]["calls"][0]) == {"name", "arguments", "score"}
    shown = run(capsys, "predict", bundle, *texts)
    assert f"{answers[asked]['calls'][0]['name']}(" in shown[asked]
    assert any("(no call)" in line for line in shown)
    verdicts = json.loads(
        "".join(run(capsys, "verify", bundle, "--data", str(home / "test.jsonl"), "--json"))
    )
    sealed = {claim["metric"]: claim["value"] for claim in report["claims"]}
    assert {v["metric"]: v["value"] for v in verdicts} == sealed


def test_curation_of_calls(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads("".join(run(capsys, "curate", str(home / "recipe.toml"), "--json")))
    assert "[]" in found["labels"]["train"]
    assert found["rows"]["certify"] == 80


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as done:
        main([*arguments])
    out, err = capsys.readouterr()
    assert done.value.code in (0, None), err
    return out.splitlines()
