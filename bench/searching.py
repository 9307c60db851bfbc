"""How vectors and words are searched, among 1,000, 10,000 and 100,000 documents.

    python bench/searching.py [--data DIR] [--counts 1000,10000,100000]

Documents are sentences of english-text and tatoeba-en-de, of 26 characters and more, as MiniLM
reads them; 500 more of them are the queries. Recall is of the ten that exact search in the same
int8 vectors finds. Beside attar's own ways: the graphs of usearch (HNSW, int8), which no bundle
holds. Vectors are kept in .bench; the first run makes them, which takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.runtime.bm25 import Bm25
from attar.runtime.index import read_index, rounded, write_index
from attar.runtime.nearest import ENGINES, ExactSearch, Nearest, TwoStageSearch, best, unit
from attar.types import Document
from contenders import ROOT, minilm_folder

BOOKS = ("gutenberg", "masc", "state_union", "inaugural")
QUERIES, FOUND = 500, 10
MOST = 100_000

Search = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def sentences(data: Path) -> list[str]:
    """MOST of them, and those of the queries."""
    found: set[str] = set()
    for name in BOOKS:
        for row in rows_of(data / "english-text" / f"{name}.jsonl.gz"):
            parts = re.split(r"(?<=[.!?])\s+", re.sub(r"\s+", " ", row["text"]))
            found.update(part for part in parts if 40 < len(part) < 200)
    for row in rows_of(data / "tatoeba-en-de" / "train.jsonl.gz"):
        text = row["source"]
        if len(text) > 25:
            found.add(text)
    chosen = sorted(found)
    random.Random(0).shuffle(chosen)
    return chosen[: MOST + QUERIES]


def vectors_of(texts: Sequence[str], work: Path) -> NDArray[np.float32]:
    """MiniLM's, (texts, 384)."""
    path = work / "searching.npy"
    if not path.exists():
        from peers.minilm_frozen import Encoder

        work.mkdir(parents=True, exist_ok=True)
        np.save(path, Encoder(minilm_folder())(texts))
    kept: NDArray[np.float32] = np.load(path, mmap_mode="r")
    assert len(kept) == len(texts), f"{path} is of other texts: delete it"
    return kept


def milliseconds(ask: Callable[[Any], object], queries: Sequence[Any]) -> tuple[float, float]:
    """Of the median query and of the slowest twentieth, on one thread: of its own time, which
    others that run on the machine do not add to."""
    times = []
    for query in queries:
        began = time.thread_time()
        ask(query)
        times.append(1000 * (time.thread_time() - began))
    return float(np.median(times)), float(np.quantile(times, 0.95))


def graph(stored: NDArray[np.int8], line: dict[str, Any]) -> Search | None:
    """usearch's, twice as many as are asked for and scored again as exact search scores; nothing
    where it is not installed."""
    try:
        from usearch.index import Index
    except ImportError:
        return None
    index = Index(
        ndim=stored.shape[1], metric="cos", dtype="i8", connectivity=16, expansion_search=128
    )
    index.add(np.arange(len(stored)), unit(stored), threads=1)
    with tempfile.TemporaryDirectory() as folder:
        index.save(str(Path(folder) / "graph"))
        line["MB beside vectors"] = (
            Path(folder) / "graph"
        ).stat().st_size / 1e6 - stored.size / 1e6

    def search(query: NDArray[np.float32]) -> NDArray[np.int64]:
        keys: NDArray[np.int64] = index.search(query, 2 * FOUND, threads=1).keys.astype(np.int64)
        return keys[best(unit(stored[keys]) @ query, FOUND)]

    return search


def searching(nearest: Nearest) -> Search:
    return lambda query: nearest.search(query, FOUND)


def vector_lines(
    stored: NDArray[np.int8], queries: NDArray[np.float32], with_graph: bool
) -> Iterator[dict[str, Any]]:
    truth: list[set[int]] = []
    ways: list[tuple[str, Callable[[dict[str, Any]], Search | None]]] = [
        ("exact", lambda _: searching(ExactSearch(stored))),
        ("two stages", lambda _: searching(TwoStageSearch(stored))),
    ]
    if with_graph:
        ways.append(("graph", lambda line: graph(stored, line)))
    for name, make in ways:
        line: dict[str, Any] = {"search": name, "documents": len(stored)}
        began = time.thread_time()
        search = make(line)
        line["seconds to make"] = time.thread_time() - began
        if search is None:
            continue
        found = [set(search(query).tolist()) for query in queries]
        truth = truth or found
        shares = [len(a & b) / FOUND for a, b in zip(truth, found, strict=True)]
        line["recall@10 %"] = 100 * float(np.mean(shares))
        line["ms"], line["ms of the slowest 5 %"] = milliseconds(search, list(queries))
        yield line


def word_line(texts: Sequence[str], queries: Sequence[str]) -> dict[str, Any]:
    began = time.thread_time()
    bm25 = Bm25(texts)
    made = time.thread_time() - began
    median, slow = milliseconds(lambda query: best(bm25(query), FOUND), queries)
    return {"search": "BM25", "documents": len(texts), "seconds to make": made, "ms": median,
            "ms of the slowest 5 %": slow}  # fmt: skip


def part_line(
    texts: Sequence[str],
    stored: NDArray[np.int8],
    queries: NDArray[np.float32],
    asked: Sequence[str],
    engine: str,
) -> dict[str, Any]:
    """The index of a bundle as it is opened and asked, with words."""
    files = write_index([Document(str(i), text) for i, text in enumerate(texts)], stored)
    before = resident()
    began = time.thread_time()
    index, _ = read_index(files, stored.shape[1], True, engine)
    made = time.thread_time() - began
    pairs = list(zip(queries[:, None], asked, strict=True))
    median, slow = milliseconds(lambda pair: index(pair[0], [pair[1]]), pairs)
    return {"search": f"part, {engine}", "documents": len(texts), "seconds to make": made,
            "ms": median, "ms of the slowest 5 %": slow,
            "MB of memory": resident() - before}  # fmt: skip


def resident() -> float:
    """Megabytes of memory that this process holds, where the system says so."""
    path = Path("/proc/self/statm")
    if not path.exists():
        return math.nan
    return int(path.read_text().split()[1]) * resource.getpagesize() / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench")
    parser.add_argument("--counts", default="1000,10000,100000")
    parser.add_argument("--no-graph", action="store_true", help="leave usearch out")
    only = "a part alone: memory that others had and gave back counts for nobody"
    parser.add_argument("--only", choices=ENGINES, help=only)
    options = parser.parse_args()
    texts = sentences(options.data)
    vectors = vectors_of(texts, options.work)
    queries, asked = unit(np.array(vectors[MOST:])), texts[MOST:]
    for count in map(int, options.counts.split(",")):
        stored = rounded(np.array(vectors[:count]))
        if options.only:
            show(part_line(texts[:count], stored, queries, asked, options.only))
            continue
        for line in vector_lines(stored, queries, not options.no_graph):
            show(line)
        show(word_line(texts[:count], asked))
        for engine in ENGINES:
            show(part_line(texts[:count], stored, queries, asked, engine))


def show(line: dict[str, Any]) -> None:
    print(
        json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in line.items()}),
        flush=True,
    )


if __name__ == "__main__":
    main()
