"""What becomes of train rows whose label looks wrong.

A linear head on embeddings of the pretrained encoder, fitted on four fifths of the rows,
judges the last fifth; `data.suspicious` tells its doubts from errors of the label. Rows of
select, calibrate and certify are never judged by it: select only once it has joined train.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attar.data.split import join_select
from attar.data.suspicious import Suspect, find_suspects, mended, save_suspects
from attar.metrics import softmax, surely_better
from attar.passes import Artifact, Context, fingerprint
from attar.plan.start import longest_text, start_artifact
from attar.recipe import Recipe
from attar.teachers.local import AnswerTexts, LocalTeacher
from attar.train.linear import Vectors, fit_linear
from attar.train.models import Model
from attar.train.start import locate
from attar.types import Dataset, Derived, Row

FOLDS = 5
SUSPECTS = "suspicious.jsonl"
NOISY = 0.05  # of the labels look wrong: sets as published have 2 to 4 % (docs/curation.md)


def mend_labels(
    recipe: Recipe, start: Artifact, context: Context, values: MutableMapping[str, Derived]
) -> tuple[Context, Context]:
    """The context, and the one in which select has joined train, with mended train rows.

    `[data] suspicious_labels = "auto"` drops suspects where they are many and select
    shows that the rest teaches better. The suspects go to `.attar/suspicious.jsonl`.
    """
    how = recipe.data.suspicious_labels
    if context.task.gold_kind != "label":  # confident learning asks for one label a text
        how = "keep"
    joined = replace(context, dataset=join_select(context.dataset))
    if how == "keep" or any(row.label is None for row in joined.dataset.train):
        return context, joined  # a task whose rows have no one label has no such suspects
    vectors = embedded(start, joined)
    found = suspicious_labels(start, context, vectors)
    save_suspects(found, recipe.work / SUSPECTS)
    reason = "the recipe says so"
    if how == "auto":
        how, reason = _choice(found, context, vectors)
    share = f"a linear head doubts {len(found):,} of {len(context.dataset.train):,} train labels"
    values["suspicious_labels"] = Derived(how, f"{share}; {reason}")
    context.progress.say(f"{share}: {how}")
    context = _mended(context, found, how)
    if how != "keep":
        joined = _mended(joined, suspicious_labels(start, joined, vectors), how)
    return context, joined


def look_at_labels(recipe: Recipe, context: Context) -> list[Suspect]:
    """The suspects of a recipe, found and saved as a build would, without building."""
    location = locate(recipe.teacher.model, recipe.folder)
    joined = replace(context, dataset=join_select(context.dataset))
    start = start_artifact(location, int(longest_text(location, joined).value), context)
    found = suspicious_labels(start, context, embedded(start, joined))
    save_suspects(found, recipe.work / SUSPECTS)
    return found


def suspicious_labels(
    start: Artifact, context: Context, vectors: Mapping[str, Vectors]
) -> list[Suspect]:
    """The suspects among the context's train rows, the most suspicious first."""
    rows = context.dataset.train
    return find_suspects(rows, context.columns, _cached(start, context, vectors))


def embedded(start: Artifact, context: Context) -> dict[str, Vectors]:
    """Text -> embedding (hidden,) for the train rows, kept in the cache."""

    def load() -> AnswerTexts:
        model = Model.load(start.folder)
        return lambda texts: model.answer(texts, context.progress, "suspicious labels: embed")

    texts = [row.text for row in context.dataset.train]
    answers = LocalTeacher("start", start.fingerprint, load, context.cache).answer(texts)
    return dict(zip(texts, answers.embedding, strict=True))


def out_of_fold(
    vectors: Vectors, target: NDArray[np.int64], columns: int, context: Context
) -> NDArray[np.float64]:
    """Probabilities (n, columns) of rows by heads that learned from the other folds."""
    # Dealt label by label, so that every fold has its share of each.
    order = np.random.default_rng(context.seed).permutation(len(target))
    order = order[np.argsort(target[order], kind="stable")]
    fold = np.empty(len(target), np.int64)
    fold[order] = np.arange(len(target)) % FOLDS
    found = np.zeros((len(target), columns))
    for number in context.progress.track(range(FOLDS), "suspicious labels: cross-validate"):
        out = fold == number
        head = fit_linear(vectors[~out], target[~out], columns)
        found[out] = softmax(head.logits(vectors[out]))
    return found


def _cached(
    start: Artifact, context: Context, vectors: Mapping[str, Vectors]
) -> NDArray[np.float64]:
    key = fingerprint(
        "out of fold", start.fingerprint, context.dataset.fingerprint, context.columns, context.seed
    )
    path = context.cache / f"out-of-fold-{key[:16]}.npy"
    if path.exists():
        stored: NDArray[np.float64] = np.load(path, allow_pickle=False)
        return stored
    rows = context.dataset.train
    found = out_of_fold(_stack(rows, vectors), context.targets(), len(context.columns), context)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, found)
    partial.replace(path)
    return found


def _choice(
    found: Sequence[Suspect], context: Context, vectors: Mapping[str, Vectors]
) -> tuple[str, str]:
    """Drop or keep, and why."""
    rows = context.dataset.train
    if len(found) < NOISY * len(rows):
        return "keep", f"under {NOISY:.0%}, as in sets of good repute, where dropping buys nothing"
    kept, *_ = mended(rows, found, "drop")
    before, after = (_right_on_select(some, context, vectors) for some in (rows, kept))
    figures = (
        f"a linear head that learns without them is right on {after.mean():.1%} of select, "
        f"with them on {before.mean():.1%}"
    )
    # Where labels are hard rather than wrong, a weak head suspects many and gains nothing.
    if surely_better(before, after):
        return "drop", figures
    return "keep", f"{figures}, which is no evidence that they are wrong; look at them"


def _right_on_select(
    rows: Sequence[Row], context: Context, vectors: Mapping[str, Vectors]
) -> NDArray[np.bool_]:
    """Which rows of select a linear head that learned from `rows` answers right."""
    index = {name: i for i, name in enumerate(context.columns)}
    target = np.array([index[row.label or ""] for row in rows], np.int64)
    head = fit_linear(_stack(rows, vectors), target, len(context.columns))
    select = context.dataset.select
    named = head.logits(_stack(select, vectors)).argmax(1).tolist()
    right = (context.columns[i] == row.label for i, row in zip(named, select, strict=True))
    return np.fromiter(right, bool, len(select))


def _mended(context: Context, found: Sequence[Suspect], how: str) -> Context:
    before: Dataset = context.dataset
    train, dropped, flagged = mended(before.train, found, how)
    changed = how != "keep" and found
    mark = f"{before.fingerprint}, {len(found)} suspicious labels: {how}"
    return replace(
        context,
        dataset=replace(
            before,
            train=tuple(train),
            dropped=(*before.dropped, *dropped),
            flagged=(*before.flagged, *flagged),
            fingerprint=mark if changed else before.fingerprint,
        ),
    )


def _stack(rows: Sequence[Row], vectors: Mapping[str, Vectors]) -> Vectors:
    return np.stack([vectors[row.text] for row in rows])
