"""What a plan does otherwise where a model learns vectors: the task rank.

The teacher is the pretrained encoder, as it is or tuned on pairs (`plan.pairs`). Students start
from it with its head, which is the identity unless the budget asks for shorter vectors, and learn
its vectors of queries. Documents take bytes of the budget; the teacher reads them.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from attar.passes import Artifact, Context
from attar.passes.distill_vectors import DistillVectors, transfer_texts
from attar.passes.finetune import Finetune
from attar.recipe import Budget
from attar.runtime.index import index_bytes
from attar.tasks.rank import dimensions
from attar.train.models import Model
from attar.train.shapes import Shape, Source, keeps_layers
from attar.train.start import start_model
from attar.types import Derived

DOCUMENTS_SHARE = 0.5  # of the budget, that vectors of the documents may take
SHORTER = (256, 192, 128, 96, 64)  # numbers of a vector
#: Texts that a student learns from, visits counted. One that keeps all layers has its roundings to
#: mend, one that keeps some what it lost; one without learns from nothing.
WHOLE_ROWS_SEEN, LAYERS_ROWS_SEEN, ROWS_SEEN = 6_000, 18_000, 120_000
SENTENCES, MADE = 1_000, 4_000  # of the documents, to learn from, and queries made from them
MADE_EACH = 4  # of a query or sentence


def with_dimensions(
    location: str, budget: Budget, context: Context, values: MutableMapping[str, Derived]
) -> Context:
    """The context with the columns of the vectors: as many as the teacher's embedding has
    numbers, or fewer where the documents would take too much of the budget."""
    hidden = start_model(location, context.task.name, 1, 16).encoder.hidden
    count, reason = hidden, "as the teacher's"
    if budget.size_mb is not None:
        most = DOCUMENTS_SHARE * budget.size_mb * 1e6 / max(1, len(context.dataset.documents))
        for shorter in SHORTER:
            if count > most and shorter < count:
                count, reason = shorter, f"the documents' vectors would take too much of {hidden}"
    values["dimensions"] = Derived(count, reason)
    values["documents.vectors"] = Derived(
        "the teacher's", "read once, for the index; what is added later the student reads"
    )
    return replace(context, columns=dimensions(count))


def vector_start(start: Artifact, context: Context) -> Artifact:
    """The pretrained encoder with the head that gives its vectors, of fewer numbers where the
    context has fewer columns."""
    if Model.load(start.folder).encoder.hidden == len(context.columns):
        return start  # whose new head is the identity
    return Finetune(method="frozen").apply(start, context)


def vector_distillation(
    shape: Shape | None, source: Source | None, context: Context, part: float = 1.0
) -> DistillVectors:
    """Settings of distillation. source: that the shape is cut from. part: of the final
    training."""
    sentences, queries = map(len, transfer_texts(context, SENTENCES, 0))
    made = min(MADE, MADE_EACH * (sentences + queries)) if sentences else 0
    texts = max(1, sentences + queries + made)
    rounded = shape is not None and shape.weight_bits == 4
    return DistillVectors(
        epochs=max(1, round(part * _visits(shape, source, texts))),
        learning_rate=_rate(shape, source),
        sentences=SENTENCES,
        made=made,
        weight_bits=4 if rounded else None,
        embedding_bits=4 if rounded else None,
        bf16=shape is None or bool(shape.layers),
    )


def _visits(shape: Shape | None, source: Source | None, texts: int) -> float:
    """Of each text: the fewer, the more the student knows already."""
    if shape is not None and not shape.layers:
        return max(8, min(24, ROWS_SEEN / texts))
    if _whole(shape, source):
        return max(1, min(4, WHOLE_ROWS_SEEN / texts))
    return max(2, min(12, LAYERS_ROWS_SEEN / texts))


def _rate(shape: Shape | None, source: Source | None) -> float:
    if shape is not None and not shape.layers:
        return 3e-3
    return 1e-4 if _whole(shape, source) else 4e-4


def _whole(shape: Shape | None, source: Source | None) -> bool:
    return shape is None or (source is not None and keeps_layers(shape, source))


def documents_bytes(context: Context) -> int:
    """What the documents take of the budget."""
    documents = context.dataset.documents
    return index_bytes(documents, len(context.columns)) if documents else 0


def documents_note(context: Context) -> str:
    """For those whose budget nothing meets."""
    documents = context.dataset.documents
    if not documents:
        return ""
    return (
        f"\nThe {len(documents):,} documents alone take {documents_bytes(context) / 1e6:.2f} MB: "
        "their texts, and a vector each. Fewer or shorter documents need less."
    )
