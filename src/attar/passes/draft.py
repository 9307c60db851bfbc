"""The draft bundle of an exported artifact: what candidates are measured on, and what a
build seals. It holds no report and no golden examples yet."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from attar.runtime.rescore import MODEL as RESCORE
from attar.runtime.rescore import ROLE as RESCORE_ROLE
from attar.runtime.rescore import TOKENIZER as RESCORE_TOKENIZER
from attar.types import Document, Task


@dataclass(frozen=True, slots=True)
class SecondModel:
    """What scores the best `top` documents again, exported and quantized. settings: all but the
    weight of its scores, which fresh rows fix."""

    exported: Artifact
    top: int

    def settings(self, weight: float = 0.0) -> dict[str, Any]:
        """The manifest's `task_settings.rescore`."""
        shape = json.loads((self.exported.folder / "input.json").read_text())
        sizes = {key: shape[key] for key in ("max_length", "pad_id")}
        return {**sizes, "top": self.top, "weight": weight}

    def files(self, tokenizer: bytes) -> dict[str, bytes]:
        """Those of its part; a tokenizer of its own unless it is the bundle's."""
        found = {RESCORE: (self.exported.folder / "model.onnx").read_bytes()}
        own = self.exported.folder / "tokenizer.json"
        if plain_tokenizer(own.read_bytes()) != plain_tokenizer(tokenizer):
            found[RESCORE_TOKENIZER] = own.read_bytes()
        return found


def plain_tokenizer(content: bytes | str) -> dict[str, Any]:
    """A tokenizer.json without what its user sets anew: where texts are cut and filled up."""
    found: dict[str, Any] = json.loads(content)
    return {key: value for key, value in found.items() if key not in ("truncation", "padding")}


def write_draft(
    path: Path,
    exported: Artifact,
    task: Task,
    task_settings: Mapping[str, Any],
    name: str,
    distance: bytes | None = None,
    documents: Sequence[Document] = (),
    vectors: NDArray[np.floating] | None = None,
    second: SecondModel | None = None,
) -> Bundle:
    """Write the bundle of an exported artifact to `path`, replacing an older draft there.

    distance: the content of a part of that role (`runtime.distance`). documents: that a task
    ranks. vectors: of these, (documents, dimensions), where a teacher has read them; else the
    artifact's own model reads them, and its vectors are kept beside it. second: what scores
    documents again; its settings are added where `task_settings` has none."""
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
    task_settings = dict(task_settings)
    if second is not None:
        task_settings.setdefault("rescore", second.settings())
        again = second.files(files[TOKENIZER])
        parts.append({"role": RESCORE_ROLE, "engine": "onnxruntime", "files": [*again]})
        files |= again
    built = [exported.fingerprint, *([second.exported.fingerprint] if second else [])]
    manifest = {
        "name": name,
        "task": task.name,
        "capabilities": list(task.capabilities),
        "task_settings": task_settings,
        "input": json.loads((exported.folder / "input.json").read_text()),
        "parts": parts,
        "build": {"fingerprint": fingerprint(*built, task_settings)},
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
