"""fastText, autotuned to a size on held-out rows, then refitted on all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contenders import Answers, DataSet, Rows, Variant, from_matrix, hold_out, size_name

TITLE = "fastText, autotuned"
MODULES = ("fasttext",)
INSTALL = "pip install -c constraints.txt fasttext-numpy2-wheel"

PREFIX = "__label__"
BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # stands in labels for a space, which ends them
FOUND = ("lr", "dim", "epoch", "wordNgrams", "minn", "maxn", "bucket")


def variants(sizes: Sequence[float], options: Mapping[str, Any]) -> list[Variant]:
    seconds = int(options["autotune_seconds"])
    return [
        Variant(f"fasttext-{size_name(size)}", "fasttext", size, {"autotune_s": seconds})
        for size in sizes
    ]


def clean(text: str) -> str:
    """Lower case with the punctuation set apart, as the fastText tutorial does."""
    return " ".join(re.sub(r"([^\w\s])", r" \1 ", text.lower()).split())


def marked(label: str) -> str:
    return PREFIX + label.replace(" ", BLANK)


def unmarked(label: str) -> str:
    return label.removeprefix(PREFIX).replace(BLANK, " ")


def write(rows: Rows, path: Path) -> str:
    for name in sorted(set(rows.labels)):
        if re.search(r"[^\S ]", name) or BLANK in name:
            raise ValueError(f"fastText cannot hold the label {name!r}: white space but spaces")
    lines = (
        f"{marked(label)} {clean(text)}"
        for text, label in zip(rows.texts, rows.labels, strict=True)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def cutoff_for(model: Any, size: int) -> int:
    """How many input rows fit in `size` bytes: fastText's own estimate in autotune.cc."""
    rows, dim = model.get_output_matrix().shape
    left = size - 107 - 4 * (1 << 8) * dim - (16 + 4 * rows * dim)
    return max(256, int(left // ((dim + 1) // 2 + 1 + 10)))


def train(attempts: int = 3, **settings: Any) -> Any:
    """Train; fastText may end in "Encountered NaN" after a search, so try other seeds."""
    import fasttext

    threads = os.cpu_count() or 1
    for seed in range(attempts):
        try:
            return fasttext.train_supervised(thread=threads, verbose=0, seed=seed, **settings)
        except RuntimeError:
            if seed == attempts - 1:
                raise
    raise AssertionError("no attempt was made")


def build(data: DataSet, variant: Variant, work: Path) -> dict[str, Any]:
    assert variant.size_mb is not None
    size = int(variant.size_mb * 1e6)
    part, held = hold_out(data.train)
    tuned = train(
        input=write(part, work / "part.txt"),
        autotuneValidationFile=write(held, work / "held.txt"),
        autotuneDuration=variant.settings["autotune_s"],
        autotuneModelSize=str(size),
    )
    arguments = tuned.f.getArgs()
    found = {name: getattr(arguments, name) for name in FOUND}
    path = work / "ship" / "model.ftz"
    tuned.save_model(str(path))
    refitted = refit(data.train, found, arguments.loss.name, size, path)
    return {"found": found, "loss": arguments.loss.name, "refit_on_all_rows": refitted}


def refit(rows: Rows, found: dict[str, Any], loss: str, size: int, path: Path) -> bool:
    """The settings that autotune found, on all rows. Kept if it fits the size."""
    everything = write(rows, path.parent.parent / "all.txt")
    quantized = path.parent.parent / "refit.ftz"
    try:
        model = train(input=everything, loss=loss, **found)
        cutoff = cutoff_for(model, size)
        # Retraining what the cut leaves is what the search itself does.
        model.quantize(input=everything, qnorm=True, cutoff=cutoff, dsub=2, retrain=True, verbose=0)
    except RuntimeError:
        return False
    model.save_model(str(quantized))
    if quantized.stat().st_size > size:
        return False
    quantized.replace(path)
    return True


class FastTextModel:
    def __init__(self, ship: Path) -> None:
        import fasttext

        self.model = fasttext.load_model(str(ship / "model.ftz"))
        self.classes = sorted(unmarked(name) for name in self.model.get_labels())

    def answers(self, texts: Sequence[str], out_of_scope: str | None) -> Answers:
        place = {name: i for i, name in enumerate(self.classes)}
        matrix = np.zeros((len(texts), len(self.classes)))
        for row, text in enumerate(texts):
            for label, value in zip(*self.model.predict(clean(text), k=-1), strict=True):
                matrix[row, place[unmarked(label)]] = value
        return from_matrix(matrix, self.classes, out_of_scope)

    def label(self, text: str) -> str:
        return unmarked(self.model.predict(clean(text))[0][0])


def load(ship: Path) -> FastTextModel:
    return FastTextModel(ship)
