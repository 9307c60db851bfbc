"""What a build does otherwise where labels have few rows each (figures: docs/experiments.md).

The names of the labels join train if the encoder understands them; the teacher learns by
contrast; the student starts from that teacher instead of the pretrained encoder, keeps a larger
share of the general vocabulary, and is taught layer by layer before it learns the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from dataclasses import replace
from statistics import median

import numpy as np

from attar.data.label_names import FILE, label_words, with_label_names
from attar.passes import Artifact, Context, Pass
from attar.passes.distill import Distill
from attar.passes.distill_layers import DistillLayers
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune import FEW_A_LABEL
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.search import quantization, shape_passes
from attar.teachers import Teacher
from attar.teachers.documents import KnowsDocuments
from attar.teachers.ensemble import Ensemble
from attar.teachers.local import LocalTeacher
from attar.train.layer_outputs import has_projections
from attar.train.models import Model
from attar.train.shapes import Shape
from attar.types import Derived

UNDERSTOOD = 0.3  # of the train texts, whose label's name must be the nearest of all names
VOCABULARY_SHARE = 0.17  # of the budget
ROWS_SEEN = 8_000


def rows_a_label(context: Context) -> int:
    """The rows that the middle label has in train, label names apart."""
    rows = (row for row in context.dataset.train if row.file != FILE)
    return round(median(Counter(row.label for row in rows).values()))


def few_rows(context: Context) -> bool:
    """Of a task with one label a text, whether labels have few rows each."""
    return context.task.gold_kind == "label" and rows_a_label(context) < FEW_A_LABEL


def add_label_names(
    context: Context, start: Artifact, values: MutableMapping[str, Derived]
) -> Context:
    """The context with label names among its train rows, if `start`'s encoder tells the train
    texts' labels by these names alone, well above chance."""
    rows = [row for row in context.dataset.train if row.label != context.out_of_scope]
    labels = sorted({row.label for row in rows if row.label is not None})
    model = Model.load(start.folder)
    _, names = model.answer([label_words(label) for label in labels])
    _, texts = model.answer([row.text for row in rows], context.progress, "label names: embed")
    names /= np.linalg.norm(names, axis=1, keepdims=True)
    nearest = (texts @ names.T).argmax(1)
    right = float(np.mean([labels[i] == row.label for i, row in zip(nearest, rows, strict=True)]))
    understood = right >= max(UNDERSTOOD, 2 / len(labels))
    values["label_names"] = Derived(
        understood, f"by them alone the encoder tells {100 * right:.0f} % of the train texts right"
    )
    if not understood:
        return context
    return replace(context, dataset=with_label_names(context.dataset, context.out_of_scope))


def wide_vocabulary(start: Artifact, context: Context, size_mb: float) -> TrimVocabulary:
    """At least the pieces that the texts use, and more, most frequent first, while they take
    no more than their share of the budget."""
    used = Model.load(TrimVocabulary().apply(start, context).folder).encoder.vocabulary
    hidden = Model.load(start.folder).encoder.hidden
    return TrimVocabulary(max(used, int(VOCABULARY_SHARE * size_mb * 1e6 / (hidden + 10))))


def student_start(teacher: Teacher) -> Artifact | None:
    """The model of a teacher, of an ensemble the first member's; None if it has none."""
    if isinstance(teacher, KnowsDocuments):
        teacher = teacher.asker
    first = teacher.members[0] if isinstance(teacher, Ensemble) else teacher
    if isinstance(first, LocalTeacher) and first.folder is not None:
        return Artifact(first.folder, first.fingerprint)
    return None


def few_passes(shape: Shape, texts: int, teacher: Artifact) -> tuple[Pass, ...]:
    """From the trimmed teacher to the exported student. texts: count of those to learn from."""
    relations = float(has_projections(Model.load(teacher.folder).encoder))
    copies = 6 if texts < 1_000 else 3 if texts < 5_000 else 1
    epochs = max(2, round(ROWS_SEEN / (texts * (1 + copies))))
    return (
        *shape_passes(shape),
        DistillLayers(1, learning_rate=2e-4, copies=copies, relation_weight=relations),
        Distill(epochs=epochs, learning_rate=1e-4, copies=copies, head_factor=1.0),
        ExportOnnx(),
        quantization(shape),
    )
