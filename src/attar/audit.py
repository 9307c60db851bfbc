"""The audit: do certificates keep their promise, measured instead of assumed?

Two experiments on the labeled rows of a recipe, all of them taken as one pool:

(a) *Fixed model.* A model is trained on a part; the rest is the population, so the truth
    is known. Samples are drawn from it with replacement, and the lower bound of each
    metric is compared with the truth. It may lie above it in at most alpha of the draws,
    plus Monte Carlo error.
(b) *Redraws.* The whole procedure again and again: new splits, new training, new
    threshold, new certificate. The truth of a redraw is the value on certify and the
    rows that no split used, the finite population that certify was drawn from.

Beside both stands the naive way: choose the threshold and read the score on one
validation sample, and promise what was read.

Redraws share rows, so they are not independent of each other; `overlap` says how much.
The student is of the cheap family (`plan.pool`), because what is audited is the certificate
and not the student. Every draw is written when it is done, so a killed
audit goes on.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attar.errors import RecipeError
from attar.evaluate.bounds import bounds_of
from attar.evaluate.documents import informed
from attar.evaluate.examine import Examination
from attar.evaluate.handover import ERROR_CLAIMS
from attar.evidence import Evidence, Proportion
from attar.files import write_atomically
from attar.plan.pool import ERROR, FRACTIONS, Pool
from attar.plan.teacher import trial_teacher
from attar.predictions import Prediction
from attar.recipe import Recipe
from attar.runtime.predictor import Predictor
from attar.types import Progress, Row, Silent, Task

POOL = 12_000  # rows, at most: a redraw trains and answers in seconds
ALPHA = 0.05
#: Metrics that promise an upper bound; the others promise a lower one.
AT_MOST = (*ERROR_CLAIMS, "handover", "compression")


def audit(
    recipe: Recipe,
    *,
    draws: int = 2000,
    redraws: int = 200,
    sample: int = 1000,
    pool: int = POOL,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run what is missing of both experiments and return their tables.

    sample: rows of each draw of (a). Raises DataError where the rows are too few, RecipeError
    where the recipe adds labels to a model.
    """
    progress = progress or Silent()
    if recipe.student.keep_labels:
        raise RecipeError(
            "[student] keep_labels: an audit trains its models afresh, on rows of every label; "
            "take keep_labels out and give rows of the old labels too"
        )
    pooled = Pool(recipe, pool, progress)
    folder = recipe.work / "audit" / pooled.fingerprint[:16]
    folder.mkdir(parents=True, exist_ok=True)
    fixed, truth = _fixed_model(pooled, folder, draws, sample, progress)
    redrawn = _redraws(pooled, folder, redraws, progress)
    found = {
        "name": recipe.name,
        "alpha": ALPHA,
        "pool_rows": len(pooled.rows),
        "family": pooled.family,
        "fixed_model": {
            "draws": len(fixed),
            "sample": sample,
            "truth": truth,
            "metrics": _table(fixed),
        },
        "redraws": {
            "redraws": len(redrawn),
            "overlap": round(FRACTIONS["certify"], 4),
            "certified": sum(1 for line in redrawn if line["certified"]),
            "metrics": _table(redrawn),
        },
    }
    write_atomically(folder / "audit.json", json.dumps(found, indent=1).encode())
    return found


def binomial_limit(alpha: float, draws: int) -> float:
    """The largest share of misses that Monte Carlo error explains: alpha plus two standard
    errors."""
    return alpha + 2 * math.sqrt(alpha * (1 - alpha) / max(1, draws))


