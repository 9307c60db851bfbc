"""How many requests are handed over at a certified error, and what a shift does to it.

    python bench/handover.py [--data DIR] [--bundle FILE] [--mixle-python PATH] [--resume]

Part 1: Banking77, the same rows for attar, a threshold set by eye, and PyPI `mixle`.
Part 2: attar's claims on altered texts and in other domains, which they are not about.
What each column means: bench/README.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.data.curate import curate
from attar.data.split import in_order
from attar.evaluate.bounds import bounds_of
from attar.evaluate.claims import decide
from attar.evaluate.handover import certify_threshold, design_handover
from attar.evaluate.retest import VERDICTS
from attar.evaluate.slices import AS_WRITTEN, PERTURBATIONS, perturb
from attar.evaluate.statistics import clopper_pearson
from attar.evidence import Groups, Proportion
from attar.recipe import ClaimSpec, DataSection
from attar.runtime.predictor import Predictor, load
from attar.tasks import TASKS
from attar.types import Row
from classify import cpu_model, say, versions
from contenders import ROOT, SEED, DataSet, Rows, read_set
from peers import mixle_task
from peers.attar_bundle import BUILT

RECIPE = """task = "classify"
name = "{name}"
[data]
{data}
[budget]
size_mb = {size_mb:g}
[[claims]]
metric = "error_when_answering"
at_most = {at_most:g}
"""
AIRLINE = """train = ["airline_train.jsonl"]
test = ["airline_test.jsonl"]
group = "conversation"
out_of_scope = "outofdomain"
[teacher]
finetune = "frozen"
"""
ERROR = {"error when answering, %": "error", "handed over": "handed_over", "claim": "claim"}
SAME_SPLIT = {"contender": "name", "MB": "size_mb", **ERROR, "certified": "certified"}
SAME_SPLIT |= {"broken when redrawn": "redrawn"}
SHIFT = {"rows": "name", "in scope": "rows", "at most": "at_most", **ERROR}
SHIFT |= {"out of scope": "oos_rows", "of these answered, %": "oos"}
FORMATS = {"size_mb": "{:.2f}", "rows": "{:,}", "oos_rows": "{:,}", "at_most": "{:.0%}"}
FORMATS |= {"handed_over": "{:.1%}", "redrawn": "{:.1%}"}
Bools = NDArray[np.bool_]
Figures = dict[str, Any]
TASK = TASKS.get("classify")
AT_MOST = 0.02  # error when answering, Banking77
AIRLINE_AT_MOST = 0.05
ALPHA = 0.025  # each side of a 95 % interval
SEVERAL = "<div>"  # between the intents of a turn that has several


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--bundle", type=Path, help="a Banking77 bundle that claims the error (default: built)")
    add("--mixle-python", type=Path, help="a Python that has mixle and torch (default: no row)")
    add("--draws", type=int, default=500, help="redraws of the calibrate rows: %(default)s")
    add("--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results")
    add("--work", type=Path, default=ROOT / ".bench" / "handover", help="folder of the builds")
    add("--resume", action="store_true", help="reuse what is already built in --work")
    return parser.parse_args()


def build(folder: Path, recipe: str, name: str, resume: bool) -> Path:
    """The real command line on a recipe; its bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"{name}.attar"
    if resume and out.exists():
        return out
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    say(f"{name}: attar build")
    command = [sys.executable, "-m", "attar.cli", "build", str(folder / "recipe.toml")]
    done = subprocess.run([*command, "-o", str(out), "--force"], stdout=sys.stderr, check=False)
    if done.returncode not in BUILT:
        raise SystemExit(f"{name}: attar build ended with exit code {done.returncode}")
    return out


def figures(answered: Bools, right: Bools, at_most: float, groups: Groups = None) -> Figures:
    """Of rows in scope: error when answering with its 95 % interval and the claim's fate, and
    the share handed over. With groups, interval and claim rest on one row of each."""
    found: Figures = {"rows": len(answered), "at_most": at_most, "claim": "undecided"}
    found |= {"answered": int(answered.sum()), "handed_over": float(1 - answered.mean())}
    if not answered.any():
        return found
    evidence = Proportion(~right[answered], None if groups is None else groups[answered])
    decided = decide(ClaimSpec("error_when_answering", at_most=at_most), evidence)
    found |= {"error": evidence.value, "error_bounds": bounds_of(evidence)(ALPHA)[:2]}
    return found | {"claim": VERDICTS[decided["status"]], "claim_rows": decided["rows"]}


