"""Whether words join the teacher of label sets: asked of select, by what ranks better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from attar.passes import Context
from attar.plan.teacher import words_help, words_teacher
from attar.tasks import TASKS
from attar.tasks.label_sets import name_of
from attar.teachers import Answers
from attar.types import Dataset, Row
from conftest import tagged

TASK = TASKS.get("multilabel")
LABELS = ("cancel", "delivery", "refund")


class Encoder:
    """Knows the labels of the rows it was given, as far as `share`; the rest is noise."""

    name, fingerprint = "frozen", "frozen"

    def __init__(self, rows: Sequence[Row], share: float) -> None:
        gold = dict(zip((row.text for row in rows), TASK.gold(rows, LABELS), strict=True))
        self._gold, self._share = gold, share

    def answer(self, texts: Sequence[str]) -> Answers:
        gold = 4.0 * np.array([self._gold[text] for text in texts]) - 2
        noise = np.random.default_rng(0).normal(size=gold.shape)
        logits = self._share * gold + (1 - self._share) * noise
        return Answers(logits.astype(np.float32), np.zeros((len(texts), 0), np.float32))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    rows = [Row(text, name_of(labels)) for text, labels in tagged(200, 3)]
    dataset = Dataset(tuple(rows[:140]), tuple(rows[140:]), (), (), fingerprint="tags")
    return Context(TASK, dataset, LABELS, tmp_path / "cache")


def test_words_help_an_encoder_that_reads_badly(context: Context) -> None:
    found = words_help(Encoder(context.dataset.select, 0.1), context)
    assert found.value is True
    assert found.reason.startswith("average precision on select ")
    assert found.reason.endswith("; beyond chance")


def test_words_add_nothing_to_an_encoder_that_is_right(context: Context) -> None:
    found = words_help(Encoder(context.dataset.select, 1.0), context)
    assert found.value is False and found.reason.endswith("; not beyond chance")


def test_texts_without_words_are_a_reason(context: Context) -> None:
    bare = tuple(replace(row, text="1 2 " + "?" * i) for i, row in enumerate(context.dataset.train))
    without = replace(context, dataset=replace(context.dataset, train=bare, fingerprint="bare"))
    found = words_help(Encoder(context.dataset.select, 0.1), without)
    assert found.value is False and found.reason.startswith("words cannot be fitted: ")


def test_the_answers_are_kept_apart_from_those_on_one_label(context: Context) -> None:
    """A label file read as sets and one read as single labels share texts, not answers."""
    single = replace(context, task=TASKS.get("classify"))
    assert words_teacher(context).fingerprint != words_teacher(single).fingerprint
