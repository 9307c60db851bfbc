"""Near-duplicates among a million short texts: attar beside datasketch and semhash.

    python bench/near_duplicates.py --texts 1000000

Texts and planted pairs come from `messages.py`. Every contender gets a process of its
own, reads the same file of texts and reports pairs of places in it; only the search is
timed, and the process's peak memory (texts included) is the kernel's figure. The table
goes to stdout and to `results/near_duplicates.md`, all figures to `.json` beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.data.neighbors import clusters, near_pairs, normalize
from contenders import minilm_folder
from messages import messages

HERE = Path(__file__).parent
THRESHOLD = 0.8
SHINGLE = 4
FOLDER = HERE.parent / ".bench" / "near_duplicates"
STATIC = FOLDER / "minilm-static"

Pairs = NDArray[np.int64]
Search = Callable[[list[str]], Pairs]


def attar(texts: list[str]) -> Pairs:
    return near_pairs(texts, THRESHOLD)


def datasketch(permutations: int, weights: tuple[float, float]) -> Callable[[], Search]:
    """MinHash-LSH; pairs are its candidates, unverified.

    weights: of false positives and false negatives, by which it chooses its bands.
    In its favor: zlib.crc32 hashes the shingles, where its default, SHA-1, is slower.
    """

    def prepared() -> Search:
        from datasketch import MinHash, MinHashLSH

        def search(texts: list[str]) -> Pairs:
            index = MinHashLSH(THRESHOLD, num_perm=permutations, weights=weights)
            sketches = MinHash.generator(
                map(shingle_bytes, texts), num_perm=permutations, hashfunc=zlib.crc32
            )
            pairs = []
            for j, sketch in enumerate(sketches):
                pairs += [(i, j) for i in index.query(sketch)]
                index.insert(j, sketch, check_duplication=False)
            return np.array(pairs, dtype=np.int64).reshape(-1, 2)

        return search

    return prepared


def shingle_bytes(text: str) -> list[bytes]:
    text = normalize(text)
    return [text[k : k + SHINGLE].encode() for k in range(max(1, len(text) - SHINGLE + 1))]


def semhash() -> Search:
    """SemHash with its default threshold and index, on MiniLM distilled by model2vec.

    It reports for every text that it drops one that it keeps. Equal texts it merges.
    """
    from model2vec import StaticModel
    from semhash import SemHash

    if not STATIC.exists():  # in a process of its own: torch's memory is not the search's
        subprocess.run([sys.executable, __file__, "--distill"], check=True)
    model = StaticModel.from_pretrained(str(STATIC))

    def search(texts: list[str]) -> Pairs:
        found = SemHash.from_records(texts, model=model).self_deduplicate().filtered
        places: dict[str, list[int]] = {}
        for i, text in enumerate(texts):
            places.setdefault(text, []).append(i)
        pairs = []
        for duplicate in found:
            kept = places[duplicate.duplicate_of][0]
            pairs += [(min(i, kept), max(i, kept)) for i in places[duplicate.record] if i != kept]
        return np.unique(np.array(pairs, dtype=np.int64).reshape(-1, 2), axis=0)

    return search


def distill() -> None:
    from model2vec.distill import distill as distilled

    model = distilled(str(minilm_folder()), device="cpu", pca_dims=256)
    model.tokenizer.no_padding()  # MiniLM's own tokenizer pads every text to 128 tokens
    model.tokenizer.no_truncation()
    model.save_pretrained(str(STATIC))


CONTENDERS: dict[str, tuple[str, Callable[[], Search]]] = {
    "attar": ("attar", lambda: attar),
    "datasketch-64": ("datasketch", datasketch(64, (0.5, 0.5))),
    "datasketch-128": ("datasketch", datasketch(128, (0.5, 0.5))),
    "datasketch-128-recall": ("datasketch", datasketch(128, (0.1, 0.9))),
    "semhash": ("semhash", semhash),
}
#: Only in the first round unless asked: they would take longer than all others together.
SLOW = ("datasketch-128-recall", "semhash")


def work(name: str, source: Path, target: Path) -> None:
    """Search the texts of `source` and leave the pairs in `target`."""
    import resource

    search = CONTENDERS[name][1]()
    texts = read(source)
    wall, processor = time.perf_counter(), time.process_time()
    pairs = search(texts)
    figures = {
        "seconds": time.perf_counter() - wall,
        "processor_s": time.process_time() - processor,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }
    np.save(target, pairs)
    print(json.dumps(figures))


def read(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")


def run(name: str, source: Path) -> tuple[dict[str, Any], Pairs]:
    target = FOLDER / f"{name}.npy"
    command = [sys.executable, __file__, "--work", name, str(source), str(target)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]), np.load(target)


def jaccard(one: str, two: str) -> float:
    a, b = ({text[k : k + SHINGLE] for k in range(len(text) - SHINGLE + 1)} for text in (one, two))
    return len(a & b) / len(a | b) if a | b else float(one == two)


class Truth:
    """What is planted among the first texts of a file, and how a search did on it."""

    def __init__(self, texts: list[str], planted: Sequence[tuple[int, int]]) -> None:
        self.texts = [normalize(text) for text in texts]
        first: dict[str, int] = {}
        self.first = np.array([first.setdefault(t, i) for i, t in enumerate(self.texts)])
        self.copies, near = [], []
        for i, j in planted:
            if self.first[i] == self.first[j]:
                self.copies.append((i, j))
            elif jaccard(self.texts[i], self.texts[j]) >= THRESHOLD:
                near.append((i, j))
        self.near = near

    def judge(self, pairs: Pairs) -> dict[str, Any]:
        """Shares of the planted pairs found, and of the pairs reported that are near.

        Equal texts stand for one another: attar pairs only the first of them with others.
        """
        label = clusters(len(self.texts), pairs)
        firsts = np.unique(np.sort(self.first[pairs], axis=1), axis=0)
        reported = set(map(tuple, firsts.tolist()))
        near = [tuple(sorted(self.first[list(pair)].tolist())) for pair in self.near]
        right = sum(
            i == j or jaccard(self.texts[i], self.texts[j]) >= THRESHOLD for i, j in reported
        )
        return {
            "pairs": len(pairs),
            "recall_copies": share(label[i] == label[j] for i, j in self.copies),
            "recall_near": share(pair in reported for pair in near),
            "joined_near": share(label[i] == label[j] for i, j in self.near),
            "precision": right / max(1, len(reported)),
        }


def share(hits: Iterator[Any]) -> float:
    found = [bool(hit) for hit in hits]
    return sum(found) / max(1, len(found))


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| contender | texts | texts a second | of them a processor second | planted near-copies "
        "found | … or joined | planted copies joined | precision of pairs | peak MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(
            f"| {r['contender']} | {r['texts']:,} | {r['texts'] / r['seconds']:,.0f} | "
            f"{r['texts'] / r['processor_s']:,.0f} | "
            f"{r['recall_near']:.2%} | {r['joined_near']:.2%} | "
            f"{r['recall_copies']:.2%} | {r['precision']:.1%} | {r['peak_mb']:,.0f} |"
        )
    return lines


def main() -> int:
    options = arguments()
    if options.distill:
        distill()
        return 0
    if options.work:
        name, source, target = options.work
        work(name, Path(source), Path(target))
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    for count in dict.fromkeys([min(options.texts, options.peer_texts), options.texts]):
        made = messages(count, options.seed)
        source = FOLDER / f"{count}.txt"
        source.write_text("\n".join(made.texts), encoding="utf-8")
        truth = Truth(made.texts, made.planted)
        print(f"{count:,} texts, {len(truth.copies):,} planted copies and {len(truth.near):,} "
              f"planted near-copies of Jaccard {THRESHOLD} or more", file=sys.stderr)  # fmt: skip
        del made
        for name in options.contenders.split(","):
            package = CONTENDERS[name][0]
            if count > options.peer_texts and name in SLOW and not options.all:
                continue
            if find_spec(package) is None:
                print(f"{name}: skipped, {package} is not installed: pip install -c "
                      "constraints.txt '.[bench]'", file=sys.stderr)  # fmt: skip
                continue
            figures, pairs = run(name, source)
            results.append(
                {"contender": name, "version": version(package), "texts": count}
                | figures
                | truth.judge(pairs)
            )
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    text = "\n".join(table(results)) + "\n"
    print(text, end="")
    out = HERE / "results"
    out.mkdir(exist_ok=True)
    (out / "near_duplicates.md").write_text(text, encoding="utf-8")
    facts = {"seed": options.seed, "cores": os.cpu_count(), "results": results}
    (out / "near_duplicates.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--peer-texts", type=int, default=100_000, help="a first, smaller round")
    parser.add_argument("--all", action="store_true", help="the slow ones in both rounds")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--distill", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