class Answers:
    """A bundle's outputs for some texts: what it answers, rightly, and how sure it is."""

    def __init__(self, predictor: Predictor, rows: Sequence[Row]) -> None:
        self.rows, self.outputs = rows, predictor.outputs([row.text for row in rows])
        decoded = TASK.decode(self.outputs, predictor.manifest)
        self.answered = np.array([not answer.abstained for answer in decoded], bool)
        pairs = zip(decoded, rows, strict=True)
        self.right = np.array([answer.label == row.label for answer, row in pairs], bool)
        self.acceptance = TASK.acceptance(self.outputs, predictor.manifest)


def lowest_threshold(acceptance: NDArray[np.float64], right: Bools, at_most: float) -> float:
    """The naive choice: the lowest threshold above which the rows seen err at most so often."""
    order = np.argsort(-acceptance, kind="stable")
    error = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    held = np.flatnonzero(error <= at_most)
    return float(acceptance[order[held[-1]]]) if len(held) else float("inf")


def redrawn(predictor: Predictor, answers: Answers, size: int, draws: int) -> dict[str, float]:
    """How often each choice of a threshold breaks the claim, with the test rows as the
    population: `size` rows for select and for calibrate are drawn from it, with replacement,
    so that its own error at the chosen threshold is the truth."""
    generator, inside = np.random.default_rng(SEED), np.ones(size, bool)
    settings = dict(predictor.manifest["task_settings"])
    claims = [ClaimSpec("error_when_answering", at_most=AT_MOST)]
    broken = {"certified": 0, "naive": 0}
    for _ in range(draws):
        select, calibrate = generator.integers(len(answers.rows), size=(2, size))
        drawn = {name: values[select] for name, values in answers.outputs.items()}
        rows, kinds = [answers.rows[i] for i in select], [settings["acceptance"]]
        design = design_handover(TASK, drawn, rows, settings, kinds, claims, size)
        fitted = settings | {"temperature": design.temperature}
        sure = TASK.acceptance(answers.outputs, {"task_settings": fitted})
        right = answers.right[calibrate]
        chosen = certify_threshold(design, sure[calibrate], inside, right, claims)
        cuts = {"naive": lowest_threshold(sure[calibrate], right, AT_MOST)}
        # What calibrate cannot guarantee is not called certified, so it cannot break.
        if chosen.certified:
            cuts["certified"] = -np.inf if chosen.value is None else chosen.value
        for name, cut in cuts.items():
            wrong = ~answers.right[sure >= cut]
            broken[name] += bool(len(wrong) and wrong.mean() > AT_MOST)
    return {name: count / draws for name, count in broken.items()}


def as_rows(part: Rows) -> list[Row]:
    return [Row(text, label) for text, label in zip(part.texts, part.labels, strict=True)]


def same_split(predictor: Predictor, files: DataSet, options: Any) -> list[Figures]:
    """Part 1: attar, a naive threshold, and mixle, on the test rows of Banking77."""
    report, size = predictor.report or {}, Path(predictor.path).stat().st_size / 1e6
    answers, found = Answers(predictor, as_rows(files.test)), list[Figures]()

    def add(name: str, size: float, answered: Bools, right: Bools, certified: str) -> None:
        row = {"name": name, "size_mb": size, "certified": certified}
        found.append(row | figures(answered, right, AT_MOST))

    certified = "yes" if report.get("handover", {}).get("certified") else "no"
    add("attar, Learn then Test", size, answers.answered, answers.right, certified)
    data = curate(TASK, DataSection(files.train_files, files.test_files), seed=SEED)
    if data.fingerprint != report.get("data", {}).get("fingerprint"):
        say("the bundle was built from other rows: no naive threshold")
    else:
        seen = Answers(predictor, data.calibrate)
        kept = answers.acceptance >= lowest_threshold(seen.acceptance, seen.right, AT_MOST)
        add("attar, naive threshold", size, kept, answers.right, "no bound")
        say(f"{options.draws} redraws of {len(seen.rows)} calibrate rows")
        drawn = redrawn(predictor, answers, len(seen.rows), options.draws)
        found[0]["redrawn"], found[1]["redrawn"] = drawn["certified"], drawn["naive"]
    if options.mixle_python is None:
        say(f"SKIPPED {mixle_task.TITLE}. Mend: {mixle_task.INSTALL}")
        return [*found, {"name": f"{mixle_task.TITLE}: not installed: `{mixle_task.INSTALL}`"}]
    train, test = ({"texts": r.texts, "labels": r.labels} for r in (files.train, files.test))
    mixle_work, reuse = options.work / "mixle", options.resume
    peer = mixle_task.run(options.mixle_python, train, test, AT_MOST, mixle_work, reuse)
    if "error" in peer:
        return [*found, {"name": f"{mixle_task.TITLE}: {peer['error']}"}]
    for variant in peer["variants"]:
        decided = np.array([answer or "" for answer in variant.pop("answers")])
        right = decided == np.array(files.test.labels)
        add(variant["name"], variant["size_mb"], decided != "", right, variant["certified"])
        found[-1] |= {"settings": variant, "versions": peer["versions"]}
    return found


