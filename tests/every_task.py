"""A small folder for each task: data that the other tests make, a recipe, and the tiny encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import home_calls
from conftest import synthetic_rows, tagged
from test_extract_build import annotated
from test_rank_build import documents, questions
from tickets import tickets

HEAD = '[data]\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
TAIL = '[teacher]\nmodel = "encoder"\n[budget]\nsize_mb = 0.4\n'
#: Name -> the recipe's task, what else its data section says, and a metric of its own.
TASKS = {
    "classify": ("classify", 'out_of_scope = "oos"\n', "accuracy"),
    "multilabel": ("multilabel", "", "micro_f1"),
    "extract": ("extract", 'label = "intent"\n', "span_f1"),
    "calls": ("extract", 'functions = "functions.json"\n', "calls"),
    "rank": ("rank", 'documents = "documents.jsonl"\nout_of_scope = "nothing"\n', "mrr"),
    "summarize": ("summarize", 'text = "document"\nlabel = "summary"\n', "rouge1"),
}


def rows_of(name: str, count: int, seed: int) -> list[dict[str, Any]]:
    if name == "classify":
        found = synthetic_rows(count // 4, seed)
        return [{"text": row.text, "label": row.label} for row in found]
    if name == "multilabel":
        return [{"text": text, "label": labels} for text, labels in tagged(count, seed)]
    if name == "extract":
        return annotated(count, seed)
    if name == "calls":
        return home_calls.rows(count, seed)
    if name == "rank":
        return [*questions(count, seed)]
    return tickets(count, seed)


def write_task(name: str, home: Path, encoder: Path | None = None, count: int = 200) -> Path:
    """Write data and recipe of a task into a folder and return the recipe's path."""
    home.mkdir(parents=True, exist_ok=True)
    task, fields, _ = TASKS[name]
    files: dict[str, Sequence[Any]] = {
        "train": rows_of(name, count, 1),
        "test": rows_of(name, 40, 2),
        "documents": documents() if name == "rank" else (),
    }
    for file, rows in files.items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (home / f"{file}.jsonl").write_text("".join(lines), encoding="utf-8")
    (home / "functions.json").write_text(json.dumps(home_calls.FUNCTIONS))
    if encoder is not None:
        (home / "encoder").symlink_to(encoder)
    recipe = home / "recipe.toml"
    recipe.write_text(f'task = "{task}"\nname = "{name}"\n{HEAD}{fields}{TAIL}')
    return recipe
