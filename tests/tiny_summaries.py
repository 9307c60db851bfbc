"""A tiny real bundle that summarizes, made without torch: a sentence with the word "parcel"
belongs to the summary, one with "cancel" does not, of others it is unsure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import tiny_manifest, tiny_onnx, tiny_tokenizer

COLUMNS = ("(left out)", "summary")


def write_summaries_bundle(path: Path, **settings: Any) -> Path:
    """settings: of the task, replaced."""
    from attar.bundle import write_bundle
    from attar.tasks.summarize import SUMMARIZE

    manifest = tiny_manifest() | {
        "name": "brief",
        "task": "summarize",
        "capabilities": [*SUMMARIZE.capabilities],
        "task_settings": SUMMARIZE.settings(COLUMNS, None) | settings,
    }
    files = {"model.onnx": tiny_onnx(len(COLUMNS)), "tokenizer.json": tiny_tokenizer()}
    write_bundle(path, manifest, files)
    return path
