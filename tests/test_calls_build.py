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
from attar.runtime.predictor import load
from attar.tasks.functions import functions_in
from attar.testing import check_bundle
from attar.types import Extraction
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
    assert "[]" in settings["labels"]
    assert '[{"name":"start_timer"}]' in settings["labels"]
    assert settings["span_labels"] == ["days", "duration", "percent", "room", "time"]
    print(report["data"]["rows"], report["data"]["dropped"], report["plan"])
    print(report["metrics"], report["teacher"]["metrics"], report["claims"])
    assert report["metrics"]["calls"] > 0.2
    assert report["metrics"]["call_f1"] > 0.2
