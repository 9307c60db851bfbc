"""Whether queries with their documents shall teach the teacher of the task rank.

A teacher is tuned on half of the train rows; the other half and select, which it has not seen,
say whether it finds more documents than the pretrained encoder, and fix what the design of
handing over needs. Once that is decided, all rows teach the teacher that the plan ships.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attar.errors import RecipeError
from attar.metrics import surely_better
from attar.passes import Artifact, Context
from attar.passes.distill_vectors import document_vectors
from attar.passes.finetune_vectors import FinetuneVectors, gold_documents
from attar.plan.teacher import model_teacher, vector_teacher
from attar.recipe import TeacherSection
from attar.teachers import Teacher
from attar.teachers.documents import KnowsDocuments
from attar.types import Dataset, Derived, Row

ROWS_SEEN = 3_000
FEWEST = 100  # rows that name a document: the halves of fewer decide nothing
METHODS = ("auto", "full", "frozen")


def with_vector_teacher(
    method: str, start: Artifact, context: Context, values: MutableMapping[str, Derived]
) -> Context:
    """What the trials read: the frozen teacher, or one tuned on half of train, where select has
    the other half. method: the recipe's `[teacher] finetune`. start: with the head that gives
    vectors."""
    if method not in METHODS:
        raise RecipeError(
            f'[teacher] finetune = "{method}" does not learn to rank; take one of '
            f"{', '.join(METHODS)}"
        )
    frozen = replace(context, teacher=vector_teacher(start, context))
    if method == "frozen":
        values["teacher.pairs"] = Derived(False, "the recipe says so")
        return frozen
    rows = int((gold_documents(context)[:, 0] >= 0).sum())
    if method == "auto" and rows < FEWEST:
        why = f"{rows} train rows name a document; from {FEWEST} on it is tried"
        values["teacher.pairs"] = Derived(False, why)
        return frozen
    half = replace(context, dataset=halved(context.dataset))
    tuned = replace(half, teacher=tuned_teacher(start, half))
    before, after = (found_first(replace(half, teacher=c.teacher)) for c in (frozen, tuned))
    helps = method == "full" or surely_better(before, after)
    shares = (
        f"tuned on half of train {after.mean():.1%}, the pretrained encoder {before.mean():.1%} of "
        f"{len(after):,} fresh rows have their document first"
    )
    said = "the recipe says so" if method == "full" else "beyond chance" if helps else "no more"
    values["teacher.pairs"] = Derived(helps, f"{shares}: {said}")
    return tuned if helps else frozen


def make_vector_teacher(
    section: TeacherSection,
    start: Artifact,
    context: Context,
    values: MutableMapping[str, Derived],
) -> Teacher:
    """The teacher of the plan, from all rows, as `with_vector_teacher` has decided."""
    pairs = values["teacher.pairs"]
    values["teacher.model"] = Derived(section.model, "the recipe's teacher")
    values["teacher.finetune"] = Derived("pairs" if pairs.value else "frozen", pairs.reason)
    return tuned_teacher(start, context) if pairs.value else vector_teacher(start, context)


def tuned_teacher(start: Artifact, context: Context) -> KnowsDocuments:
    """The pretrained encoder, tuned on the pairs of train; it reads documents as before."""
    frozen = vector_teacher(start, context)
    rows = len(context.dataset.train)
    step = FinetuneVectors(epochs=max(2, min(8, round(ROWS_SEEN / max(1, rows)))))
    model = step.apply(start, replace(context, teacher=frozen))
    documents = [document.read for document in context.dataset.documents]
    return KnowsDocuments(model_teacher("tuned on pairs", model, context), frozen, documents)


def halved(dataset: Dataset) -> Dataset:
    """Half of train, by groups where rows have them, and the other half with select."""
    kept = [row for row in dataset.train if in_half(row)]
    fresh = [row for row in dataset.train if not in_half(row)]
    return replace(
        dataset,
        train=tuple(kept),
        select=(*fresh, *dataset.select),
        fingerprint=f"{dataset.fingerprint}, half of train",
    )


def in_half(row: Row) -> bool:
    """Whether a row is in the one half: with all of its group."""
    key = row.text if row.group is None else row.group
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[0] < 128


def found_first(context: Context) -> NDArray[np.bool_]:
    """Whether the teacher's nearest document is the right one, of the select rows that name one."""
    assert context.teacher is not None
    rows = replace(context, dataset=replace(context.dataset, train=context.dataset.select))
    gold, documents = gold_documents(rows), document_vectors(context)
    assert documents is not None
    texts = [row.text for row in context.dataset.select]
    queries = context.teacher.answer(texts).logits
    found = np.array([np.argmax(documents @ query) for query in queries], np.int64)
    right: NDArray[np.bool_] = (found[:, None] == gold).any(axis=1)[gold[:, 0] >= 0]
    return right
