"""Fixtures shared by all tests.

A tiny real bundle, made without torch: its model averages word embeddings and applies
one linear layer. Every label has a keyword, so that answers are known: "refund" means
refund, "weather" is out of scope.

A tiny encoder with random weights in a Hugging Face folder, made with torch when a
test asks for it, with a small synthetic data set of the same flavor, and a recipe.

A large model on loopback, `upstream`. `attar_command` runs a command in this process.
"""

from __future__ import annotations

import io
import json
import random
import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    from attar.passes import Artifact, Context
    from attar.types import Dataset, Row
    from upstream import Upstream

KEYWORDS = {"cancel": "cancel", "delivery": "parcel", "refund": "refund", "oos": "weather"}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
FILLER = ["please", "my", "the", "where", "is", "i", "want", "to", "and", "now"]
VOCABULARY = [*SPECIAL, *KEYWORDS.values(), *FILLER]
DIMENSIONS = len(KEYWORDS)
STRENGTH = 30.0


def tiny_tokenizer() -> bytes:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(
        models.WordPiece({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer.to_str().encode()


def tiny_onnx(columns: int = DIMENSIONS) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    words = np.zeros((len(VOCABULARY), DIMENSIONS), dtype=np.float32)
    for column in range(DIMENSIONS):
        words[len(SPECIAL) + column, column] = 1.0
    weight = (STRENGTH * np.eye(DIMENSIONS, columns)).astype(np.float32)
    constants = {
        "words": words,
        "weight": weight,
        "bias": np.zeros(columns, dtype=np.float32),
        "last": np.array([-1]),
        "length": np.array([1]),
    }
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["vectors", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "length"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "length"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logits"]),
    ]
    shape = ["batch", "length"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in
         ("input_ids", "attention_mask")],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", columns]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSIONS]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def tiny_manifest() -> dict[str, Any]:
    from attar.tasks.classify import CLASSIFY

    return {
        "name": "tiny",
        "task": "classify",
        "capabilities": ["label", "embed"],
        "task_settings": CLASSIFY.settings([*KEYWORDS], "oos", threshold=0.5),
        "input": {"max_length": 16, "pad_id": 0},
        "parts": [{"role": "model", "engine": "onnxruntime", "files": ["model.onnx"]}],
        "build": {"fingerprint": "0" * 64},
    }


@pytest.fixture(scope="session")
def tiny_files() -> dict[str, bytes]:
    """The files of the tiny bundle, golden examples included, without a report."""
    golden = [
        {"text": "i want my refund", "label": "refund", "score": 0.9802, "abstained": False},
        {"text": "where is my parcel please", "label": "delivery", "score": 0.9603,
         "abstained": False},
        {"text": "the weather now", "label": "cancel", "score": 0.0025, "abstained": True},
    ]  # fmt: skip
    return {
        "model.onnx": tiny_onnx(),
        "tokenizer.json": tiny_tokenizer(),
        "golden.jsonl": b"".join(json.dumps(line).encode() + b"\n" for line in golden),
    }


@pytest.fixture
def manifest() -> dict[str, Any]:
    """The manifest of the tiny bundle, to be changed at will."""
    return tiny_manifest()


@pytest.fixture
def make_bundle(tmp_path: Path, tiny_files: dict[str, bytes]) -> Callable[..., Path]:
    """Write a tiny bundle; keywords replace keys of the manifest, `files` adds files."""

    def make(name: str = "tiny.attar", files: dict[str, bytes] | None = None, **keys: Any) -> Path:
        from attar.bundle import write_bundle

        path = tmp_path / name
        write_bundle(path, {**tiny_manifest(), **keys}, {**tiny_files, **(files or {})})
        return path

    return make


@pytest.fixture
def tiny_bundle(make_bundle: Callable[..., Path]) -> Path:
    """The path of the tiny bundle."""
    return make_bundle()


WORDS = {
    "cancel": ["cancel", "stop", "undo", "abort", "withdraw", "revoke"],
    "delivery": ["parcel", "courier", "shipped", "arrive", "tracking", "late"],
    "refund": ["refund", "money", "back", "repay", "credit", "return"],
    "oos": ["weather", "football", "recipe", "song", "planet", "joke"],
}
COMMON = [
    "please", "my", "the", "where", "is", "i", "want", "to", "and", "now", "can", "you", "it",
    "for", "me", "of", "a", "with", "this", "that", "when", "hello", "hi", "thanks", "order",
    "yesterday", "today", "again", "still", "not", "yet", "we", "our", "some", "very", "soon",
    "just",
]  # fmt: skip


def synthetic_rows(count: int, seed: int) -> list[Row]:
    """`count` rows of each label: two of its words among common ones; easily told apart."""
    from attar.types import Row

    rng = random.Random(seed)
    rows = []
    for number in range(count):
        for label, own in WORDS.items():
            words = rng.sample(own, 2) + rng.sample(COMMON, rng.randint(4, 8))
            rng.shuffle(words)
            rows.append(Row(" ".join(words), label, None, "rows.jsonl", number + 1))
    return rows


def tagged(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """Texts of common words, and two words of each of their labels: none, one or two."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        labels = rng.sample(["cancel", "delivery", "refund"], rng.choice([0, 1, 1, 2]))
        words = rng.sample(COMMON, rng.randint(3, 7))
        words += [word for label in labels for word in rng.sample(WORDS[label], 2)]
        rng.shuffle(words)
        found.append((" ".join(words), labels))
    return found


def write_hf_folder(encoder: Any, tokenizer: Any, folder: Path) -> Path:
    """Save an encoder as Hugging Face does: config, safetensors and a fast tokenizer."""
    from transformers import PreTrainedTokenizerFast

    encoder.save_pretrained(folder)
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def wordpiece() -> Any:
    """A WordPiece tokenizer of about 200 pieces: words above, letters and their tails."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*string.ascii_lowercase, *string.digits, *".,!?'-"]
    words = [word for own in WORDS.values() for word in own] + COMMON
    pieces = [*special, *letters, *(f"##{c}" for c in letters), *words, "##ing", "##ed", "##s"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(special)
    return tokenizer


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, wordpiece: Any) -> Path:
    """A BERT of 3 layers, 32 wide, with random weights, as a Hugging Face folder."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=wordpiece.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.1,
    )
    return write_hf_folder(BertModel(config), wordpiece, tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def tiny_dataset() -> Dataset:
    """24 train rows a label, 6 a label in every other split, some unlabeled texts."""
    from dataclasses import replace

    from attar.types import Dataset

    rows = synthetic_rows(42, seed=1)
    unlabeled = tuple(replace(row, label=None) for row in synthetic_rows(5, seed=2))
    return Dataset(
        train=tuple(rows[:96]),
        select=tuple(rows[96:120]),
        calibrate=tuple(rows[120:144]),
        certify=tuple(rows[144:]),
        unlabeled=unlabeled,
        fingerprint="d" * 64,
    )


@pytest.fixture
def tiny_context(tmp_path: Path, tiny_dataset: Dataset) -> Context:
    """What passes read, with an empty cache and no teacher."""
    from attar.passes import Context
    from attar.tasks import TASKS

    task = TASKS.get("classify")
    return Context(
        task=task,
        dataset=tiny_dataset,
        columns=task.targets(tiny_dataset.train, "oos"),
        cache=tmp_path / "cache",
        out_of_scope="oos",
    )


@pytest.fixture(scope="session")
def tiny_start(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Artifact:
    """The tiny encoder with an untrained head of four columns, as an artifact."""
    import torch

    from attar.passes import Artifact
    from attar.train.start import start_model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("start")
    start_model(str(tiny_encoder), "classify", len(WORDS), 16).save(folder)
    return Artifact(folder, "tiny start")


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch models answer in float32 also where the processor has bfloat16."""
    monkeypatch.setattr("attar.train.precision.native_bf16", lambda: False)


RECIPE = """task = "classify"
name = "tiny"
[data]
train = "train.jsonl"
test = "test.jsonl"
unlabeled = "logs.txt"
out_of_scope = "oos"
[teacher]
model = "encoder"
"""


@pytest.fixture(scope="session")
def write_desk(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Write data and recipe into a folder: `extra` goes to the recipe's end, `rows` are
    the train rows a label. `encoder=False` leaves out the teacher, and so torch."""

    def write(home: Path, extra: str = "", rows: int = 36, encoder: bool = True) -> Path:
        home.mkdir(parents=True, exist_ok=True)
        for name, count, seed in (("train", rows, 1), ("test", 10, 3)):
            lines = [
                json.dumps({"text": row.text, "label": row.label})
                for row in synthetic_rows(count, seed)
            ]
            (home / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        logs = [row.text for row in synthetic_rows(6, seed=2)]
        (home / "logs.txt").write_text("\n".join(logs) + "\n", encoding="utf-8")
        if encoder and not (home / "encoder").exists():
            (home / "encoder").symlink_to(request.getfixturevalue("tiny_encoder"))
        path = home / "recipe.toml"
        path.write_text(RECIPE + extra, encoding="utf-8")
        return path

    return write


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A large model on loopback that answers as its `script` says."""
    from upstream import served

    with served() as stub:
        yield stub


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def attar_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run a command in this process, with bytes on standard input."""

    from attar.cli import main

    def run(*arguments: object, stdin: bytes = b"") -> Done:
        class Piped(io.TextIOWrapper):
            def isatty(self) -> bool:
                return not stdin

        monkeypatch.setattr(sys, "stdin", Piped(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return Done(stopped.value.code, captured.out, captured.err)

    return run


def assert_one_error(done: Done, *parts: str) -> None:
    assert done.code == 2, done
    assert done.err.count("error:") + done.err.count("Error:") == 1, done.err
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err, done.err
