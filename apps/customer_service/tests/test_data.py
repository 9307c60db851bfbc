"""The desk's data: what the first recipe reads is made from the rows of calls; parts are apart."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import labels

HERE = Path(labels.__file__).parent


def rows(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_are_those_of_the_calls(part: str) -> None:
    assert (HERE / f"{part}.jsonl").read_text(encoding="utf-8") == labels.lines(part)


def test_every_intent_has_its_share() -> None:
    train, test = (Counter(row["label"] for row in rows(f"{p}.jsonl")) for p in ("train", "test"))
    assert set(train) == set(test) and len(train) == 25  # 24 and out of scope
    assert min(train.values()) >= 90 and min(test.values()) >= 30
    assert train["oos"] + test["oos"] >= 400


def test_pages_that_rows_name_are_there() -> None:
    pages = {page["id"] for page in rows("help/faq.jsonl")} | {"nothing"}
    for part in ("train", "test"):
        for row in rows(f"help/faq_{part}.jsonl"):
            named = row["label"] if isinstance(row["label"], list) else [row["label"]]
            assert pages.issuperset(named)
