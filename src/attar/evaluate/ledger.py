"""The ledger: how often a certify split was looked at.

Each look at the same rows by another model is another chance to be lucky. The ledger in
`.attar/` counts the distinct models sealed on a certify split; the k-th is decided at
alpha / k (rule 1 of the design), so that what was promised holds for all of them
together. Building the same content again is no new look. It counts honest use: who
deletes the ledger or moves the recipe is not stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from attar.errors import DataError
from attar.files import write_atomically
from attar.types import Row

LEDGER = "ledger.jsonl"


def split_fingerprint(rows: Sequence[Row]) -> str:
    """Identifies the rows whatever their order and their files."""
    texts = sorted(json.dumps([row.text, row.label, row.group]) for row in rows)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def count_seal(work: Path, rows: Sequence[Row], model: str) -> int:
    """Enter that `model` (a content hash) is judged on these rows; its number there, from 1.

    Written before the rows are used. Raises DataError when the ledger is damaged.
    """
    path = work / LEDGER
    split = split_fingerprint(rows)
    entries = _read(path)
    seen = [model_there for split_there, model_there in entries if split_there == split]
    if model in seen:
        return seen.index(model) + 1
    lines = [json.dumps({"certify": s, "model": m}) for s, m in [*entries, (split, model)]]
    work.mkdir(parents=True, exist_ok=True)
    write_atomically(path, ("\n".join(lines) + "\n").encode())
    return len(seen) + 1


def _read(path: Path) -> list[tuple[str, str]]:
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            entries.append((str(entry["certify"]), str(entry["model"])))
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path}, line {number}: the ledger of certify splits is damaged\n"
                "hint: restore it; without it earlier looks at the test rows are not counted"
            ) from None
    return entries
