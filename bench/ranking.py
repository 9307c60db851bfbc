"""attar beside frozen MiniLM, BM25 and model2vec: which answer belongs to a medical question.

    python bench/ranking.py [--data DIR] [--sizes 15,5] [--pairs 1000] [--rescore] [--part test]

medquad-subset: test questions against all test answers, equal answers counted once, by which
all figures but one row are: `attar build` is given the test answers and those of a sample of
the train questions as documents, and its certificate is about all of them; for the other rows
the train answers are taken out of the finished bundle (`attar index --remove`). The sample's
questions are what thresholds and the weight of words are fixed on; nothing learns from test
questions. Rivals use MiniLM's own settings (mean pool, 256 tokens). With `--rescore` builds try a
second model that scores the best documents again, and say whether it joins; `--part validation`
asks questions that are held out of the test set, so that something can be chosen on them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.build import build
from attar.bundle import Bundle, read_bundle, write_bundle
from attar.cli.progress import Bars
from attar.evaluate.report import full_report
from attar.runtime.bm25 import Bm25
from attar.runtime.predictor import Predictor
from attar.runtime.reindex import reindex
from contenders import ROOT, minilm_folder

Pair = dict[str, str]  # {"text": question, "label": id of the answer, "group": focus}
Rank = Callable[[str], Sequence[str]]  # a question -> ids, best first
TIMED = 100  # questions, one at a time


def pairs_of(part: str, data: Path) -> tuple[list[Pair], dict[str, str]]:
    """Questions with the id of their answer, and the answers by id, equal ones once."""
    ids: dict[str, str] = {}
    pairs = []
    with gzip.open(data / "medquad-subset" / f"{part}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            name = ids.setdefault(row["response"], f"{part}-{len(ids)}")
            pairs.append({"text": row["instruction"], "label": name, "group": row["category"]})
    return pairs, {name: text for text, name in ids.items()}


def sampled(
    pairs: list[Pair], answers: dict[str, str], count: int
) -> tuple[list[Pair], dict[str, str]]:
    """All questions of as many focuses as hold about `count` questions, and their answers."""
    groups = sorted({pair["group"] for pair in pairs})
    random.Random(0).shuffle(groups)
    by_group: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_group.setdefault(pair["group"], []).append(pair)
    kept: list[Pair] = []
    for group in groups:
        if len(kept) >= count:
            break
        kept += by_group[group]
    named = {pair["label"] for pair in kept}
    return kept, {name: text for name, text in answers.items() if name in named}


def write_lines(path: Path, rows: Sequence[Any]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def attar_bundle(size: float, options: argparse.Namespace) -> Bundle:
    train, known = sampled(*pairs_of("train", options.data), options.pairs)
    test, answers = pairs_of(options.part, options.data)
    asked = "" if options.part == "test" else f"-{options.part}"
    work: Path = options.work / f"ranking-{options.pairs}{asked}"
    work.mkdir(parents=True, exist_ok=True)
    write_lines(work / "train.jsonl", train)
    write_lines(work / "test.jsonl", test)
    documents = [{"id": name, "text": text} for name, text in (known | answers).items()]
    write_lines(work / "documents.jsonl", documents)
    again = "-rescored" if options.rescore else ""
    recipe = work / f"medquad-{size:g}{again}.toml"
    recipe.write_text(
        'task = "rank"\n[data]\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
        f'documents = "documents.jsonl"\ngroup = "group"\n[budget]\nsize_mb = {size}\n'
        + ("[rescore]\n" if options.rescore else ""),
        encoding="utf-8",
    )
    out = work / f"medquad-{size:g}{again}.attar"
    if not out.exists():
        with Bars() as progress:
            build(recipe, out, minutes=options.minutes, progress=progress)
    return read_bundle(out)


def figures(rank: Rank, test: Sequence[Pair]) -> dict[str, float]:
    """On all test questions; ms: of the median question, asked alone."""
    times, gains, first = [], [], []
    for i, pair in enumerate(test):
        began = time.perf_counter()
        ids = list(rank(pair["text"]))[:10]
        if i < TIMED:
            times.append(1000 * (time.perf_counter() - began))
        place = ids.index(pair["label"]) + 1 if pair["label"] in ids else 0
        gains.append(1 / place if place else 0.0)
        first.append(place == 1)
    return {
        "recall@1": 100 * float(np.mean(first)),
        "MRR": 100 * float(np.mean(gains)),
        "ms": float(np.median(times)),
    }


def by_predictor(bundle: Bundle) -> Rank:
    predictor = Predictor(bundle)
    return lambda text: [found["id"] for found in predictor(text).to_json()["documents"]]


def by_vectors(
    embed: Callable[[Sequence[str]], NDArray[np.float32]], answers: dict[str, str]
) -> Rank:
    names, vectors = list(answers), unit(embed(list(answers.values())))

    def rank(text: str) -> list[str]:
        cosine = vectors @ unit(embed([text]))[0]
        return [names[i] for i in np.argsort(-cosine, kind="stable")[:10]]

    return rank


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def by_words(answers: dict[str, str]) -> Rank:
    names, bm25 = list(answers), Bm25(list(answers.values()))
    return lambda text: [names[i] for i in np.argsort(-bm25(text), kind="stable")[:10]]


def without_second_scores(bundle: Bundle, path: Path) -> Bundle:
    settings = dict(bundle.manifest["task_settings"])
    settings["rescore"] = {**settings["rescore"], "weight": 0.0}
    manifest = {**bundle.manifest, "task_settings": settings}
    return write_bundle(path, manifest, bundle.files, force=True)


def without_words(bundle: Bundle, path: Path) -> Bundle:
    settings = {**bundle.manifest["task_settings"], "hybrid": 0.0}
    manifest = {**bundle.manifest, "task_settings": settings}
    return write_bundle(path, manifest, bundle.files, force=True)


def model2vec_of(work: Path, dimensions: int) -> tuple[Any, float]:
    from model2vec.distill import distill

    folder = work / f"model2vec-{dimensions}"
    static = distill(str(minilm_folder()), device="cpu", pca_dims=dimensions)
    static.tokenizer.no_padding()
    static.tokenizer.no_truncation()
    static.save_pretrained(str(folder))
    return static, megabytes(folder)


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench")
    parser.add_argument("--sizes", default="15")
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=None)
    parser.add_argument("--rescore", action="store_true")
    parser.add_argument("--part", choices=["test", "validation"], default="test")
    parser.add_argument("--only", choices=["attar", "rivals"], default=None)
    options = parser.parse_args()
    test, answers = pairs_of(options.part, options.data)
    print(f"{len(test):,} {options.part} questions, {len(answers):,} answers", flush=True)
    rows: dict[str, dict[str, float]] = {}

    def add(name: str, found: dict[str, float], mb: float) -> None:
        rows[name] = {**found, "MB": mb}
        shown = "  ".join(f"{key} {value:.2f}" for key, value in rows[name].items())
        print(f"{name}: {shown}", flush=True)

    if options.only != "attar":
        from peers.minilm_frozen import ENCODER_FILES, Encoder

        files = [minilm_folder() / name for name in ENCODER_FILES]
        size = sum(file.stat().st_size for file in files) / 1e6
        add("MiniLM, frozen", figures(by_vectors(Encoder(minilm_folder()), answers), test), size)
        add("BM25", figures(by_words(answers), test), 0.0)
        for width in (256, 64):
            static, size = model2vec_of(options.work, width)
            add(f"model2vec, {width} wide", figures(by_vectors(static.encode, answers), test), size)
    for size in map(float, options.sizes.split(",")) if options.only != "rivals" else ():
        bundle = attar_bundle(size, options)
        report = full_report(bundle)
        name, all_documents = f"attar, {report['student']}", Predictor(bundle).documents
        print(f"{name}: among all {len(all_documents):,} documents {report['metrics']}; "
              f"its teacher {report['teacher']['metrics']}; settings "
              f"{bundle.manifest['task_settings']}", flush=True)  # fmt: skip
        work = bundle.path.parent
        gone = [one.id for one in all_documents if one.id not in answers]
        small = reindex(bundle, work / f"test-{size:g}.attar", remove=gone, force=True)
        add(name, figures(by_predictor(small), test), bundle.size_bytes / 1e6)
        if said := report["plan"].get("rescore"):
            print(f"scored again: {said['value']}: {said['reason']}", flush=True)
        if "rescore" in report:
            first = without_second_scores(small, work / f"test-{size:g}-first.attar")
            add(f"{name}, order of the first stage", figures(by_predictor(first), test),
                bundle.size_bytes / 1e6)  # fmt: skip
        plain = without_words(small, work / f"test-{size:g}-cosine.attar")
        add(f"{name}, cosine alone", figures(by_predictor(plain), test), bundle.size_bytes / 1e6)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.exit(main())
