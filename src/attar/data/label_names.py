"""The names of labels as texts of their own: "card_arrival" says what its rows are about.

Where there are few rows a label, a name that the encoder understands is worth several of
them (as in zero-shot classification by label names, Yin et al. 2019). Whether it does
understand them is for the plan to find out.
"""

from __future__ import annotations

import re
from dataclasses import replace

from attar.types import Dataset, Row

TIMES = 2  # a name counts like so many rows
FILE = "label names"  # where these rows say that they come from


def label_words(label: str) -> str:
    """A label's name in words: "top_up-failed" and "topUpFailed" are "top up failed"."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    return " ".join(re.sub(r"[\W_]+", " ", parted).lower().split())


def with_label_names(dataset: Dataset, out_of_scope: str | None) -> Dataset:
    """The dataset with the names of the labels in scope among its train rows, after the others."""
    labels = sorted({row.label for row in dataset.train if row.label not in (None, out_of_scope)})
    named = [Row(label_words(label), label, None, FILE) for label in labels if label]
    named = [row for row in named if row.text]
    return replace(
        dataset,
        train=(*dataset.train, *named * TIMES),
        fingerprint=f"{dataset.fingerprint}, {FILE}",
    )
