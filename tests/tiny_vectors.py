"""A tiny encoder that embeds texts, with documents and the queries that they answer."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from tokenizers import processors

from attar.passes import Artifact, Context
from attar.tasks.rank import RANK, dimensions
from attar.train.models import Model
from attar.train.start import start_model
from attar.types import Dataset, Document, Row
from conftest import COMMON, WORDS

THINGS = sorted({word for words in WORDS.values() for word in words})
HIDDEN = 32


def ranking_start(folder: Path, encoder: Path) -> Artifact:
    """The encoder with the head that leaves its vectors as they are."""
    folder.mkdir()
    start_model(str(encoder), "rank", HIDDEN, 16).save(folder)
    return Artifact(folder, "tiny ranking start")


def reads_pairs(folder: Path, encoder: Path, size: int = 40) -> Artifact:
    """The encoder with a head for pairs that has learned nothing, and a tokenizer that knows
    pairs."""
    import torch

    torch.manual_seed(0)
    read = start_model(str(encoder), "rank", 1, size)
    read.tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    folder.mkdir()
    Model("rank", read.encoder, 1, read.tokenizer, size, pairs=True).save(folder)
    return Artifact(folder, "tiny pairs")


def ranking_context(cache: Path, queries: int = 120) -> Context:
    """A document for each thing. Queries name it by the thing two further, which no encoder can
    know before it has learned the pairs; one in ten is out of scope."""
    documents = tuple(
        Document(f"about-{thing}", f"The {thing} is here. Please look at the {thing} now.", thing)
        for thing in THINGS
    )
    rows = (*_queries(queries, 1), *_queries(queries // 2, 2))
    dataset = Dataset(
        train=rows[:queries],
        select=rows[queries:],
        calibrate=(),
        certify=(),
        unlabeled=(*(Row(one.read) for one in documents), Row("is there anything else")),
        fingerprint=f"tiny ranking {queries}",
        documents=documents,
    )
    return Context(RANK, dataset, dimensions(HIDDEN), cache, "nothing")


def strangers(context: Context) -> Context:
    """The same where no query's document is known, so that pairs teach nothing."""
    rng = random.Random(3)
    ids = [document.id for document in context.dataset.documents]
    train, select = (
        tuple(replace(row, label=rng.choice(ids)) for row in rows)
        for rows in (context.dataset.train, context.dataset.select)
    )
    dataset = replace(context.dataset, train=train, select=select, fingerprint="strangers")
    return replace(context, dataset=dataset)


def _queries(count: int, seed: int) -> list[Row]:
    rng, found = random.Random(seed), []
    for i in range(count):
        at = rng.randrange(len(THINGS))
        meant = "nothing" if i % 10 == 9 else f"about-{THINGS[(at + 2) % len(THINGS)]}"
        words = [*rng.sample(COMMON, 3), THINGS[at], str(i)]
        rng.shuffle(words)
        found.append(Row(" ".join(words), meant))
    return found
