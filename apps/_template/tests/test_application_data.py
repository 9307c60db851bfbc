"""The application's data: every label has its share, parts are apart, corrections can be read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")

import attar
from application.demo import make
from application.measure import measured
from application.service import Service
from application.settings import read_settings
from application.types import Message
from application_made import lend

HERE = Path(__file__).parents[1]
PARTS = ("train.jsonl", "test.jsonl", "day.jsonl")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def test_every_label_has_its_share() -> None:
    train, test = (Counter(row["label"] for row in rows(name)) for name in PARTS[:2])
    assert set(train) == set(test) >= {row["wants"] for row in rows("day.jsonl")}
    assert min(train.values()) >= 12 and min(test.values()) >= 6


def test_no_text_is_in_two_parts() -> None:
    texts = [" ".join(row["text"].casefold().split()) for name in PARTS for row in rows(name)]
    assert len(set(texts)) == len(texts)


def test_the_demo_is_kept_and_answers_the_datas_labels(tmp_path: Path) -> None:
    (tmp_path / "some.attar").touch()
    settings = make(tmp_path / "demo", tmp_path / "some.attar")
    before = settings.read_text(encoding="utf-8")
    assert make(tmp_path / "demo", tmp_path / "some.attar").read_text(encoding="utf-8") == before
    assert (tmp_path / "demo" / "person-key").stat().st_mode & 0o077 == 0
    policy = read_settings(settings).policy
    assert {*policy.answers, policy.person, "oos"} == {row["label"] for row in rows("train.jsonl")}


def test_the_day_is_measured(service: Service) -> None:
    lend(service.engine, "r1", days=2)
    day = [
        {"text": "open?", "wants": "opening_hours"},
        {"text": "an open mind", "wants": "oos"},
        {"text": "renew", "wants": "renew_loan"},
        {"text": "longer please", "wants": "renew_loan", "reader": "r1"},
    ]
    found = measured(service, day)
    assert found["outcomes"] == {
        "answered right": 1,
        "answered wrong": 1,
        "handed over, as a person must answer": 1,
        "handed over needlessly (unsure)": 1,
    }
    assert [row["taken_for"] for row in found["wrong"]] == ["opening_hours"]


def test_corrections_are_rows_to_build_with(service: Service, tmp_path: Path) -> None:
    curate = pytest.importorskip("attar.data.curate").curate
    from attar.tasks import TASKS

    corrected = service.take(Message("web", "1", "is the lift working again?"))
    service.close(corrected.number, "ada", "oos", "It is.")
    lines = "".join(json.dumps(row) + "\n" for row in service.corrections())
    (tmp_path / "corrections.jsonl").write_text(lines)
    recipe = (HERE / "recipe.toml").read_text(encoding="utf-8")
    for name in PARTS[:2]:
        (tmp_path / name).write_text((HERE / name).read_text(encoding="utf-8"), encoding="utf-8")
    more = recipe.replace('train = "train.jsonl"', 'train = ["train.jsonl", "corrections.jsonl"]')
    assert more != recipe
    (tmp_path / "recipe.toml").write_text(more)
    data = attar.read_recipe(tmp_path / "recipe.toml").data
    dataset = curate(TASKS.get("classify"), data)
    learned = {
        (row.text, row.label) for row in (*dataset.train, *dataset.select, *dataset.calibrate)
    }
    assert ("is the lift working again?", "oos") in learned
