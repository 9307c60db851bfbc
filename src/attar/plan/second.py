"""The second model of the task rank: where it starts, its shape, and how it learns.

A model that reads pairs learns from the train rows' right documents and hard negatives; a smaller
one, which ships, learns from it. Whether it ships `plan.rescoring` decides.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import torch
from tokenizers import Tokenizer

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
    where both come from one encoder, so that the bundle needs one tokenizer."""
    assert recipe.rescore is not None
    location, context = locate(recipe.rescore.model, recipe.folder), base.context
    name, shared = context.task.name, location == locate(recipe.teacher.model, recipe.folder)
    read = start_model(location, name, 1, LONGEST)
    if shared:
        _take_pieces(read, Model.load(base.trimmed.folder).tokenizer)
    else:
        key = fingerprint("start for pairs", identity(location), LONGEST)
        trimmed = TrimVocabulary().apply(_kept(key, context, read), context)
        read = Model.load(trimmed.folder)
    size = _longest_pair(read, context)
    if isinstance(read.encoder, TransformerEncoder):
        read.encoder.limit_positions(size)
    torch.manual_seed(context.seed)
    try:
        made = Model(name, read.encoder, 1, read.tokenizer, size, pairs=True)
    except AttarError as error:
        raise RecipeError(f"[rescore] model: {error}") from None
    pieces = plain_tokenizer(read.tokenizer.to_str())
    key = fingerprint("pairs", identity(location), pieces, size, context.seed)
    return _kept(key, context, made)


def _take_pieces(model: Model, tokenizer: Tokenizer) -> None:
    """Give a model the pieces of this tokenizer, each of which its own has."""
    assert isinstance(model.encoder, TransformerEncoder)
    own = model.tokenizer.get_vocab(with_added_tokens=True)
    wanted = tokenizer.get_vocab(with_added_tokens=True)
    index = [own[name] for name in sorted(wanted, key=lambda name: wanted[name])]
    model.encoder.set_token_vectors(model.encoder.token_vectors()[torch.tensor(index)])
    model.set_tokenizer(tokenizer)
    model.encoder.encoder.config.pad_token_id = model.pad_id


def _longest_pair(model: Model, context: Context) -> int:
    """Tokens that hold 99 % of the queries beside 99 % of the documents, by eights."""
    documents = [one.read for one in context.dataset.documents]
    both = (
        [row.text for row in context.dataset.train],
        documents[:: max(1, len(documents) // MEASURED)],
    )
    counts = [[len(ids) for ids in model.tokens(texts)] for texts in both]
    needed = sum(float(np.percentile(lengths, 99)) for lengths in counts)
    longest = LONGEST
    if isinstance(model.encoder, TransformerEncoder):
        longest = min(longest, model.encoder.positions // 4 * 4)
    return int(min(longest, max(16, -(-needed // 8) * 8)))


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
    """Shapes that fit in these bytes, the likeliest first and then shallower ones, which are
    quicker: every query has `top` documents read. Two layers learned next to nothing of pairs
    (docs/rank.md), and without layers a model compares no two texts."""
    source, pieces = source_of(start)
    if source is None:
        return []
    own, first = (folder / "tokenizer.json" for folder in (start.folder, first_stage.folder))
    shared = plain_tokenizer(own.read_bytes()) == plain_tokenizer(first.read_bytes())
    limit = room + reports_bytes(1) + (TOKENIZER_BYTES * pieces if shared else 0)
    found: list[Shape] = []
    for shape in vector_shapes(source, pieces, 1, limit):
        if shape.layers and (not found or len(shape.layers) < len(found[-1].layers)):
            found.append(shape)
    return found


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
