"""Label names as texts: words out of names, and rows that say where they come from."""

from __future__ import annotations

import pytest

from attar.data.label_names import FILE, TIMES, label_words, with_label_names
from attar.types import Dataset, Row


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("card_arrival", "card arrival"),
        ("top_up-failed", "top up failed"),
        ("topUpFailed", "top up failed"),
        ("Refund not showing up?", "refund not showing up"),
        ("ÄRGER_im-Büro", "ärger im büro"),
        ("?!", ""),
    ],
)
def test_words(label: str, words: str) -> None:
    assert label_words(label) == words


def test_each_label_in_scope_is_named() -> None:
    rows = tuple(Row(f"text {i}", label) for i, label in enumerate(["b_a", "c", "oos", "c", "!"]))
    dataset = Dataset(rows, rows[:1], rows[1:2], rows[2:], fingerprint="f")
    found = with_label_names(dataset, "oos")
    assert found.train[: len(rows)] == rows
    added = found.train[len(rows) :]
    assert [(row.text, row.label) for row in added] == [("b a", "b_a"), ("c", "c")] * TIMES
    assert {row.file for row in added} == {FILE}
    assert (found.select, found.calibrate, found.certify) == (
        dataset.select, dataset.calibrate, dataset.certify,
    )  # fmt: skip
    assert found.fingerprint != dataset.fingerprint
