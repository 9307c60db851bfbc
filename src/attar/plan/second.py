"""The second model of the task rank: where it starts, its shape, and how it learns.

A model that reads pairs learns from the train rows' right documents and hard negatives; a smaller
one, which ships, learns from it. Whether it ships `plan.rescoring` decides.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np

from attar.errors import AttarError, RecipeError
from attar.passes import Artifact, Context, Pass, apply_all, fingerprint
from attar.passes.distill_pairs import DistillPairs
from attar.passes.draft import SecondModel, plain_tokenizer
from attar.passes.export_onnx import ExportOnnx
from attar.passes.finetune_pairs import FinetunePairs
from attar.passes.trim_vocabulary import TrimVocabulary
from attar.plan.prepare import Prepared
from attar.plan.search import quantization, shape_passes, source_of
from attar.recipe import Recipe
from attar.teachers.pairs import ScoresPairs
from attar.train.encoders import TransformerEncoder
from attar.train.models import Model
from attar.train.shapes import TOKENIZER_BYTES, Shape, reports_bytes, vector_shapes
from attar.train.start import identity, locate, start_model

LONGEST = 128  # tokens of a query and a document: every document that is read costs them
MEASURED = 2_000  # documents, whose length is looked at
TEACHER_ROWS_SEEN = 1_500  # queries, visits counted
STUDENT_ROWS_SEEN = 4_000
MADE = 500  # queries made of those of train and of the documents' words
ROUNDED = 4  # bits, of weights that learn on their grid


def pair_start(recipe: Recipe, base: Prepared) -> Artifact:
    """The model that reads pairs, not taught, in the cache. It has the pieces of the first stage
    where both come from one encoder; so the bundle needs one tokenizer."""
    assert recipe.rescore is not None
    location = locate(recipe.rescore.model, recipe.folder)
    context = base.context
    if location == locate(recipe.teacher.model, recipe.folder):
        source = base.vocabulary.apply(base.start, context)
    else:
        name = context.task.name
        source = _kept(
            fingerprint("start for pairs", identity(location), context.seed),
            context,
            start_model(location, name, 1, LONGEST),
        )
        source = TrimVocabulary().apply(source, context)
    return _reads_pairs(source, context)


def _reads_pairs(source: Artifact, context: Context) -> Artifact:
    import torch

    read = Model.load(source.folder)
    texts = [row.text for row in context.dataset.train]
    documents = [one.read for one in context.dataset.documents]
    documents = documents[:: max(1, len(documents) // MEASURED)]
    lengths = [[len(ids) for ids in read.tokens(some)] for some in (texts, documents)]
    asked, said = (float(np.percentile(counts, 99)) for counts in lengths)
    size = int(min(LONGEST, read.max_length, max(16, -(-(asked + said) // 8) * 8)))
    torch.manual_seed(context.seed)
    encoder = read.encoder
    if isinstance(encoder, TransformerEncoder):
        encoder.limit_positions(size)
    try:
        made = Model(context.task.name, encoder, 1, read.tokenizer, size, pairs=True)
    except AttarError as error:
        raise RecipeError(f"[rescore] model: {error}") from None
    return _kept(fingerprint("pairs", source.fingerprint, size, context.seed), context, made)


def _kept(key: str, context: Context, model: Model) -> Artifact:
    folder = context.cache / f"pairs-{key[:16]}"
    if not folder.is_dir():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        model.save(partial)
        partial.rename(folder)
    return Artifact(folder, key)


def second_shapes(start: Artifact, first_stage: Artifact, room: float) -> list[Shape]:
    """Shapes that fit in these bytes, the shallowest first: it is the quickest, and reads `top`
    documents for every query. Without layers a model compares no two texts."""
    source, pieces = source_of(start)
    if source is None:
        return []
    own, first = (folder / "tokenizer.json" for folder in (start.folder, first_stage.folder))
    shared = plain_tokenizer(own.read_bytes()) == plain_tokenizer(first.read_bytes())
    limit = room + reports_bytes(1) + (TOKENIZER_BYTES * pieces if shared else 0)
    fitting = [one for one in vector_shapes(source, pieces, 1, limit) if one.layers]
    return sorted(fitting, key=lambda one: len(one.layers))


def untaught(start: Artifact, shape: Shape, top: int, context: Context) -> SecondModel:
    """For what does not hang on weights: size and time."""
    steps = (*shape_passes(shape), ExportOnnx(), quantization(shape))
    return SecondModel(apply_all(steps, start, context), top)


def second_model(start: Artifact, shape: Shape, top: int, context: Context) -> SecondModel:
    """Taught by the train rows of the context, whose teacher is the first stage's."""
    rows = max(1, len(context.dataset.train))
    step = FinetunePairs(epochs=max(1, min(4, round(TEACHER_ROWS_SEEN / rows))))
    assert context.teacher is not None, "the first stage's teacher chooses documents"
    scorer = step.apply(start, context)
    taught = DistillPairs(
        epochs=max(1, min(8, round(STUDENT_ROWS_SEEN / (rows + MADE)))),
        made=MADE,
        weight_bits=ROUNDED if shape.weight_bits == ROUNDED else None,
        embedding_bits=ROUNDED if shape.embedding_bits == ROUNDED else None,
    )
    steps: tuple[Pass, ...] = (*shape_passes(shape), taught, ExportOnnx(), quantization(shape))
    told = replace(context, teacher=ScoresPairs(context.teacher, scorer.folder, scorer.fingerprint))
    return SecondModel(apply_all(steps, scorer, told), top)
