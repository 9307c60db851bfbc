"""The draft bundle of an exported artifact: what candidates are measured on, and what a
build seals. It holds no report and no golden examples yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attar.bundle import TOKENIZER, Bundle, write_bundle
from attar.passes import Artifact, fingerprint
from attar.types import Task


def write_draft(
    path: Path, exported: Artifact, task: Task, task_settings: Mapping[str, Any], name: str
) -> Bundle:
    """Write the bundle of an exported artifact to `path`, replacing an older draft there."""
    manifest = {
        "name": name,
        "task": task.name,
        "capabilities": list(task.capabilities),
        "task_settings": dict(task_settings),
        "input": json.loads((exported.folder / "input.json").read_text()),
        "parts": [{"role": "model", "engine": "onnxruntime", "files": ["model.onnx"]}],
        "build": {"fingerprint": fingerprint(exported.fingerprint, dict(task_settings))},
    }
    files = {
        "model.onnx": (exported.folder / "model.onnx").read_bytes(),
        TOKENIZER: (exported.folder / "tokenizer.json").read_bytes(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_bundle(path, manifest, files, force=True)
