"""Long texts: read in windows, cut, or read whole by an encoder that can.

    python bench/windows.py [--data DIR] [--clauses 6] [--documents 500]

Documents are clauses of cuad-clauses joined at random, so that what tells a label may stand
anywhere; a document has the labels of all its clauses. The embedded encoder is frozen, with
one logistic regression a label on top, so that nothing but the reading differs. Learned from
train clauses, measured on validation clauses; thresholds are fixed on half of those.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

import numpy as np
import torch

from attar.runtime.windows import cut
from attar.tasks.label_sets import name_of
from attar.tasks.multilabel import MULTILABEL
from attar.train.batches import padded_batches
from attar.train.heads.multilabel import MultilabelHead
from attar.train.precision import mixed_precision
from attar.train.start import EMBEDDED, locate, start_model
from attar.types import Row
from contenders import ROOT
from multilabel import read_set

SIZE, MOST, WHOLE = 128, 8, 512
Array = np.ndarray


def documents(rows: list[dict], clauses: int, count: int, seed: int) -> list[Row]:
    rng = random.Random(seed)
    found = []
    for number in range(count):
        some = rng.sample(rows, clauses)
        labels = name_of(label for row in some for label in row["labels"])
        found.append(Row("\n".join(row["text"] for row in some), labels, None, "joined", number))
    return found


def embedded(max_length: int, windows: int, columns: int, texts: list[str]) -> Array:
    model = start_model(locate(EMBEDDED, ROOT), "multilabel", columns, max_length, windows)
    return model.answer(texts)[1]


def of_windows(columns: int, texts: list[str]) -> tuple[Array, Array]:
    """The embedding of each window, and the text that it belongs to."""
    model = start_model(locate(EMBEDDED, ROOT), "multilabel", columns, SIZE, MOST).eval()
    parts = [(i, part) for i, ids in enumerate(model.tokens(texts)) for part in cut(ids, SIZE)]
    found = np.zeros((len(parts), model.encoder.hidden), np.float32)
    for batch in padded_batches([part for _, part in parts], model.pad_id, 64):
        with torch.no_grad(), mixed_precision():
            found[batch.rows] = model(batch.input_ids, batch.attention_mask)[1].float().numpy()
    return found, np.array([i for i, _ in parts])


def head(x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    mean, scale = x.mean(0), x.std(0) + 1e-6
    weight, bias = MultilabelHead.fitted((x - mean) / scale, y, y.shape[1])
    return mean, scale, weight, bias


def logits_of(fitted: tuple[Array, Array, Array, Array], x: Array) -> Array:
    mean, scale, weight, bias = fitted
    return (((x - mean) / scale) @ weight.T + bias).astype(np.float32)


def line(title: str, logits: Array, rows: list[Row], labels: tuple[str, ...]) -> str:
    half = len(rows) // 2
    settings = MULTILABEL.settings(labels, None)
    settings |= MULTILABEL.tuned({"logits": logits[:half]}, rows[:half], settings)
    answers = MULTILABEL.decode({"logits": logits[half:]}, {"task_settings": settings})
    found = MULTILABEL.metrics(rows[half:], answers, None)
    keys = ("micro_f1", "macro_f1", "average_precision")
    return f"| {title} | {' | '.join(f'{100 * found[key]:.1f}' for key in keys)} |"


def run(data: Path, clauses: int, count: int) -> None:
    parts = read_set("cuad-clauses", data)
    train = documents(parts["train"], clauses, count, 0)
    held_out = documents(parts["validation"], clauses, count, 1)
    labels = MULTILABEL.targets(train, None)
    y = MULTILABEL.gold(train, labels)
    texts, others = [row.text for row in train], [row.text for row in held_out]
    whole = start_model(locate(EMBEDDED, ROOT), "multilabel", 1, WHOLE, MOST).tokens(others)
    lengths = [len(ids) for ids in whole]
    print(f"\n{count} + {count} documents of {clauses} clauses, median {np.median(lengths):.0f} "
          f"tokens; {len(labels)} labels\n")  # fmt: skip
    print("| read | micro F1 | macro F1 | average precision |\n|---|---|---|---|")
    for title, size, most in (
        (f"cut at {SIZE} tokens", SIZE, 1),
        (f"cut at {WHOLE} tokens", WHOLE, 1),
        (f"windows of {SIZE}, mean by tokens", SIZE, MOST),
    ):
        fitted = head(embedded(size, most, len(labels), texts), y)
        x = embedded(size, most, len(labels), others)
        print(line(title, logits_of(fitted, x), held_out, labels), flush=True)
    x, owner = of_windows(len(labels), texts)
    fitted = head(x, y[owner])
    z, whose = of_windows(len(labels), others)
    by_window = logits_of(fitted, z)
    for title, pool in (("maximum", np.max), ("mean", np.mean)):
        logits = np.stack([pool(by_window[whose == i], axis=0) for i in range(len(others))])
        said = f"windows of {SIZE}, each learned alone, {title} of the logits"
        print(line(said, logits, held_out, labels), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--clauses", type=int, default=6, help="that a document joins: %(default)s")
    add("--documents", type=int, default=400, help="to learn from, and to measure: %(default)s")
    options = parser.parse_args()
    run(options.data, options.clauses, options.documents)
    return 0


if __name__ == "__main__":
    sys.exit(main())
