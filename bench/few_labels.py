"""Learning from few labels: attar beside SetFit on the same base, rows and seeds.

    python bench/few_labels.py [--labels 5,10,50] [--seeds 0,1,2] [--setfit-python PATH]

`--rows held-out` (for development) measures on 1,500 train rows from which no draw is taken,
`--rows test` on the official test split. Builds and answers are kept in --work, so that a
killed run goes on. What the columns mean: bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from attar.runtime.predictor import load
from classify import pick, say
from contenders import ROOT, SETS, Rows, minilm_folder, read_rows
from peers import setfit_pairs
from peers.attar_bundle import BUILT
from report import line

HELD_OUT = 1500
SPLIT_SEED = 12345  # of the held-out rows, the same for every draw
PAIRS = 20  # of each kind and text: SetFit's published setting
RECIPE = """task = "classify"
name = "{name}"
[data]
train = "train.jsonl"
test = "test.jsonl"
{unlabeled}
[budget]
size_mb = {size_mb:g}
"""


@dataclass(frozen=True, slots=True)
class Draw:
    """Some train rows a label, the rest without their labels, and the rows that judge."""

    labels: int
    seed: int
    train: Rows
    rest: Rows
    judged: Rows


@dataclass(frozen=True, slots=True)
class Result:
    """What one contender made of one draw. rows: of the judged ones, whether right."""

    contender: str
    labels: int
    seed: int
    mb: float
    seconds: float
    right: list[bool]


def draw(name: str, data: Path, labels: int, seed: int, rows: str) -> Draw:
    """`labels` rows of each label, never of the held-out ones, whatever `rows` says."""
    spec = SETS[name]
    every = read_rows([data / name / file for file in spec.train])
    order = np.random.default_rng(SPLIT_SEED).permutation(len(every.texts))
    held, pool = order[:HELD_OUT], order[HELD_OUT:]
    by_label: dict[str, list[int]] = {}
    for index in np.random.default_rng(seed).permutation(pool):
        by_label.setdefault(every.labels[index], []).append(int(index))
    taken = sorted(i for indices in by_label.values() for i in indices[:labels])
    rest = sorted(set(pool.tolist()) - set(taken))

    def chosen(indices: list[int]) -> Rows:
        return Rows([every.texts[i] for i in indices], [every.labels[i] for i in indices])

    judged = chosen(sorted(held.tolist()))
    if rows == "test":
        judged = read_rows([data / name / file for file in spec.test])
    return Draw(labels, seed, chosen(taken), chosen(rest), judged)


def attar(drawn: Draw, folder: Path, unlabeled: bool, size_mb: float) -> Result:
    """The real command line on a recipe that names the data and the size, nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", drawn.train), ("test", drawn.judged)):
        lines = (
            json.dumps({"text": text, "label": label}, ensure_ascii=False)
            for text, label in zip(rows.texts, rows.labels, strict=True)
        )
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    logs = (json.dumps({"text": text}, ensure_ascii=False) for text in drawn.rest.texts)
    (folder / "logs.jsonl").write_text("\n".join(logs) + "\n", encoding="utf-8")
    more = 'unlabeled = "logs.jsonl"' if unlabeled else ""
    recipe = RECIPE.format(name="few", unlabeled=more, size_mb=size_mb)
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    out = folder / "few.attar"
    command = [sys.executable, "-m", "attar.cli", "build", str(folder / "recipe.toml")]
    started = time.perf_counter()
    done = subprocess.run([*command, "-o", str(out), "--force"], stdout=sys.stderr, check=False)
    if done.returncode not in BUILT:
        raise SystemExit(f"{folder.name}: attar build ended with exit code {done.returncode}")
    seconds = time.perf_counter() - started
    found = [answer.label for answer in load(out)(drawn.judged.texts)]
    name = "attar, with unlabeled texts" if unlabeled else "attar"
    return result(name, drawn, out.stat().st_size / 1e6, seconds, found)


