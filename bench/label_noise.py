"""Planted label errors in Banking77: how many are found, and what mending gives back.

    python bench/label_noise.py [--data DIR] [--rates 0.1,0.2] [--rows held-out|test] [--teacher]

A seeded share of the train labels is flipped to another label, uniformly; select is left
as it is. Measured are a linear head on the frozen encoder and, with `--teacher`, the
encoder fine-tuned for three epochs: on rows that are held out of train (select and
calibrate), or on the test split.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from attar.data.curate import curate
from attar.data.suspicious import find_suspects, mended, ranked
from attar.passes import Context
from attar.passes.finetune import Finetune
from attar.plan.labels import embedded, out_of_fold
from attar.plan.start import longest_text, start_artifact
from attar.plan.teacher import local_teacher
from attar.recipe import DataSection
from attar.tasks import TASKS
from attar.train.linear import fit_linear
from attar.train.start import EMBEDDED, locate
from attar.types import Row
from classify import say
from contenders import ROOT
from report import line

FACTOR = 1.3  # of the planted errors: so many of the most suspicious rows are looked at


def flipped(rows: tuple[Row, ...], rate: float, seed: int) -> tuple[Row, ...]:
    rng = np.random.default_rng(seed)
    labels = sorted({row.label or "" for row in rows})
    changed = list(rows)
    for i in rng.choice(len(rows), round(rate * len(rows)), replace=False).tolist():
        other = [label for label in labels if label != rows[i].label]
        changed[i] = replace(rows[i], label=other[rng.integers(len(other))])
    return tuple(changed)


class Ground:
    """Banking77, its embeddings, and how a set of train rows is measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        folder = options.data / "banking77"
        fields = DataSection(train=(folder / "train.jsonl.gz",), test=(folder / "test.jsonl.gz",))
        task = TASKS.get("classify")
        dataset = curate(task, fields)
        columns = task.targets(dataset.train, None)
        self.rows = (
            dataset.certify if options.rows == "test" else (*dataset.select, *dataset.calibrate)
        )
        if options.train_rows:
            dataset = replace(dataset, train=dataset.train[: options.train_rows])
        self.context = Context(task, dataset, columns, options.work / "cache", seed=options.seed)
        location = locate(EMBEDDED, options.work)
        longest = int(longest_text(location, self.context).value)
        self.start = start_artifact(location, longest, self.context)
        everything = replace(dataset, train=(*dataset.train, *self.rows))
        self.vectors = embedded(self.start, replace(self.context, dataset=everything))

    def stack(self, rows: tuple[Row, ...] | list[Row]) -> np.ndarray:
        return np.stack([self.vectors[row.text] for row in rows])

    def targets(self, rows: tuple[Row, ...] | list[Row]) -> np.ndarray:
        index = {name: i for i, name in enumerate(self.context.columns)}
        return np.array([index[row.label or ""] for row in rows])

    def frozen(self, rows: tuple[Row, ...] | list[Row]) -> float:
        head = fit_linear(self.stack(rows), self.targets(rows), len(self.context.columns))
        named = head.logits(self.stack(self.rows)).argmax(1)
        return float((named == self.targets(self.rows)).mean())

    def fine_tuned(self, rows: tuple[Row, ...] | list[Row], mark: str) -> float:
        dataset = replace(self.context.dataset, train=tuple(rows), fingerprint=mark)
        context = replace(self.context, dataset=dataset)
        teacher = local_teacher(Finetune(epochs=3), self.start, context)
        named = teacher.answer([row.text for row in self.rows]).logits.argmax(1)
        return float((named == self.targets(self.rows)).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--rates", default="0.1,0.2", help="shares of flipped labels: %(default)s")
    add("--rows", choices=("held-out", "test"), default="held-out", help="default: %(default)s")
    add("--train-rows", type=int, help="learn from so many rows only")
    add("--teacher", action="store_true", help="fine-tune the encoder too: minutes a row")
    add("--seed", type=int, default=0)
    add("--work", type=Path, default=ROOT / ".bench" / "label-noise", help="folder of caches")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    ground = Ground(options)
    columns, train = ground.context.columns, ground.context.dataset.train
    head = ("flipped", "rows flagged", "are flips", "flips flagged",
            f"flips in the first {FACTOR} k", "model", "clean", "flipped", "suspects dropped",
            "loss that stays")  # fmt: skip
    print(line(head), line(("---",) * len(head)), sep="\n", flush=True)
    for rate in [0.0, *map(float, options.rates.split(","))]:
        noisy = flipped(train, rate, options.seed)
        wrong = {i for i, (a, b) in enumerate(zip(train, noisy, strict=True)) if a != b}
        say(f"{rate:.0%} flipped: cross-validating {len(noisy):,} rows")
        given = ground.targets(noisy)
        probabilities = out_of_fold(ground.stack(noisy), given, len(columns), ground.context)
        suspects = find_suspects(noisy, columns, probabilities)
        kept, *_ = mended(noisy, suspects, "drop")
        place = {id(row): i for i, row in enumerate(noisy)}
        hits = sum(place[id(suspect.row)] in wrong for suspect in suspects)
        first = ranked(given, probabilities)[: round(FACTOR * len(wrong))].tolist()
        found = [f"{rate:.0%}", f"{len(suspects):,}"]
        found += [share(hits, len(suspects)), share(hits, len(wrong))]
        found.append(share(len(wrong.intersection(first)), len(wrong)))
        for model in ("frozen", "fine-tuned") if options.teacher else ("frozen",):
            scores = []
            for name, rows in (("clean", train), ("flipped", noisy), ("mended", kept)):
                if model == "frozen":
                    scores.append(ground.frozen(rows))
                    continue
                mark = f"{ground.context.dataset.fingerprint} {name if rate else 'clean'} {rate}"
                known = f"{len(train)} {mark}" if name != "clean" else f"{len(train)} clean"
                scores.append(ground.fine_tuned(rows, known))
            clean, flips, mend = scores
            stays = f"{(clean - mend) / (clean - flips):.0%}" if clean > flips else "-"
            print(line((*found, model, *(f"{100 * s:.2f}" for s in scores), stays)), flush=True)
    return 0


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


if __name__ == "__main__":
    sys.exit(main())
