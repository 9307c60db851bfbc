"""attar beside spaCy's NER and a CRF on slots and entities: span F1, size and milliseconds.

    python bench/spans.py [--data DIR] [--sets …] [--rows held-out|test] [--peers-python PATH]

attar's figures, and those of its teacher (MiniLM, all weights), are from the report of a real
`attar build`. Held-out rows are the sets' validation rows, which nothing learns from; with --rows
test they join train. A span counts where start, end and label are the gold ones. GLiNER's weights
come from a hub alone, so it has no row here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attar.build import build
from attar.bundle import read_bundle
from attar.cli.progress import Bars
from attar.evaluate.report import full_report
from contenders import ROOT, shipped_mb
from dialogue_rules import intents_of
from peers.span_taggers import INSTALL, Row, run

PEERS = {"spacy": "spaCy NER", "crf": "CRF"}
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class SpanSet:
    """size_mb: the budget of attar. folder and prefix: where the files of the parts are."""

    size_mb: float
    folder: str
    prefix: str = ""
    label: bool = True
    group: str | None = None


SETS = {
    "snips": SpanSet(6.0, "snips"),
    "ncbi-disease": SpanSet(12.0, "ncbi-disease", label=False),
    **{
        f"multidogo-{domain}": SpanSet(6.0, "multidogo", f"{domain}_", group="conversation")
        for domain in ("airline", "insurance", "software")
    },
}


def rows_of(name: str, part: str, data: Path) -> list[dict[str, Any]]:
    """The rows of a part that have a text: multidogo has turns without a word."""
    spec = SETS[name]
    path = data / spec.folder / f"{spec.prefix}{part}.jsonl"
    return [row for row in _lines(path) if any(token.strip() for token in row["tokens"])]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    zipped = path.with_name(path.name + ".gz")
    with gzip.open(zipped, "rt", encoding="utf-8") if zipped.exists() else path.open() as file:
        yield from map(json.loads, file)


def parts(name: str, options: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    found = {part: rows_of(name, part, options.data) for part in PARTS}
    if options.rows == "test":
        return found["train"] + found["validation"], found["test"]
    return found["train"], found["validation"]


def attar_figures(name: str, options: argparse.Namespace, work: Path) -> Iterator[list[str]]:
    spec, (train, held_out) = SETS[name], parts(name, options)
    for file, rows in (("train", train), ("test", held_out)):
        text = "".join(json.dumps(_plain(row, spec), ensure_ascii=False) + "\n" for row in rows)
        (work / f"{file}.jsonl").write_text(text, encoding="utf-8")
    group = f'group = "{spec.group}"\n' if spec.group else ""
    recipe = work / "recipe.toml"
    recipe.write_text(
        f'task = "extract"\nname = "{name}"\n[data]\ntrain = "train.jsonl"\n'
        f'test = "test.jsonl"\n{group}[budget]\nsize_mb = {options.size_mb or spec.size_mb:g}\n',
        encoding="utf-8",
    )
    out = work / f"{name}.attar"
    if not out.exists():
        with Bars() as progress:
            build(recipe, out, minutes=options.minutes, progress=progress)
    report = full_report(read_bundle(out))
    mine, theirs = report["metrics"], report["teacher"]["metrics"]
    yield [
        f"attar, {report['student']}", *_shares(mine), f"{report['size_bytes'] / 1e6:.2f}",
        f"{report['measurements']['latency']['p50_ms']:.2f}",
        f"{report['measurements']['build_seconds']:.0f}",
    ]  # fmt: skip
    yield [f"its teacher, {report['teacher']['name']}", *_shares(theirs), "–", "–", "–"]


def _plain(row: dict[str, Any], spec: SpanSet) -> dict[str, Any]:
    found = {"tokens": row["tokens"], "tags": row["tags"]}
    if spec.label:
        # Of several intents the first: joined ones are labels of their own with a row or two.
        found["label"] = intents_of(row["intent"])[0]
    if spec.group:
        found[spec.group] = row[spec.group]
    return found


def _shares(figures: dict[str, float | None]) -> list[str]:
    cells = [figures.get(key) for key in ("span_f1", "accuracy", "exact")]
    return ["–" if cell is None else f"{100 * cell:.2f}" for cell in cells]


def peer_figures(peer: str, name: str, options: argparse.Namespace, work: Path) -> list[str]:
    train, held_out = parts(name, options)
    folder = work / peer
    gold = [_spans(row) for row in held_out]
    tokens = [row["tokens"] for row in held_out]
    pairs: list[Row] = [(row["tokens"], _spans(row)) for row in train]
    found = run(options.peers_python, peer, pairs, tokens, folder)
    f1 = span_f1(gold, [[(a, b, label) for a, b, label in spans] for spans in found["spans"]])
    return [
        PEERS[peer], f"{100 * f1:.2f}", "–", "–", f"{shipped_mb(folder / 'ship', folder):.2f}",
        f"{found['mean_ms']:.2f}", f"{found['build_s']:.0f}",
    ]  # fmt: skip


def _spans(row: dict[str, Any]) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    for at, tag in enumerate(row["tags"]):
        begin, _, label = tag.partition("-")
        if begin == "I" and found and found[-1][1:] == (at, label):
            found[-1] = (found[-1][0], at + 1, label)
        elif begin != "O":
            found.append((at, at + 1, label))
    return found


def span_f1(gold: Sequence[Sequence[Any]], named: Sequence[Sequence[Any]]) -> float:
    """Micro-averaged over all spans."""
    hits = sum(len(set(g) & set(n)) for g, n in zip(gold, named, strict=True))
    return 2 * hits / max(1, sum(map(len, gold)) + sum(map(len, named)))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--sets", default="snips,ncbi-disease", help=f"of {', '.join(SETS)}: %(default)s")
    add("--rows", choices=("held-out", "test"), default="held-out", help="default: %(default)s")
    add("--size-mb", type=float, help="attar's budget (default: the set's own)")
    add("--minutes", type=float, help="of attar's search among shapes (attar build --minutes)")
    add("--peers", default="spacy,crf", help="comma-separated: %(default)s")
    add("--peers-python", type=Path, help="a Python that has them (default: no row)")
    add("--no-attar", action="store_true", help="peers only")
    add("--work", type=Path, default=ROOT / ".bench", help="folder of the builds")
    options = parser.parse_args()
    if options.peers_python is None:
        print(f"without peers: {INSTALL}", file=sys.stderr)
    for name in options.sets.split(","):
        train, held_out = parts(name, options)
        print(f"\n## {name}: {len(train):,} train rows, {len(held_out):,} {options.rows}\n")
        print("| model | span F1 % | label % | exact % | MB | ms | build s |\n|" + "---|" * 7)
        work = options.work / f"spans-{options.rows}" / name
        work.mkdir(parents=True, exist_ok=True)
        for cells in () if options.no_attar else attar_figures(name, options, work):
            print(f"| {' | '.join(cells)} |", flush=True)
        for peer in options.peers.split(",") if options.peers_python else ():
            print(f"[{time.strftime('%H:%M:%S')}] {name}: {peer}", file=sys.stderr, flush=True)
            print(f"| {' | '.join(peer_figures(peer, name, options, work))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
