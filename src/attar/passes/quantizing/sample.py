"""Train rows as an exported model reads them: what ranges and sensitivities are measured on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from attar.passes import Context

ROWS = 128
Inputs = dict[str, NDArray[np.int64]]


def train_inputs(folder: Path, context: Context, rows: int = ROWS) -> list[Inputs]:
    """One text each, unpadded, as the predictor asks: `rows` of the train split, evenly spread.
    Of a long text its beginning."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    settings = json.loads((folder / "input.json").read_text())
    tokenizer.enable_truncation(settings["max_length"])
    train = context.dataset.train
    texts = (
        [train[i * len(train) // rows].text for i in range(rows)]
        if len(train) > rows
        else [row.text for row in train]
    )
    found = []
    for encoding in tokenizer.encode_batch_fast(texts):
        ids = np.array([encoding.ids], np.int64)  # (1, time)
        found.append({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return found