def altered(predictor: Predictor, files: DataSet) -> list[Figures]:
    """Part 2, texts: the test rows of Banking77 as a careless writer would send them."""
    found, rows = [], as_rows(files.test)
    for kind in (AS_WRITTEN, *PERTURBATIONS):
        sent = [replace(r, text=perturb(r.text, kind, SEED)) for r in rows if kind != AS_WRITTEN]
        answers = Answers(predictor, sent or rows)
        name = {"name": f"Banking77, {kind}"}
        found.append(name | figures(answers.answered, answers.right, AT_MOST))
    return found


def turns(path: Path) -> list[Row]:
    """Customer turns with one intent and some text; the conversation is the group."""
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            text = " ".join(" ".join(row["tokens"]).split())
            if text and SEVERAL not in row["intent"]:
                found.append(Row(text, row["intent"], row["conversation"]))
    return found


def domains(options: argparse.Namespace) -> list[Figures]:
    """Part 2, domains: a model of the airline's conversations, asked about two others."""
    source, folder = options.data / "multidogo", options.work / "multidogo"
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        lines = (
            json.dumps({"text": row.text, "label": row.label, "conversation": row.group}) + "\n"
            for row in turns(source / f"airline_{part}.jsonl.gz")
        )
        (folder / f"airline_{part}.jsonl").write_text("".join(lines), encoding="utf-8")
    recipe = RECIPE.format(name="airline", data=AIRLINE, size_mb=0.7, at_most=AIRLINE_AT_MOST)
    predictor, found = load(build(folder, recipe, "airline", options.resume)), []
    for domain in ("airline", "insurance", "software"):
        answers = Answers(predictor, in_order(turns(source / f"{domain}_test.jsonl.gz")))
        inside = np.array([row.label in predictor.labels for row in answers.rows], bool)
        _, groups = np.unique([row.group or "" for row in answers.rows], return_inverse=True)
        chosen, outside = answers.answered[inside], answers.answered[~inside]
        row = figures(chosen, answers.right[inside], AIRLINE_AT_MOST, groups[inside])
        bounds = clopper_pearson(int(outside.sum()), len(outside), ALPHA)
        row |= {"oos": float(outside.mean()), "oos_bounds": bounds, "oos_rows": len(outside)}
        found.append({"name": f"airline's model, {domain}"} | row)
    return found


def cell(row: Figures, key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if key in ("error", "oos"):
        shares = [100 * share for share in (value, *row[f"{key}_bounds"])]
        return "{:.2f} ({:.2f} to {:.2f})".format(*shares)
    return FORMATS.get(key, "{}").format(value)


def as_table(columns: Mapping[str, str], rows: Sequence[Figures]) -> list[str]:
    lines = [list(columns), ["---"] * len(columns)]
    lines += [[cell(row, key) for key in columns.values()] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def main() -> int:
    options, started = arguments(), time.time()
    for name in ("banking77", "multidogo"):
        if not (options.data / name).is_dir():
            say(f"no data: {options.data} holds no {name}. Mend: --data DIR or ATTAR_DATA=DIR")
            return 2
    files = read_set("banking77", options.data.resolve(), None, options.work)
    if (bundle := options.bundle) is None:
        data = f'train = ["{files.train_files[0]}"]\ntest = ["{files.test_files[0]}"]'
        recipe = RECIPE.format(name="banking77", data=data, size_mb=5, at_most=AT_MOST)
        bundle = build(options.work / "banking77", recipe, "banking77", options.resume)
    predictor = load(bundle)
    first = same_split(predictor, files, options)
    second = altered(predictor, files) + domains(options)
    date, seconds = datetime.now(UTC).isoformat(timespec="seconds"), round(time.time() - started)
    whole: Figures = {"date": date, "cpu": cpu_model(), "versions": versions()}
    whole |= {"seconds": seconds, "same_split": first, "shift": second, "draws": options.draws}
    lines = ["# Handing over", "", f"{date[:10]}, {cpu_model()}.", ""]
    lines += [f"## Banking77: error when answering at most {AT_MOST:.0%}", ""]
    lines += [*as_table(SAME_SPLIT, first), "", "## Shift: rows that the claim is not about", ""]
    text = "\n".join([*lines, *as_table(SHIFT, second), ""])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "handover.json").write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    (options.out / "handover.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