def _fixed_model(
    pool: Pool, folder: Path, draws: int, sample: int, progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    cache = folder / "fixed"
    cache.mkdir(exist_ok=True)
    sealed = pool.seal(0, cache)
    context = sealed.context
    population = [*sealed.certify, *sealed.rest]
    teacher = informed(trial_teacher(pool.encoder, context), context.dataset.documents)
    seen = Examination(
        context.task,
        Predictor(sealed.draft),
        population,
        teacher,
        context.columns,
        context.out_of_scope,
    )
    whole = seen.evidence()
    truth = _promised(context.task, whole)

    def draw(number: int) -> dict[str, Any]:
        chosen = np.random.default_rng([1, number]).integers(0, len(population), sample)
        rows = [replace(population[i], group=None) for i in chosen.tolist()]
        answers = [seen.answers[i] for i in chosen.tolist()]
        assert seen.teacher is not None
        theirs = [seen.teacher[i] for i in chosen.tolist()]
        evidence = context.task.evidence(rows, answers, theirs, context.out_of_scope)
        return {
            "missed": _missed(evidence, truth),
            "naive": {
                **_naive(evidence, truth),
                **({} if seen.grades is not None else _naive_threshold(seen, chosen)),
            },
        }

    what = f"audit (a): {draws} samples of {sample} rows"
    lines = _resumed(folder / f"fixed-{sample}.jsonl", draws, draw, what, progress)
    return lines, {name: round(value, 6) for name, value in truth.items()}


def _redraws(pool: Pool, folder: Path, redraws: int, progress: Progress) -> list[dict[str, Any]]:
    def redraw(number: int) -> dict[str, Any]:
        cache = folder / f"redraw-{number}"
        cache.mkdir(exist_ok=True)
        try:
            sealed = pool.seal(number, cache)
            predictor, context = Predictor(sealed.draft), sealed.context
            rows = [*sealed.certify, *sealed.rest]
            answers = predictor([row.text for row in rows])
        finally:
            shutil.rmtree(cache, ignore_errors=True)

        def evidence(of: Sequence[Row], given: Sequence[Prediction]) -> dict[str, Evidence]:
            return context.task.evidence(of, given, None, context.out_of_scope)

        count = len(sealed.certify)
        population = evidence(rows, answers)
        truth = _promised(context.task, population)
        certified = evidence(sealed.certify, answers[:count])
        return {
            "truth": {name: round(value, 6) for name, value in truth.items()},
            "missed": _missed(certified, truth),
            "naive": _naive(certified, truth),
            "certified": bool(sealed.handover.threshold.certified),
            "threshold": sealed.handover.threshold.value,
        }

    what = f"audit (b): {redraws} redraws"
    return _resumed(folder / "redraws.jsonl", redraws, redraw, what, progress)


def _promised(task: Task, evidence: Mapping[str, Evidence]) -> dict[str, float]:
    """What the task's claims may promise of all rows, where it is defined."""
    values = {name: evidence[name].value for name in task.claim_metrics if name in evidence}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _missed(evidence: Mapping[str, Evidence], truth: Mapping[str, float]) -> dict[str, bool]:
    """Whether each bound lies on the wrong side of the truth."""
    found = {}
    for name, value in truth.items():
        if name not in evidence or not evidence[name].rows:
            continue
        bounds = bounds_of(evidence[name])(ALPHA)
        found[name] = bounds.upper < value if name in AT_MOST else bounds.lower > value
    return found


def _naive(evidence: Mapping[str, Evidence], truth: Mapping[str, float]) -> dict[str, bool]:
    """The same for promising what was measured, without an interval."""
    return {
        name: evidence[name].value < value if name in AT_MOST else evidence[name].value > value
        for name, value in truth.items()
        if name in evidence and not math.isnan(evidence[name].value)
    }


def _naive_threshold(seen: Examination, chosen: np.ndarray[Any, Any]) -> dict[str, bool]:
    """Choose on the sample the threshold that answers most at the error promised; does the
    population keep it?"""
    assert ERROR.at_most is not None
    inside = chosen[seen.inside[chosen]]
    order = inside[np.argsort(-seen.acceptance[inside], kind="stable")]
    errors = np.cumsum(~seen.right[order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero(errors <= ERROR.at_most)
    if not len(kept):
        return {}
    threshold = seen.acceptance[order[kept[-1]]]
    answered = seen.inside & (seen.acceptance >= threshold)
    risk = Proportion(~seen.right[answered]).value
    return {"threshold": risk > ERROR.at_most}


def _resumed(
    path: Path,
    count: int,
    run: Callable[[int], dict[str, Any]],
    what: str,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Results 0 to count - 1, each a line of `path`; those that are there are not run again."""
    done: dict[int, dict[str, Any]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # a line that a kill cut short
            done[int(entry.pop("number"))] = entry
        if done:
            progress.say(f"{what}: {min(len(done), count)} reused")
    missing = [number for number in range(count) if number not in done]

    def results() -> Iterator[None]:
        with path.open("a", encoding="utf-8") as file:
            for number in missing:
                done[number] = run(number)
                file.write(json.dumps({"number": number, **done[number]}) + "\n")
                file.flush()
                yield

    for _ in progress.track(results(), what, len(missing)):
        pass
    return [done[number] for number in range(count)]


def _table(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By metric: how often the certificate and the naive way promised too much."""
    names = list(dict.fromkeys(name for line in lines for name in line["missed"]))
    table = []
    for name in names:
        missed = [line["missed"][name] for line in lines if name in line["missed"]]
        naive = [line["naive"][name] for line in lines if name in line["naive"]]
        table.append(_entry(name, missed, naive))
    by_threshold = [line["naive"]["threshold"] for line in lines if "threshold" in line["naive"]]
    if by_threshold:
        table.append(_entry("naive threshold", [], by_threshold))
    return table


def _entry(name: str, missed: Sequence[bool], naive: Sequence[bool]) -> dict[str, Any]:
    share = sum(missed) / len(missed) if missed else None
    limit = binomial_limit(ALPHA, len(missed))
    return {
        "metric": name,
        "trials": len(missed),
        "missed": sum(missed) if missed else None,
        "share": None if share is None else round(share, 6),
        "limit": round(limit, 6) if missed else None,
        "kept": None if share is None else share <= limit,
        "naive_share": round(sum(naive) / len(naive), 6) if naive else None,
    }
