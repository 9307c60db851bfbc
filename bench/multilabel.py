"""attar beside TF-IDF models on texts with several labels: micro- and macro-F1, and size.

    python bench/multilabel.py [--data DIR] [--sets …] [--rows held-out|test] [--sizes 2,5]

unfair-tos: each clause has one of eight kinds of unfair term or none ("Other", 90 % of the
rows, is the empty set here). cuad-clauses: 38 kinds of clause; the clauses with one kind are
split as the set gives them, those with several by a hash of the text. attar's figures are
those of a real `attar build`'s report. Held-out rows are the sets' validation rows, which
nothing learns from; with --rows test they join train. Rivals: TF-IDF of words and of characters
under one linear SVM or logistic regression a label, whole and cut to the size.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from attar.build import build
from attar.bundle import read_bundle
from attar.cli.progress import Bars
from attar.evaluate.report import full_report
from attar.metrics import weighted_mean_f1, weighted_micro_f1
from contenders import ROOT

Labeled = dict[str, Any]  # {"text": …, "labels": […]}
Figures = dict[str, Mapping[str, float | None]]  # by model
PARTS = ("train", "validation", "test")
NONE = {"unfair-tos": "Other"}
COUNT = "{}: {:,} train rows, {:,} held out; {} labels, {:.2f} a row"


def read_set(name: str, data: Path) -> dict[str, list[Labeled]]:
    found: dict[str, list[Labeled]] = {part: [] for part in PARTS}
    for part in PARTS:
        for row in _lines(data / name / f"{part}.jsonl"):
            labels = [] if row["label"] == NONE.get(name) else [row["label"]]
            found[part].append({"text": row["text"], "labels": labels})
    for row in _lines(data / name / "multi_label.jsonl"):
        bucket = int.from_bytes(hashlib.sha256(row["text"].encode()).digest()[:8], "big") % 100
        part = "test" if bucket < 20 else "validation" if bucket < 30 else "train"
        found[part].append({"text": row["text"], "labels": row["labels"]})
    return found


def _lines(path: Path) -> Iterator[Labeled]:
    zipped = path.with_name(path.name + ".gz")
    if zipped.exists():
        with gzip.open(zipped, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)
    elif path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def parts(name: str, options: argparse.Namespace) -> tuple[list[Labeled], list[Labeled]]:
    rows = read_set(name, options.data)
    if options.rows == "test":
        return rows["train"] + rows["validation"], rows["test"]
    return rows["train"], rows["validation"]


def attar_figures(name: str, size: float, options: argparse.Namespace) -> Figures:
    train, held_out = parts(name, options)
    work = options.work / f"multilabel-{options.rows}" / name
    work.mkdir(parents=True, exist_ok=True)
    for file, rows in (("train", train), ("test", held_out)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (work / f"{file}.jsonl").write_text(text, encoding="utf-8")
    recipe = work / "recipe.toml"
    recipe.write_text(
        'task = "multilabel"\n[data]\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
        f'label = "labels"\n[teacher]\nfinetune = "{options.finetune}"\n'
        f"[budget]\nsize_mb = {size}\n",
        encoding="utf-8",
    )
    out = work / f"{name}-{size:g}-{options.finetune}.attar"
    if not out.exists():
        with Bars() as progress:
            build(recipe, out, progress=progress)
    report = full_report(read_bundle(out))
    return {
        f"attar, {report['student']}": {**report["metrics"], "mb": report["size_bytes"] / 1e6},
        f"its teacher, {report['teacher']['name']}": report["teacher"]["metrics"],
    }


def rivals(name: str, size: float, options: argparse.Namespace) -> Figures:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import chi2
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    train, held_out = parts(name, options)
    labels = sorted({label for row in train + held_out for label in row["labels"]})
    y, gold = matrix(train, labels), matrix(held_out, labels)
    vectorizers = [
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    ]
    x = hstack([v.fit_transform([row["text"] for row in train]) for v in vectorizers]).tocsr()
    z = hstack([v.transform([row["text"] for row in held_out]) for v in vectorizers]).tocsr()
    strength = np.max([np.nan_to_num(chi2(x, y[:, i])[0]) for i in range(y.shape[1])], axis=0)
    a_feature = 2 * len(labels) + 10  # float16 weights, and about ten bytes of name and idf
    fitting = int(size * 1e6 / a_feature)
    found: Figures = {}
    for title, learner in (
        ("linear SVM", LinearSVC()),
        ("linear SVM, balanced", LinearSVC(class_weight="balanced")),
        ("logistic regression, balanced",
         LogisticRegression(C=10.0, solver="liblinear", class_weight="balanced")),
    ):  # fmt: skip
        for count in (x.shape[1], min(fitting, x.shape[1])):
            kept = np.sort(np.argsort(-strength, kind="stable")[:count])
            fitted = OneVsRestClassifier(learner).fit(x[:, kept], y)
            named = fitted.predict(z[:, kept]).astype(bool)
            mb = count * a_feature / 1e6
            found[f"TF-IDF + {title}, {count:,} features"] = {**scores(gold, named), "mb": mb}
    return found


def matrix(rows: Iterable[Labeled], labels: list[str]) -> np.ndarray:
    return np.array([[label in row["labels"] for label in labels] for row in rows], bool)


def scores(gold: np.ndarray, named: np.ndarray) -> dict[str, float | None]:
    ones = np.ones((1, len(gold)))
    return {
        "micro_f1": float(weighted_micro_f1(gold, named, ones)[0]),
        "macro_f1": float(weighted_mean_f1(gold, named, ones)[0]),
        "subset_accuracy": float((gold == named).all(axis=1).mean()),
    }


def show(found: Figures) -> None:
    for name, figures in found.items():
        cells = [figures.get(key) for key in ("micro_f1", "macro_f1", "subset_accuracy")]
        shown = ["–" if cell is None else f"{100 * cell:.1f}" for cell in cells]
        size = figures.get("mb")
        mb = "–" if size is None else f"{size:.2f}"
        print(f"| {name} | {mb} | {' | '.join(shown)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--sets", default="unfair-tos,cuad-clauses", help="comma-separated: %(default)s")
    add("--rows", choices=("held-out", "test"), default="held-out", help="default: %(default)s")
    add("--sizes", default="2,5", help="of bundles in MB (10^6 bytes): %(default)s")
    add("--finetune", default="auto", help="how the teacher learns: %(default)s")
    add("--rivals-only", action="store_true")
    add("--work", type=Path, default=ROOT / ".bench", help="folder of caches")
    options = parser.parse_args()
    for name in options.sets.split(","):
        train, held_out = parts(name, options)
        labels = {label for row in train for label in row["labels"]}
        mean = float(np.mean([len(row["labels"]) for row in held_out]))
        print(f"\n## {COUNT.format(name, len(train), len(held_out), len(labels), mean)}\n")
        print("| model | MB | micro F1 | macro F1 | exact |\n|---|---|---|---|---|", flush=True)
        sizes = [float(size) for size in options.sizes.split(",")]
        for size in [] if options.rivals_only else sizes:
            show(attar_figures(name, size, options))
        show(rivals(name, max(sizes), options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
