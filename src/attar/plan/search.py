"""The measured search: a trial of a handful of students, each measured on the select split.

A trial is a third of the final training, and taught by the frozen teacher, which costs
seconds; otherwise a candidate goes through every pass and is measured as the
int8 bundle that would ship. No choice depends on a timing of this build: where the
recipe limits latency, shapes are looked up in a table measured once per machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attar.bundle import Bundle
from attar.evaluate.examine import Examination
from attar.evaluate.latency_table import LatencyTable
from attar.passes import Artifact, Context, Pass, apply_all
from attar.passes.distill import Distill
from attar.passes.draft import write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.passes.factorize import Factorize
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.take_layers import TakeLayers
from attar.runtime.predictor import Predictor
from attar.train.encoders import TransformerEncoder, can_narrow
from attar.train.models import Model
from attar.train.shapes import Shape, Source, spread_layers

ROWS_SEEN = 220_000
TRIAL = 1 / 3  # of the epochs of the final training
FEW = 5_000  # texts under which visits are cheap to save: a first build is a matter of minutes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A student that a trial measured on the select split. shape: None keeps the start's
    own. size_bytes: of the draft, which the report and golden examples will add to."""

    shape: Shape | None
    size_bytes: int
    parameters: int
    figures: Mapping[str, float]

    @property
    def name(self) -> str:
        return self.shape.name if self.shape is not None else "the start's own shape"

    @property
    def score(self) -> float:
        """What the search maximizes: accuracy in scope, and where there are rows out of
        scope the mean of that and of telling the two apart."""
        accuracy = self.figures.get("accuracy", 0.0)
        apart = self.figures.get("oos_auroc")
        return accuracy if apart is None else (accuracy + apart) / 2

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "size_bytes": self.size_bytes,
            "parameters": self.parameters,
            "score": round(self.score, 6),
            "select": dict(self.figures),
        }


def source_of(start: Artifact) -> tuple[Source | None, int]:
    """The encoder that shapes are cut from (None when it has no layers), its vocabulary."""
    model = Model.load(start.folder)
    encoder = model.encoder
    if not isinstance(encoder, TransformerEncoder):
        return None, encoder.vocabulary
    inner = getattr(encoder.encoder.config, "intermediate_size", 4 * encoder.hidden)
    if can_narrow(encoder):
        inner = max(block.neurons for block in encoder.blocks)
    source = Source(
        layers=len(encoder.layers),
        hidden=encoder.hidden,
        feed_forward=int(inner),
        positions=model.max_length,
        can_narrow=can_narrow(encoder),
    )
    return source, encoder.vocabulary


def shape_passes(shape: Shape | None) -> tuple[Pass, ...]:
    """From the trimmed start to an untrained student; None keeps the start's own shape."""
    steps: list[Pass] = []
    if shape is not None and shape.layers:
        steps.append(TakeLayers(shape.layers, shape.feed_forward))
        if shape.rank is not None:
            steps.append(Factorize(shape.rank))
    elif shape is not None:
        steps.append(NoLayers(shape.hidden, depth=shape.convolutions))
    return tuple(steps)


def student_passes(shape: Shape | None, texts: int, *, trial: bool = False) -> tuple[Pass, ...]:
    """From the trimmed start to the exported student. texts: count of those to learn from."""
    taught = distillation(shape is None or bool(shape.layers), texts)
    if trial:
        least = 2 if texts >= FEW else 1
        taught = replace(taught, epochs=max(least, round(TRIAL * taught.epochs)))
    return (*shape_passes(shape), taught, ExportOnnx(), Quantize())


def distillation(has_layers: bool, texts: int) -> Distill:
    """Settings of distillation, from the family and the number of texts alone."""
    most = 24 if texts >= FEW else 16
    visits = max(12, min(most, round(ROWS_SEEN / texts)))  # of each text, copies included
    copies = 3 if texts < 20_000 else 1
    epochs = max(2, round(visits / (1 + copies)))
    if has_layers:
        return Distill(epochs=epochs, learning_rate=4e-4, copies=copies)
    return Distill(epochs=epochs, learning_rate=3e-3, copies=copies, head_factor=1.0, bf16=False)


def measure(shape: Shape | None, start: Artifact, context: Context) -> Candidate:
    """Build the student of this shape in a trial and measure it on select.

    start: trimmed to the vocabulary of the final training, so that sizes agree.
    """
    assert context.teacher is not None
    trained, draft = trial(shape, start, context)
    figures = Examination(
        context.task,
        Predictor(draft),
        context.dataset.select,
        context.teacher,
        context.columns,
        context.out_of_scope,
    ).metrics()
    return Candidate(
        shape,
        draft.size_bytes,
        Model.load(trained.folder).parameters_count,
        {key: value for key, value in figures.items() if value is not None},
    )


def trial(shape: Shape | None, start: Artifact, context: Context) -> tuple[Artifact, Bundle]:
    """The student of this shape after a trial: as a torch model, and as a draft."""
    texts = len(context.dataset.train) + len(context.dataset.unlabeled)
    *training, export, quantize = student_passes(shape, texts, trial=True)
    trained = apply_all(training, start, context)
    return trained, draft_of(apply_all([export, quantize], trained, context), context)


def draft_of(exported: Artifact, context: Context) -> Bundle:
    """A bundle of the artifact as it is, with no threshold."""
    settings = context.task.settings(context.columns, context.out_of_scope)
    path = context.cache / "candidate.attar"
    return write_draft(path, exported, context.task, settings, "candidate")


def quick_enough(
    shapes: Sequence[Shape], source: Source, start: Artifact, limit_ms: float, context: Context
) -> list[Shape]:
    """Each shape, shortened layer by layer until this machine's table finds it quick enough."""
    kept: list[Shape] = []
    for shape in shapes:
        for tried in _shortened(shape, source):
            if latency_of(tried, source, start, context) <= limit_ms:
                if tried not in kept:
                    kept.append(tried)
                break
    return kept


def _shortened(shape: Shape, source: Source) -> list[Shape]:
    counts = range(len(shape.layers), 0, -1)
    return [replace(shape, layers=spread_layers(n, source.layers)) for n in counts] or [shape]


def latency_of(shape: Shape, source: Source, start: Artifact, context: Context) -> float:
    """p50 in milliseconds of this shape by this machine's table; weights do not matter."""

    def untrained() -> Path:
        steps = (*shape_passes(shape), ExportOnnx(), Quantize())
        return draft_of(apply_all(steps, start, context), context).path

    key = f"{shape.name} of {source.hidden} hidden, {source.feed_forward} feed-forward"
    return LatencyTable.of_this_machine().lookup(key, untrained)
