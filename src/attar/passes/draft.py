"""The draft bundle of an exported artifact: what candidates are measured on, and what a
build seals. It holds no report and no golden examples yet."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.bundle import TOKENIZER, Bundle, write_bundle
from attar.files import write_atomically
from attar.passes import Artifact, fingerprint
from attar.runtime.distance import ENGINE as NEAREST_LABEL
from attar.runtime.index import DOCUMENTS, VECTORS, rounded, write_index
from attar.runtime.matrices import write_matrix
from attar.runtime.nearest import engine_for
from attar.runtime.predictor import Predictor
from attar.types import Document, Task


def write_draft(
    path: Path,
    exported: Artifact,
    task: Task,
    task_settings: Mapping[str, Any],
    name: str,
    distance: bytes | None = None,
    documents: Sequence[Document] = (),
    vectors: NDArray[np.floating] | None = None,
) -> Bundle:
    """Write the bundle of an exported artifact to `path`, replacing an older draft there.

    distance: the content of a part of that role (`runtime.distance`). documents: that a task
    ranks. vectors: of these, (documents, dimensions), where a teacher has read them; else the
    artifact's own model reads them, and its vectors are kept beside it."""
    parts = [{"role": "model", "engine": "onnxruntime", "files": ["model.onnx"]}]
    files = {
        "model.onnx": (exported.folder / "model.onnx").read_bytes(),
        TOKENIZER: (exported.folder / "tokenizer.json").read_bytes(),
    }
    if distance is not None:
        parts.append({"role": "distance", "engine": NEAREST_LABEL, "files": ["distance.npy"]})
        files["distance.npy"] = distance
    if task.gold_kind == "document":
        size = task_settings["dimensions"]
        search = engine_for(len(documents), size)
        parts.append({"role": "index", "engine": search, "files": [VECTORS, DOCUMENTS]})
        nothing = np.zeros((0, size), np.int8)
        files |= write_index((), nothing)
    manifest = {
        "name": name,
        "task": task.name,
        "capabilities": list(task.capabilities),
        "task_settings": dict(task_settings),
        "input": json.loads((exported.folder / "input.json").read_text()),
        "parts": parts,
        "build": {"fingerprint": fingerprint(exported.fingerprint, dict(task_settings))},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = write_bundle(path, manifest, files, force=True)
    if not documents:
        return draft
    read = (
        _vectors(draft, exported.folder.parent, documents) if vectors is None else rounded(vectors)
    )
    files |= write_index(documents, read)
    return write_bundle(path, manifest, files, force=True)


def _vectors(draft: Bundle, cache: Path, documents: Sequence[Document]) -> NDArray[np.int8]:
    """The documents' vectors by the draft's own model, (documents, dimensions), from the cache
    where the same model has read them before."""
    texts = [document.read for document in documents]
    model = [draft.manifest["files"][name] for name in ("model.onnx", TOKENIZER)]
    key = fingerprint("vectors", model, draft.manifest["input"], texts)
    path = cache / f"vectors-{key[:16]}.npy"
    if path.exists():
        return np.asarray(np.load(path, allow_pickle=False), np.int8)
    found = rounded(Predictor(draft, threads=os.cpu_count() or 1).embed(texts))
    write_atomically(path, write_matrix(found))
    return found
