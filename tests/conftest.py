"""Fixtures shared by all tests: a tiny real bundle, made without torch.

Its model averages word embeddings and applies one linear layer. Every label has a
keyword, so that answers are known: "refund" means refund, "weather" is out of scope.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