def setfit(drawn: Draw, folder: Path, python: Path, pairs: int) -> Result:
    rows = (drawn.train.texts, drawn.train.labels)
    found = setfit_pairs.run(
        python, minilm_folder(), rows, drawn.judged.texts, pairs, drawn.seed, folder
    )
    name = f"{setfit_pairs.TITLE}, {pairs} pairs of each kind a text"
    return result(name, drawn, found["mb"], found["seconds"], found["labels"])


def result(name: str, drawn: Draw, mb: float, seconds: float, found: list[str]) -> Result:
    right = [a == b for a, b in zip(found, drawn.judged.labels, strict=True)]
    return Result(name, drawn.labels, drawn.seed, mb, seconds, right)


def results(options: argparse.Namespace, name: str) -> Iterator[Result]:
    for labels in options.labels:
        for seed in options.seeds:
            drawn = draw(name, options.data, labels, seed, options.rows)
            folder = options.work / f"few-{options.rows}" / name / f"{labels}-{seed}"
            tasks = {
                "attar": lambda at, d=drawn: attar(d, at, False, options.size_mb),
                "attar-unlabeled": lambda at, d=drawn: attar(d, at, True, options.size_mb),
            }
            if options.setfit_python:
                tasks[f"setfit-{options.pairs}"] = lambda at, d=drawn: setfit(
                    d, at, options.setfit_python, options.pairs
                )
            for key, task in tasks.items():
                if key.split("-")[0] == "attar" and key not in options.contenders:
                    continue
                path = folder / f"{key}.json"
                if not path.exists():
                    say(f"{name}, {labels} labels, seed {seed}: {key}")
                    made = task(folder / key)
                    path.write_text(json.dumps(asdict(made)), encoding="utf-8")
                yield Result(**json.loads(path.read_text(encoding="utf-8")))


def table(found: list[Result]) -> list[str]:
    """One line for each contender and number of labels; ± is the deviation over seeds."""
    head = ("labels a class", "contender", "seeds", "accuracy %", "± seeds", "MB", "build s")
    out = [line(head), line(("---",) * len(head))]
    for labels, contender in sorted({(f.labels, f.contender) for f in found}):
        these = [f for f in found if (f.labels, f.contender) == (labels, contender)]
        accuracy = 100 * np.array([np.mean(f.right) for f in these])
        spread = f"{accuracy.std(ddof=1):.2f}" if len(these) > 1 else "-"
        mb, seconds = max(f.mb for f in these), np.mean([f.seconds for f in these])
        cells = (str(labels), contender, str(len(these)), f"{accuracy.mean():.2f}", spread)
        out.append(line((*cells, f"{mb:.2f}", f"{seconds:.0f}")))
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--sets", default="banking77", help="comma-separated: %(default)s")
    add("--labels", type=numbers, default=[5, 10, 50], help="labels a class: 5,10,50")
    add("--seeds", type=numbers, default=[0, 1, 2], help="draws: 0,1,2")
    add("--contenders", default="attar,attar-unlabeled", help="attar's: %(default)s")
    add("--size-mb", type=float, default=9.0, help="attar's budget: %(default)s")
    add("--pairs", type=int, default=PAIRS, help="SetFit's num_iterations: %(default)s")
    add("--setfit-python", type=Path, help="a Python that has setfit (default: no row)")
    add("--rows", choices=("held-out", "test"), default="held-out", help="default: %(default)s")
    add("--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results")
    add("--work", type=Path, default=ROOT / ".bench", help="folder of the builds")
    options = parser.parse_args()
    options.contenders = pick(options.contenders, ["attar", "attar-unlabeled"], "contenders")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    out = ["# Few labels", ""]
    for name in pick(options.sets, list(SETS), "sets"):
        found = list(results(options, name))
        out += [f"## {name}, {options.rows} rows", "", *table(found), ""]
    text = "\n".join(out)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"few-labels-{options.rows}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
