"""The rows of a recipe as one pool, from which an audit draws splits and models again and again.

What it trains is the cheapest student there is: no layers, from gold labels, or where a task
learns vectors from its teacher's. It measures nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attar.bundle import Bundle
from attar.data.called import read_functions, task_of
from attar.data.curate import curate
from attar.data.joined import JOINED, joined_rows
from attar.data.neighbors import clusters, near_pairs, normalize
from attar.data.split import in_order, split
from attar.errors import DataError
from attar.passes import Artifact, Context, Pass, apply_all, fingerprint
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune import Finetune
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.handover import HandOver, draft_with_threshold
from attar.plan.search import SHORT, draft_of, source_of
from attar.plan.start import CACHE, longest_text, start_artifact
from attar.plan.teacher import vector_teacher
from attar.plan.vectors import vector_distillation, vector_start, with_dimensions
from attar.recipe import ClaimSpec, Recipe
from attar.train.shapes import Shape
from attar.train.start import locate
from attar.types import Dataset, Progress, Row, Silent

FRACTIONS = {"train": 0.25, "select": 0.05, "calibrate": 0.10, "certify": 0.10, "rest": 0.50}
WIDTH = 128
EPOCHS = 6
LEARNING_RATE = 1e-3
A_LABEL = 20  # rows, at least
LEAST = 100  # rows, at least, whatever the labels
VERSION = 4  # raised when draws come out otherwise, so that old ones are not mixed with new
ERROR = ClaimSpec("error_when_answering", at_most=0.05)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One trained and thresholded model, and the rows that no choice has seen."""

    draft: Bundle
    handover: HandOver
    certify: list[Row]
    rest: list[Row]
    context: Context


class Pool:
    """Every labeled row of a recipe, cleaned, with clusters, and an untrained student.

    encoder: the pretrained one. family: what the students are, in words. most: rows, at most.
    Raises DataError where the rows are too few.
    """

    def __init__(self, recipe: Recipe, most: int, progress: Progress) -> None:
        task = task_of(recipe)
        self._functions = None
        if recipe.data.functions is not None:
            self._functions = read_functions(recipe.data.functions)
        dataset = curate(task, recipe.data, progress=progress)
        scope = recipe.data.out_of_scope
        learned = {name for row in dataset.train for name in task.labels_of(row.label)}
        parts = (dataset.train, dataset.select, dataset.calibrate, dataset.certify)
        known = [
            row
            for part in parts
            for row in part
            if row.file != JOINED and learned.issuperset(task.labels_of(row.label))
        ]
        kept = in_order(known)
        step = np.random.default_rng(0).permutation(len(kept))[:most]
        self.rows = [kept[i] for i in sorted(step.tolist())]
        least = max(LEAST, A_LABEL * len(learned))
        if len(self.rows) < least:
            raise DataError(
                f"{recipe.name}: an audit redraws its splits, which takes at least {A_LABEL} "
                f"labeled rows a label, and {LEAST} in all: {least:,} for {len(learned)} labels, "
                f"not {len(self.rows):,}"
            )
        texts = [normalize(row.text) for row in self.rows]
        self.clusters = clusters(len(texts), near_pairs(texts)).tolist()
        whole = Dataset(
            *(tuple(self.rows), (), (), ()),
            fingerprint=f"pool {dataset.fingerprint}",
            unlabeled=tuple(Row(one.read) for one in dataset.documents),
            documents=dataset.documents,
        )
        columns, cache = task.targets(dataset.train, scope), recipe.work / CACHE
        context = Context(task, whole, columns, cache, scope, progress=progress)
        location = locate(recipe.teacher.model, recipe.folder)
        self._vectors = task.gold_kind == "document"
        if self._vectors:
            context = with_dimensions(location, recipe.budget, context, {})
        longest = int(longest_text(location, context).value)
        self.encoder = start_artifact(location, longest, context)
        if self._vectors:
            self.encoder = vector_start(self.encoder, context)
        self.context = context
        trimmed = TrimVocabulary().apply(self.encoder, context)
        source, _ = source_of(trimmed)
        if source is None:
            raise DataError("an audit starts from a transformer; [teacher] model names another")
        width = min(WIDTH, source.hidden)
        self.shape = Shape((), width)
        self.start = NoLayers(width).apply(trimmed, context)
        learns = "the teacher's vectors" if self._vectors else "gold labels"
        self.family = f"no layers, {width} wide, {learns}"
        self.fingerprint = fingerprint(
            [row.text for row in self.rows], context.columns, FRACTIONS, width, EPOCHS,
            LEARNING_RATE, self.start.fingerprint, VERSION,
        )  # fmt: skip

    def seal(self, number: int, folder: Path) -> Sealed:
        """Split, train, set the threshold: redraw `number` of the whole procedure."""
        parts = split(self.rows, self.clusters, FRACTIONS, number, self.context.task.labels_of)
        if self._functions is not None:
            others = [row for name in parts if name != "train" for row in parts[name]]
            parts["train"] += joined_rows(parts["train"], others, self._functions, number)
        dataset = replace(
            self.context.dataset,
            train=tuple(parts["train"]),
            select=tuple(parts["select"]),
            calibrate=tuple(parts["calibrate"]),
            certify=tuple(parts["certify"]),
            fingerprint=f"{self.fingerprint} {number}",
        )
        context = replace(
            self.context, dataset=dataset, cache=folder, seed=number, progress=Silent()
        )
        tune: Pass = Finetune(epochs=EPOCHS, learning_rate=LEARNING_RATE)
        if self._vectors:
            context = replace(context, teacher=vector_teacher(self.encoder, context))
            tune = vector_distillation(self.shape, None, context, SHORT)
        model: Artifact = apply_all([tune, ExportOnnx(), Quantize()], self.start, context)
        trial = draft_of(model, context)
        claims = [ERROR] if ERROR.metric in context.task.claim_metrics else []
        draft, handover = draft_with_threshold(
            folder / "draft.attar", "audit", model, trial, context, context, claims, math.inf
        )
        return Sealed(draft, handover, parts["certify"], parts["rest"], context)
