"""The model as peers use it: the same tokenizer and the same ONNX file, as a user would write it.

For the Python of each peer: it imports tokenizers, numpy and onnxruntime only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Model:
    """folder: with model.onnx, tokenizer.json and labels.json. threads: of a call."""

    def __init__(self, folder: str, threads: int) -> None:
        path = Path(folder)
        facts = json.loads((path / "labels.json").read_text())
        self.labels = facts["labels"]
        self.tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        self.tokenizer.enable_truncation(facts["max_length"])
        self.tokenizer.enable_padding(pad_id=facts["pad_id"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path / "model.onnx"), options)
        self.inputs = [entry.name for entry in self.session.get_inputs()]

    def __call__(self, texts: list[str]) -> list[dict[str, Any]]:
        encoded = self.tokenizer.encode_batch(texts)
        given = {
            "input_ids": np.array([e.ids for e in encoded], dtype=np.int64),
            "attention_mask": np.array([e.attention_mask for e in encoded], dtype=np.int64),
        }
        (logits,) = self.session.run(["logits"], {name: given[name] for name in self.inputs})
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = shifted / shifted.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1)
        return [
            {"label": self.labels[i], "score": float(row[i])}
            for i, row in zip(best, shares, strict=True)
        ]
