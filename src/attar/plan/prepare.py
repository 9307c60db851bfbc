"""What a search stands on: where teacher and student start, the vocabulary, the trials' teacher."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace

import numpy as np

from attar.data.split import join_select
from attar.errors import RecipeError
from attar.passes import Artifact, Context
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.few import add_label_names, few_rows, student_start, wide_vocabulary
from attar.plan.labels import mend_labels
from attar.plan.pairs import with_vector_teacher
from attar.plan.search import affordable, labels_suffice, source_of
from attar.plan.start import longest_text, most_windows, start_artifact, student_location
from attar.plan.teacher import balance_of, trial_teacher, words_help, words_teacher
from attar.plan.vectors import vector_start, with_dimensions
from attar.recipe import Budget, Recipe
from attar.teachers.ensemble import Ensemble
from attar.train.models import Model
from attar.train.shapes import Shape, Source
from attar.train.start import locate
from attar.types import Derived

MEASURED_TEXTS = 2_000  # whose length in tokens is looked at


@dataclass(frozen=True, slots=True)
class Prepared:
    """start: the student's, with its whole vocabulary; trimmed: to the pieces that the texts
    of the final training use, by the pass `vocabulary`. source: None where the start has no
    layers to take from. few: labels have few rows each (`plan.few`). balance: how far the
    frozen teacher favors rare labels. words: a linear model on words is a member of the
    teacher. from_labels: students learn mostly from gold labels. context: select joined to
    train, without a teacher. trials: still with its select rows, and the teacher that takes no
    training."""

    start: Artifact
    vocabulary: TrimVocabulary
    trimmed: Artifact
    teacher_start: Artifact
    source: Source | None
    pieces: int
    few: bool
    balance: Derived
    words: bool
    from_labels: bool
    context: Context
    trials: Context

    def within(
        self,
        shapes: list[Shape | None],
        minutes: float | None,
        values: MutableMapping[str, Derived],
    ) -> list[Shape | None]:
        """The shapes that there is time for, by a nominal speed and not by this machine's."""
        if minutes is None or not shapes:
            return shapes
        rows = (*self.context.dataset.train, *self.context.dataset.unlabeled)
        step = max(1, len(rows) // MEASURED_TEXTS)
        tokens = Model.load(self.trimmed.folder).tokens(row.text for row in rows[::step])
        length = float(np.mean([len(ids) for ids in tokens]))
        layers = 0 if self.source is None else self.source.layers
        kept = affordable(shapes, minutes, len(rows), length, layers)
        values["search.shapes"] = Derived(
            len(kept), f"of {len(shapes)}: {minutes:g} minutes at a nominal speed"
        )
        return kept


def prepare(
    recipe: Recipe, budget: Budget, context: Context, values: MutableMapping[str, Derived]
) -> Prepared:
    """context: with every split, without a teacher. `values` gets what was derived."""
    joined = replace(context, dataset=join_select(context.dataset))
    teacher_at = locate(recipe.teacher.model, recipe.folder)
    student_at, values["start"] = student_location(recipe)
    if context.task.gold_kind == "document":
        if student_at != teacher_at:
            raise RecipeError(
                f"[student] start: the task {context.task.name} starts from its teacher. Take the "
                "key out, or name the model as [teacher] model."
            )
        context = with_dimensions(teacher_at, budget, context, values)
        joined = replace(joined, columns=context.columns)
    values["max_length"] = longest_text(teacher_at, joined)
    longest = int(values["max_length"].value)
    values["windows"] = most_windows(teacher_at, longest, joined)
    windows = int(values["windows"].value)
    teacher_start = start_artifact(teacher_at, longest, context, windows)
    start = start_artifact(student_at, longest, context, windows)
    if context.task.gold_kind == "document":
        teacher_start, start = (vector_start(one, context) for one in (teacher_start, start))
    context, joined = mend_labels(recipe, teacher_start, context, values)
    few, vocabulary = few_rows(joined), TrimVocabulary()
    why = "those that the train and unlabeled texts use"
    if few and budget.size_mb is not None:
        joined = add_label_names(joined, teacher_start, values)
        vocabulary = wide_vocabulary(start, joined, budget.size_mb)
        why = "those of the texts, and frequent ones"
    trimmed = vocabulary.apply(start, joined)
    source, pieces = source_of(trimmed)
    values["pieces"] = Derived(pieces, why)
    balance = balance_of(recipe.claims, context)
    if context.task.gold_kind == "document":
        trials, words = with_vector_teacher(recipe.teacher.finetune, start, context, values), False
        if trials.teacher is not None and (tuned := student_start(trials.teacher)):
            trimmed = vocabulary.apply(tuned, joined)
    else:
        trials, words = _with_teacher(teacher_start, context, few, balance, values)
    values["from_labels"] = labels_suffice(source, trimmed, trials)
    from_labels = bool(values["from_labels"].value)
    return Prepared(
        start, vocabulary, trimmed, teacher_start, source, pieces, few, balance, words,
        from_labels, joined, trials,
    )  # fmt: skip


def _with_teacher(
    start: Artifact,
    context: Context,
    few: bool,
    balance: Derived,
    values: MutableMapping[str, Derived],
) -> tuple[Context, bool]:
    """What the trials read, with their teacher; and whether words are a member of it."""
    frozen = trial_teacher(start, context, balance.value)
    asks = context.task.gold_kind in ("label", "labels")
    if few or not asks or not context.dataset.select:
        return replace(context, teacher=frozen), False
    values["teacher.words"] = words_help(frozen, context)
    if not values["teacher.words"].value:
        return replace(context, teacher=frozen), False
    members = [frozen, words_teacher(context)]
    return replace(context, teacher=Ensemble(members, context.task.mean)), True
