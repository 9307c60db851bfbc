"""Every pass alone and in the chain: bytes, accuracy, latency and seconds, before and after.

    python bench/passes.py [--data DIR] [--sets …] [--families …] [--rows held-out|test]

`--rows held-out` (the default, for development): learn from train, measure on select and
calibrate. `--rows test`: learn from train and select, measure on the official test split.
The passes are cached and every measured entry is a line of a file, so that a killed run
goes on. Latencies are measured anew at the end of each run, of all entries one after the
other: to have them undisturbed, run again when all else is done. What the columns mean:
bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ablations import ENTRIES
from ablations.entry import FINE_TUNED, FROZEN, Entry
from ablations.plot import draw
from attar.data.curate import curate
from attar.data.split import join_select
from attar.errors import AttarError
from attar.evaluate.bench import latency_summary, latency_times
from attar.passes import Artifact, Context
from attar.passes.draft import write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune import Finetune
from attar.plan.start import longest_text, start_artifact
from attar.plan.teacher import frozen_teacher, local_teacher
from attar.recipe import DataSection
from attar.runtime.predictor import Predictor, load
from attar.tasks import TASKS
from attar.teachers import Teacher
from attar.teachers.ensemble import Ensemble
from attar.train.start import EMBEDDED, locate
from attar.types import Row
from classify import pick, say
from contenders import ROOT, SETS
from report import line, show


@dataclass(frozen=True, slots=True)
class Ground:
    """What all entries of a set share: the pretrained start, the rows, a teacher (by name
    its members). seconds: that the fine-tuned member took (cached: nearly 0)."""

    start: Artifact
    context: Context
    rows: tuple[Row, ...]
    members: Mapping[str, Teacher]
    seconds: float


def ground(name: str, data: Path, work: Path, rows: str) -> Ground:
    """Curate a set, and train the teacher that its students learn from."""
    spec = SETS[name]
    task = TASKS.get("classify")
    fields = DataSection(
        train=tuple(data / name / file for file in spec.train),
        test=tuple(data / name / file for file in spec.test),
        out_of_scope=spec.out_of_scope,
    )
    dataset = curate(task, fields)
    columns = task.targets(dataset.train, spec.out_of_scope)
    judged = (*dataset.select, *dataset.calibrate) if rows == "held-out" else dataset.certify
    dataset = dataset if rows == "held-out" else join_select(dataset)
    context = Context(task, dataset, columns, work / name / "cache", spec.out_of_scope)
    location = locate(EMBEDDED, work)
    start = start_artifact(location, int(longest_text(location, context).value), context)
    started = time.perf_counter()
    tuned = local_teacher(Finetune(epochs=3), start, context)
    seconds = time.perf_counter() - started
    frozen = frozen_teacher(start, context)
    context = replace(context, teacher=Ensemble([tuned, frozen]))
    return Ground(start, context, judged, {FINE_TUNED: tuned, FROZEN: frozen}, seconds)


def made(entry: Entry, base: Ground, names: Mapping[str, Entry]) -> tuple[Artifact, float]:
    """The artifact of an entry, and the seconds that its own passes took (cached: nearly 0)."""
    source = base.start
    if entry.start != "pretrained":
        source, _ = made(names[entry.start], base, names)
    context = base.context
    if entry.teacher is not None:
        context = replace(context, teacher=base.members[entry.teacher])
    started = time.perf_counter()
    for step in entry.steps:
        source = step.apply(source, context)
    return source, time.perf_counter() - started


def measured(entry: Entry, base: Ground, names: Mapping[str, Entry], work: Path) -> dict[str, Any]:
    artifact, seconds = made(entry, base, names)
    seconds += base.seconds if entry.name == FINE_TUNED else 0.0
    if not (artifact.folder / "model.onnx").exists():
        artifact = ExportOnnx().apply(artifact, base.context)
    context = base.context
    settings = context.task.settings(context.columns, context.out_of_scope)
    path = draft_path(work, artifact.fingerprint)
    draft = write_draft(path, artifact, context.task, settings, "measured")
    predictor = Predictor(draft)
    answers = predictor([row.text for row in base.rows])
    figures = context.task.metrics(base.rows, answers, context.out_of_scope)
    return {
        "entry": entry.name,
        "family": entry.family,
        "steps": repr(entry.steps),
        "fingerprint": artifact.fingerprint,
        "mb": draft.size_bytes / 1e6,
        "seconds": seconds,
        "rows": len(base.rows),
        "figures": {key: value for key, value in figures.items() if value is not None},
        "right": [
            a.label == row.label
            for a, row in zip(answers, base.rows, strict=True)
            if row.label != context.out_of_scope
        ],
        "remark": entry.remark,
    }


def draft_path(work: Path, fingerprint: str) -> Path:
    return work / "drafts" / f"{fingerprint}.attar"


def table(found: list[dict[str, Any]]) -> list[str]:
    """Rows of Markdown; differences are paired, beside the fine-tuned model of the set."""
    head = ("", "pass", "MB", "accuracy %", "points (± standard error)", "p50 ms", "× faster", "s")
    out = [line(head), line(("---",) * len(head))]
    first = next((f for f in found if f["entry"] == FINE_TUNED), None)
    for number, one in enumerate(found, 1):
        points = faster = "-"
        if first is not None and one is not first:
            change = np.array(one["right"], float) - np.array(first["right"], float)
            error = change.std() / np.sqrt(len(change))
            points = f"{100 * change.mean():+.2f} ± {100 * error:.2f}"
            faster = f"{first['latency_ms'] / one['latency_ms']:.1f}"
        name = one["entry"] + (f" ({one['remark']})" if one["remark"] else "")
        accuracy = show(one["figures"].get("accuracy"), scale=100)
        cells = (str(number), name, f"{one['mb']:.2f}", accuracy, points)
        cells += (f"{one['latency_ms']:.2f}", faster)
        out.append(line((*cells, f"{one['seconds']:.0f}")))
    return out


def run_set(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    work = options.work / f"passes-{options.rows}"
    folder = work / name
    (folder / "drafts").mkdir(parents=True, exist_ok=True)
    path = folder / "measured.jsonl"
    done: dict[str, dict[str, Any]] = {}
    if path.exists():
        entries = (json.loads(text) for text in path.read_text(encoding="utf-8").splitlines())
        done = {found["entry"]: found for found in entries}
    say(f"{name}: curating, and training the teacher")
    base = ground(name, options.data, work, options.rows)
    names = {entry.name: entry for entry in ENTRIES}
    results = []
    for entry in ENTRIES:
        if entry.family not in options.families and entry.name != FINE_TUNED:
            continue
        if entry.name not in done or done[entry.name].get("steps") != repr(entry.steps):
            say(f"{name}: {entry.name}")
            try:
                found = measured(entry, base, names, folder)
            except AttarError as error:  # what an entry asks for may not fit another set
                say(f"{name}: {entry.name}: left out, {error}")
                continue
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
            done[entry.name] = found
            accuracy = 100 * found["figures"].get("accuracy", float("nan"))
            say(f"{name}: {entry.name}: {found['mb']:.2f} MB, {accuracy:.2f} %")
        results.append(done[entry.name])
    say(f"{name}: latency of {len(results)} models")
    for found in results:
        predictor = load(draft_path(folder, found["fingerprint"]))
        found["latency_ms"] = latency_summary(latency_times(predictor))["p50_ms"]
    return results


def main() -> int:
    families = list(dict.fromkeys(entry.family for entry in ENTRIES))
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--sets", default="banking77,clinc150", help="comma-separated: %(default)s")
    add("--families", default=",".join(families), help="comma-separated: %(default)s")
    add("--rows", choices=("held-out", "test"), default="held-out", help="default: %(default)s")
    add("--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results")
    add("--work", type=Path, default=ROOT / ".bench", help="folder of caches")
    options = parser.parse_args()
    options.families = pick(options.families, families, "families")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    out = ["# Every pass, alone and in the chain", ""]
    for name in pick(options.sets, list(SETS), "sets"):
        results = run_set(name, options)
        out += [f"## {name}, {options.rows} rows", "", *table(results), ""]
        draw(results, f"{name}, {options.rows} rows", options.out / f"passes-{name}.svg")
    text = "\n".join(out)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"passes-{options.rows}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
