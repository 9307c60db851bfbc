"""What a plan does otherwise where a model learns vectors: the task rank.

The teacher is the pretrained encoder as it is. Students start from it with its head, which is
the identity unless the budget asks for shorter vectors, and learn its vectors of queries and
documents. Documents take bytes of the budget, and being long, time: each is visited seldom.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from attar.passes import Artifact, Context
from attar.passes.distill import Distill
from attar.passes.finetune import Finetune
from attar.recipe import Budget
from attar.runtime.index import index_bytes
from attar.tasks.rank import dimensions
from attar.train.models import Model
from attar.train.start import start_model
from attar.types import Derived

DOCUMENTS_SHARE = 0.5  # of the budget, that vectors of the documents may take
SHORTER = (256, 192, 128, 96, 64)  # numbers of a vector
FEW = 5_000  # texts under which altered copies are cheap
#: Texts that a student learns from, visits counted. One that keeps layers starts as its teacher
#: without some of them, and mends; one without learns from nothing.
LAYERS_ROWS_SEEN, ROWS_SEEN = 20_000, 220_000


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
    return replace(context, columns=dimensions(count))


def vector_start(start: Artifact, context: Context) -> Artifact:
    """The pretrained encoder with the head that gives its vectors, of fewer numbers where the
    context has fewer columns."""
    if Model.load(start.folder).encoder.hidden == len(context.columns):
        return start  # whose new head is the identity
    return Finetune(method="frozen").apply(start, context)


def vector_distillation(has_layers: bool, texts: int, part: float = 1.0) -> Distill:
    """Settings of distillation. part: of the final training."""
    if has_layers:
        visits = part * max(2, min(16, LAYERS_ROWS_SEEN / texts))
        epochs = max(1, round(visits))
        return Distill(epochs, learning_rate=2e-4, head_factor=1.0, copies=0, gold_weight=0.0)
    copies = 1 if texts < FEW else 0
    visits = part * max(8, min(24, ROWS_SEEN / texts))
    return Distill(
        epochs=max(1, round(visits / (1 + copies))),
        learning_rate=3e-3,
        head_factor=1.0,
        copies=copies,
        gold_weight=0.0,
        bf16=False,
    )


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
