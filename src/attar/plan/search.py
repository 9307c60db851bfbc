"""The measured search: trials of students, each measured on the select split.

Successive halving (Jamieson & Talwalkar 2016): every shape gets a short trial, the
better half a longer one. A trial is a share of the final training, taught by the frozen
teacher, which costs seconds; otherwise a candidate goes through every pass and is
measured as the int8 bundle that would ship. No choice depends on a timing of this build:
where the recipe limits latency, shapes are looked up in a table measured once per
machine, and a limit in minutes becomes a count of shapes at a nominal speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attar.bundle import Bundle
from attar.evaluate.documents import informed
from attar.evaluate.examine import Examination
from attar.evaluate.figures import main_figure
from attar.evaluate.latency_table import LatencyTable
from attar.evidence import Evidence
from attar.metrics import surely_better
from attar.passes import Artifact, Context, Pass, apply_all
from attar.passes.distill import Distill
from attar.passes.distill_vectors import document_vectors
from attar.passes.draft import SecondModel, write_draft
from attar.passes.export_onnx import ExportOnnx
from attar.passes.factorize import Factorize
from attar.passes.no_layers import NoLayers
from attar.passes.quantize import Quantize
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.vectors import vector_distillation
from attar.runtime.predictor import Predictor
from attar.tasks.sentences import sentences_of
from attar.train.encoders import TransformerEncoder, can_narrow
from attar.train.models import Model
from attar.train.shapes import Shape, Source, spread_layers
from attar.types import Derived

#: Rows that a student learns from, visits counted: layers start from what they know, and
#: gain little from more (docs/experiments.md).
ROWS_SEEN, LAYERS_ROWS_SEEN = 220_000, 120_000
SHORT, TRIAL = 1 / 9, 1 / 3  # of the final training
SMALL_FIELD = 3  # shapes, up to which all of them get the long trial at once
#: Milliseconds of training a row of 16 tokens, without and for each layer: of a nominal
#: machine of two cores (docs/experiments.md), so that minutes mean the same everywhere.
NOMINAL_MS, NOMINAL_LAYER_MS = 0.4, 0.8
FEW = 5_000  # texts under which visits are cheap to save: a first build is a matter of minutes
MANY = 20_000  # texts from which on there is variety enough without three altered copies of each
#: Where labels teach more than the teacher's answers do (`labels_suffice`): most of the weight
#: on gold labels, the teacher's answers as they are, no altered copies, and most of each
#: embedding left out at every step, since labels alone are learned by heart.
FROM_LABELS: Mapping[str, Any] = {
    "copies": 0,
    "gold_weight": 0.8,
    "temperature": 1.0,
    "embedding_dropout": 0.7,
}
PLACES_MENDING = 3  # epochs (docs/extract.md)
LABELS_EPOCHS = 4  # of them: more overfit (docs/experiments.md)
PROBE = Shape((), 64)  # which is taught either way: seconds of training


@dataclass(frozen=True, slots=True)
class Candidate:
    """A student that a trial measured on the select split. shape: None keeps the start's
    own. size_bytes: of the draft, which the report and golden examples will add to. score:
    what the search maximizes (the task's `score` of the figures). trial: the share of the
    final training that it got. evidence: what the main figure was measured on."""

    shape: Shape | None
    size_bytes: int
    parameters: int
    figures: Mapping[str, float]
    score: float
    trial: float = TRIAL
    evidence: Evidence | None = None

    @property
    def name(self) -> str:
        return name_of(self.shape)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "size_bytes": self.size_bytes,
            "parameters": self.parameters,
            "score": round(self.score, 6),
            "trial": round(self.trial, 3),
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


def successive_halving(
    shapes: Sequence[Shape | None],
    start: Artifact,
    context: Context,
    regret: Callable[[Candidate, Sequence[Candidate]], float],
    from_labels: bool = False,
) -> list[Candidate]:
    """Measure the shapes, the better half of them again after a longer trial.

    Returns every shape once, as last measured, in the order given. regret: how much worse
    a candidate is than what it competes with among the others; the least are kept. A
    shape is also kept while nothing is better than it. from_labels: as `distillation` has it.
    """

    def measured(field: Sequence[Shape | None], part: float) -> list[Candidate]:
        found = []
        for number, shape in enumerate(field, 1):
            kind = "short trial" if part == SHORT else "trial"
            context.progress.say(f"{kind} {number} of {len(field)}: {name_of(shape)}")
            found.append(measure(shape, start, context, part, from_labels))
        return found

    if len(shapes) <= SMALL_FIELD:
        return measured(shapes, TRIAL)
    first = measured(shapes, SHORT)
    regrets = {c.name: regret(c, first) for c in first}
    order = sorted(first, key=lambda c: (regrets[c.name], c.size_bytes))
    kept = {c.name for c in order[: math.ceil(len(order) / 2)]}
    kept |= {name for name, value in regrets.items() if value <= 0}
    again = {c.name: c for c in measured([c.shape for c in first if c.name in kept], TRIAL)}
    return [again.get(c.name, c) for c in first]


def behind_the_best(candidate: Candidate, others: Sequence[Candidate]) -> float:
    """The regret of a build: only the best under its one limit counts."""
    return max(other.score for other in others) - candidate.score


def behind_the_frontier(candidate: Candidate, others: Sequence[Candidate]) -> float:
    """The regret of a frontier: what no larger candidate reaches is all that counts."""
    within = [o.score for o in others if o.size_bytes <= candidate.size_bytes]
    return max(within) - candidate.score


def nominal_seconds(shape: Shape | None, texts: int, tokens: float, layers: int) -> float:
    """What the trials of a shape take on the nominal machine, half of it in the long one.
    tokens: mean length of a text. layers: of the start, for its own shape."""
    depth = layers if shape is None else len(shape.layers)
    short, long = (distillation(depth > 0, texts, part) for part in (SHORT, TRIAL))
    visits = short.epochs * (1 + short.copies) + long.epochs * (1 + long.copies) / 2
    rows = visits * texts
    return rows * (NOMINAL_MS + NOMINAL_LAYER_MS * depth) * max(tokens, 4.0) / 16 / 1000


def affordable(
    shapes: Sequence[Shape | None], minutes: float, texts: int, tokens: float, layers: int
) -> list[Shape | None]:
    """The shapes that `minutes` suffice for at the nominal speed, evenly spread over the
    order given; at least one."""
    seconds = [nominal_seconds(shape, texts, tokens, layers) for shape in shapes]
    for count in range(len(shapes), 0, -1):
        places = sorted({round(i * (len(shapes) - 1) / max(1, count - 1)) for i in range(count)})
        if count == 1 or sum(seconds[i] for i in places) <= 60 * minutes:
            return [shapes[i] for i in places]
    return []


def examples_in(context: Context, unlabeled: bool = True) -> int:
    """What a student sees when it visits every text once: texts, or, where those are read
    sentence by sentence, the sentences."""
    dataset = context.dataset
    rows = (*dataset.train, *(dataset.unlabeled if unlabeled else ()))
    if context.task.reads != "sentences":
        return len(rows)
    return sum(len(sentences_of(row.text)) for row in rows)


def name_of(shape: Shape | None) -> str:
    return shape.name if shape is not None else "the start's own shape"


def shape_passes(shape: Shape | None) -> tuple[Pass, ...]:
    """From the trimmed start to an untrained student; None keeps the start's own shape."""
    steps: list[Pass] = []
    if shape is None:
        return ()
    if shape.pieces is not None:
        steps.append(TrimVocabulary(shape.pieces))
    if shape.layers:
        steps.append(TakeLayers(shape.layers, shape.feed_forward))
        if shape.rank is not None:
            steps.append(Factorize(shape.rank))
    else:
        steps.append(NoLayers(shape.hidden, depth=shape.convolutions))
    return tuple(steps)


def student_passes(
    shape: Shape | None, texts: int, part: float = 1.0, from_labels: bool = False
) -> tuple[Pass, ...]:
    """From the trimmed start to the exported student. texts: count of those to learn from.
    part, from_labels: as `distillation` has them."""
    has_layers = shape is None or bool(shape.layers)
    taught = distillation(has_layers, texts, part, from_labels)
    return (*shape_passes(shape), taught, ExportOnnx(), quantization(shape))


def vector_passes(
    shape: Shape | None, source: Source | None, context: Context, part: float = 1.0
) -> tuple[Pass, ...]:
    """The same where vectors are learned instead of labels: a student that keeps all of `source`
    is its teacher already. part: as `vector_distillation` has it."""
    whole = shape is not None and source is not None and keeps_all(shape, source)
    taught = () if whole else (vector_distillation(shape, source, context, part),)
    return (*shape_passes(shape), *taught, ExportOnnx(), quantization(shape))


def deep_passes(shape: Shape, texts: int, places: bool = False) -> tuple[Pass, ...]:
    """From the trimmed teacher to the exported student, for a shape that keeps most of its
    layers: what the teacher has learned is still there, and one epoch mends the cut. places: in
    texts are learned, of which every text holds several and none is repeated as labels are."""
    epochs = PLACES_MENDING if places else 1
    mended = replace(distillation(True, texts), epochs=epochs, learning_rate=2e-4, head_factor=1.0)
    return (*shape_passes(shape), mended, ExportOnnx(), quantization(shape))


def keeps_most(shape: Shape | None, source: Source | None) -> bool:
    """Whether a student keeps more than half of the layers that it is cut from."""
    return shape is not None and source is not None and 2 * len(shape.layers) > source.layers


def keeps_all(shape: Shape, source: Source) -> bool:
    """Whether a student is its source, vocabulary and rounding to 8 bits apart."""
    cut = shape.feed_forward is not None or shape.rank is not None or shape.pieces is not None
    whole = len(shape.layers) == source.layers and shape.hidden == source.hidden
    return whole and not cut and shape.weight_bits == 8


def quantization(shape: Shape | None) -> Quantize:
    if shape is None:
        return Quantize()
    return Quantize(weight_bits=shape.weight_bits, embedding_bits=shape.embedding_bits)


def distillation(
    has_layers: bool, texts: int, part: float = 1.0, from_labels: bool = False
) -> Distill:
    """Settings of distillation, from the family and the number of texts alone. part: of the
    final training; a trial makes fewer altered copies before it makes fewer epochs than one.
    from_labels: the student learns mostly from gold labels."""
    if from_labels:
        taught = replace(distillation(has_layers, texts), **FROM_LABELS)
        # Without layers an epoch is seconds, and after one alone the widest looks best.
        return replace(taught, epochs=math.ceil(LABELS_EPOCHS * (part if has_layers else 1)))
    seen, least = (LAYERS_ROWS_SEEN, 4) if has_layers else (ROWS_SEEN, 8)
    most = 24 if texts >= FEW else 16
    visits = part * max(least, min(most, seen / texts))  # of each text, copies included
    if part < 1:
        fewest = 4 if part == TRIAL or texts < FEW else 2
        visits = max(visits, fewest if texts < MANY else fewest / 2)
    copies = min(3 if texts < MANY else 1, round(visits) - 1)
    epochs = max(1, round(visits / (1 + copies)))
    if has_layers:
        return Distill(epochs=epochs, learning_rate=4e-4, copies=copies)
    return Distill(epochs=epochs, learning_rate=3e-3, copies=copies, head_factor=1.0, bf16=False)


def measure(
    shape: Shape | None,
    start: Artifact,
    context: Context,
    part: float = TRIAL,
    from_labels: bool = False,
) -> Candidate:
    """Build the student of this shape in a trial and measure it on select.

    start: trimmed to the vocabulary of the final training, so that sizes agree.
    """
    trained, draft = trial(shape, start, context, part, from_labels)
    parameters = Model.load(trained.folder).parameters_count
    return examined(shape, draft, parameters, context, part)


def examined(
    shape: Shape | None, draft: Bundle, parameters: int, context: Context, part: float = TRIAL
) -> Candidate:
    """The draft as a candidate, measured on select."""
    assert context.teacher is not None
    seen = Examination(
        context.task,
        Predictor(draft),
        context.dataset.select,
        informed(context.teacher, context.dataset.documents),
        context.columns,
        context.out_of_scope,
    )
    known = {key: value for key, value in seen.metrics().items() if value is not None}
    evidence = seen.evidence().get(main_figure(context.task, known).name)
    score = context.task.score(known)
    return Candidate(shape, draft.size_bytes, parameters, known, score, part, evidence)


def trial(
    shape: Shape | None,
    start: Artifact,
    context: Context,
    part: float = TRIAL,
    from_labels: bool = False,
) -> tuple[Artifact, Bundle]:
    """The student of this shape after a trial: as a torch model, and as a draft."""
    trained, exported = trial_model(shape, start, context, part, from_labels)
    return trained, draft_of(exported, context)


def trial_model(
    shape: Shape | None,
    start: Artifact,
    context: Context,
    part: float = TRIAL,
    from_labels: bool = False,
) -> tuple[Artifact, Artifact]:
    """The same, the second exported and quantized but not in a bundle."""
    if context.task.gold_kind == "document":
        steps = vector_passes(shape, source_of(start)[0], context, part)
    else:
        steps = student_passes(shape, examples_in(context), part, from_labels)
    *training, export, quantize = steps
    trained = apply_all(training, start, context)
    return trained, apply_all([export, quantize], trained, context)


def labels_suffice(source: Source | None, start: Artifact, context: Context) -> Derived:
    """Whether a small student that learns mostly from gold labels is right on more of select
    than one that learns from its teacher's answers, beyond chance. With many labeled texts a
    label can be worth more than the softened answer of a teacher that has not read them well."""
    texts = len(context.dataset.train)
    if source is None or context.task.gold_kind != "label" or texts < MANY:
        return Derived(False, f"looked at from {MANY:,} labeled texts on; there are {texts:,}")
    context.progress.say("what teaches better: the teacher's answers, or the labels")
    gold = context.task.gold(context.dataset.select, context.columns)
    asked = [row.text for row in context.dataset.select]
    answers, labels = (
        Model.load(trial(PROBE, start, context, TRIAL, way)[0].folder).answer(asked)[0]
        for way in (False, True)
    )
    before, after = (logits.argmax(axis=1) == gold for logits in (answers, labels))
    helps = surely_better(before, after)
    shares = f"labels {after.mean():.1%}, the teacher's answers {before.mean():.1%} of select"
    return Derived(helps, f"{PROBE.name}: {shares}; {'beyond' if helps else 'not beyond'} chance")


def draft_of(
    exported: Artifact,
    context: Context,
    fixed: Mapping[str, Any] | None = None,
    second: SecondModel | None = None,
) -> Bundle:
    """A bundle of the artifact as it is, with no threshold. fixed: settings of the task that are
    known already. second: what scores documents again."""
    settings = context.task.settings(context.columns, context.out_of_scope) | dict(fixed or {})
    return write_draft(
        context.cache / "candidate.attar",
        exported,
        context.task,
        settings,
        "candidate",
        documents=context.dataset.documents,
        vectors=document_vectors(context),
        second=second,
    )


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
    """p50 in milliseconds of this shape by this machine's table; weights do not matter, nor
    documents beside what reading a query takes."""
    few = replace(context.dataset, documents=context.dataset.documents[:1])
    context = replace(context, dataset=few)

    def untrained() -> Path:
        steps = (*shape_passes(shape), ExportOnnx(), quantization(shape))
        return draft_of(apply_all(steps, start, context), context).path

    key = f"{shape.name} of {source.hidden} hidden, {source.feed_forward} feed-forward"
    return LatencyTable.of_this_machine().lookup(key, untrained)
