"""The ledger counts distinct models on the same rows, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from attar.errors import DataError
from attar.evaluate.ledger import LEDGER, count_seal, split_fingerprint
from attar.types import Row

ROWS = [Row("where is it", "delivery", None, "a.jsonl", 1), Row("cancel it", "cancel")]


def test_distinct_models_are_counted(tmp_path: Path) -> None:
    work = tmp_path / ".attar"
    assert count_seal(work, ROWS, "model a") == 1
    assert count_seal(work, ROWS, "model b") == 2
    assert count_seal(work, ROWS, "model a") == 1  # the same content again is no new look
    assert count_seal(work, ROWS[:1], "model b") == 1  # other rows
    assert count_seal(work, ROWS, "model c") == 3
    assert len((work / LEDGER).read_text().splitlines()) == 4


def test_a_split_is_its_rows() -> None:
    moved = [Row("cancel it", "cancel", None, "b.csv", 7), Row("where is it", "delivery")]
    assert split_fingerprint(moved) == split_fingerprint(ROWS)
    assert split_fingerprint(ROWS[:1]) != split_fingerprint(ROWS)
    assert split_fingerprint([Row("cancel it", "refund")]) != split_fingerprint(ROWS[1:])


@pytest.mark.parametrize("line", ["{", "[]", '{"certify": "x"}', "null"])
def test_a_damaged_ledger_is_no_fresh_start(line: str, tmp_path: Path) -> None:
    count_seal(tmp_path, ROWS, "model a")
    with (tmp_path / LEDGER).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match="line 2: the ledger of certify splits is damaged"):
        count_seal(tmp_path, ROWS, "model b")
