"""A tiny real bundle that ranks documents, made without torch: a query's vector says which of
the keywords it holds, and there is a document for each of three of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from conftest import DIMENSIONS, tiny_manifest, tiny_onnx, tiny_tokenizer

DOCUMENTS = (
    ("how-to-cancel", "Cancelling", "Press cancel."),
    ("where-is-it", "", "Look up your parcel by its number."),
    ("money-back", "Refunds", "Thank you. A refund takes a week."),
)


def write_ranking_bundle(path: Path, threshold: float | None = 0.5) -> Path:
    from attar.bundle import write_bundle
    from attar.runtime.index import rounded, write_index
    from attar.runtime.nearest import EXACT
    from attar.tasks.rank import RANK, dimensions
    from attar.types import Document

    documents = [Document(name, text, title) for name, title, text in DOCUMENTS]
    index = write_index(documents, rounded(np.eye(3, DIMENSIONS)))
    manifest = tiny_manifest()
    manifest |= {
        "name": "faq",
        "task": "rank",
        "capabilities": [*RANK.capabilities],
        "task_settings": RANK.settings(dimensions(DIMENSIONS), None, threshold) | {"hybrid": 0.0},
        "parts": [*manifest["parts"], {"role": "index", "engine": EXACT, "files": [*index]}],
    }
    files = {"model.onnx": tiny_onnx(), "tokenizer.json": tiny_tokenizer(), **index}
    write_bundle(path, manifest, files, force=True)
    return path


def write_rescoring_bundle(path: Path, weight: float = 1.0) -> Path:
    """The same with a second model, for which the document that says "cancel" is always best."""
    from attar.bundle import read_bundle, write_bundle
    from attar.runtime.rescore import MODEL, ROLE

    bundle = read_bundle(write_ranking_bundle(path))
    again = {"max_length": 24, "pad_id": 0, "top": 2, "weight": weight}
    settings = bundle.manifest["task_settings"] | {
        "rescore": again,
        "logistic": [10.0, 10.0, 0.0, -5.0],
    }
    part = {"role": ROLE, "engine": "onnxruntime", "files": [MODEL]}
    manifest = {
        **bundle.manifest,
        "task_settings": settings,
        "parts": [*bundle.manifest["parts"], part],
    }
    write_bundle(path, manifest, {**bundle.files, MODEL: tiny_onnx(1)}, force=True)
    return path
