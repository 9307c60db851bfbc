"""The draft bundle of an exported artifact: what candidates are measured on, and what a
build seals. It holds no report and no golden examples yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attar.bundle import TOKENIZER, Bundle, write_bundle
from attar.passes import Artifact, fingerprint
from attar.runtime.distance import ENGINE as NEAREST_LABEL
from attar.types import Task


def write_draft(
    path: Path,
    exported: Artifact,
    task: Task,
    task_settings: Mapping[str, Any],
    name: str,
    distance: bytes | None = None,
) -> Bundle:
    """Write the bundle of an exported artifact to `path`, replacing an older draft there.

    distance: the content of a part of that role (`runtime.distance`)."""
    parts = [{"role": "model", "engine": "onnxruntime", "files": ["model.onnx"]}]
    files = {
        "model.onnx": (exported.folder / "model.onnx").read_bytes(),
        TOKENIZER: (exported.folder / "tokenizer.json").read_bytes(),
    }
    if distance is not None:
        parts.append({"role": "distance", "engine": NEAREST_LABEL, "files": ["distance.npy"]})
        files["distance.npy"] = distance
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
    return write_bundle(path, manifest, files, force=True)
