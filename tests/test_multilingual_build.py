"""Five scripts through one encoder of XLM-R's kind: read, trimmed, learned, answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tokenizers import Tokenizer

from attar.build import build
from attar.bundle import TOKENIZER, read_bundle
from attar.data.curate import curate
from attar.data.neighbors import near_pairs
from attar.evaluate.page import as_html
from attar.evaluate.slices import PERTURBATIONS, perturb
from attar.passes.trim_vocabulary import trim
from attar.recipe import read_recipe
from attar.runtime.predictor import load
from attar.tasks import TASKS
from attar.testing import check_bundle
from evaluate.html_reader import Page
from multilingual import COMMON, WORDS, unigram, written, xlm_r_folder

RECIPE = """task = "classify"
name = "languages"
[data]
train = "train.jsonl"
test = "test.jsonl"
[teacher]
model = "encoder"
finetune = "frozen"
[budget]
size_mb = 0.4
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("languages")
    texts = [text for text, _ in written(40, seed=9)]
    xlm_r_folder(folder / "encoder", texts)
    for name, count, seed in (("train", 24, 1), ("test", 6, 2)):
        lines = [
            json.dumps({"text": text, "label": label}, ensure_ascii=False)
            for text, label in written(count, seed)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    return build(home / "recipe.toml", home / "languages.attar")


def test_the_bundle_answers_every_script(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "languages.attar")
    assert report["metrics"]["accuracy"] > report["chance"] + 0.15
    predictor = load(home / "languages.attar")
    assert predictor.verify() == []
    right = dict.fromkeys(WORDS, 0)
    for language, by_label in WORDS.items():
        for label, words in by_label.items():
            text = ("" if language == "zh" else " ").join([*words, *words])
            right[language] += predictor(text).label == label
    assert sum(right.values()) >= 7, right


def test_the_vocabulary_is_trimmed_to_the_texts(home: Path, report: dict[str, Any]) -> None:
    """Texts of the kind at hand are cut as before; unseen ones fall apart into kept pieces."""
    whole = Tokenizer.from_file(str(home / "encoder" / "tokenizer.json"))
    shipped = Tokenizer.from_str(read_bundle(home / "languages.attar").read(TOKENIZER).decode())
    shipped.no_truncation()
    recipe = read_recipe(home / "recipe.toml")
    dataset = curate(TASKS.get("classify"), recipe.data)
    for row in (*dataset.train, *dataset.select):
        assert shipped.encode(row.text).tokens == whole.encode(row.text).tokens
    texts = [" ".join([*COMMON["ru"], "отменить"])]
    trimmed, kept = trim(whole, texts, None)
    assert trimmed.get_vocab_size() == len(kept) < whole.get_vocab_size()
    assert trimmed.encode(texts[0]).tokens == whole.encode(texts[0]).tokens
    assert trimmed.token_to_id("<pad>") == 1


def test_the_page_lets_every_script_run_its_way(report: dict[str, Any]) -> None:
    wrong = {"text": "أين طلبي", "gold": "إلغاء", "label": "a_b", "score": 0.9}
    shown = {**report, "errors": [wrong]}
    page = as_html(shown)
    Page(page)
    assert '<th scope="row" dir="auto" data-name="text">أين طلبي</th>' in page
    assert "<bdi>إلغاء</bdi>" in page


@pytest.mark.parametrize("language", list(WORDS))
def test_careless_typing_stays_in_the_script(language: str) -> None:
    texts = [text for text, _ in written(10, 3)][2 * list(WORDS).index(language) :: 10]
    letters = {c for text in texts for c in text.lower()} | set("qwertyuiopasdfghjklzxcvbnm")
    if language != "en":
        letters -= set("qwertyuiopasdfghjklzxcvbnm")
    changed = 0
    for text in texts:
        for kind in PERTURBATIONS:
            altered = perturb(text, kind, 0)
            assert altered
            assert set(altered.lower()) <= letters
        changed += perturb(text, "typos", 0) != text
    assert changed == len(texts)


def test_near_duplicates_in_chinese_differ_in_signs_only() -> None:
    """Four characters are two words of Chinese: only texts that say the same are near."""
    text = "请取消我昨天的订单，我想要退款。"
    same, other = "请取消我昨天的订单 我想要退款", "请取消我今天的订单，我想要退款。"
    assert near_pairs([text, same]).tolist() == [[0, 1]]
    assert near_pairs([text, other]).tolist() == []


def test_unigram_cuts_text_without_spaces() -> None:
    tokenizer = unigram([text for text, _ in written(30, 0)])
    assert len(tokenizer.encode("请取消我的订单").tokens) > 3
