"""A second model that scores the best documents again, from files to a verified bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.bundle import read_bundle
from attar.evaluate.card import model_card
from attar.evaluate.report import as_text, full_report
from attar.plan import rescoring, second
from attar.runtime.predictor import load
from attar.runtime.reindex import reindex
from attar.runtime.rescore import MODEL, ROLE
from attar.testing import check_bundle
from attar.types import Document
from test_rank_build import RECIPE, documents, lines, questions

AGAIN = RECIPE + '[rescore]\nmodel = "encoder"\ntop = 5\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("again")
    (folder / "train.jsonl").write_text(lines(questions(260, 1)))
    (folder / "test.jsonl").write_text(lines(questions(60, 2)))
    (folder / "documents.jsonl").write_text(lines(documents()))
    (folder / "encoder").symlink_to(request.getfixturevalue("tiny_encoder"))
    (folder / "recipe.toml").write_text(AGAIN)
    return folder


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    """Of a build where fresh rows are made to say that it helps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescoring, "surely_better", lambda before, after: True)
        patch.setattr(second, "TEACHER_ROWS_SEEN", 200)
        patch.setattr(second, "STUDENT_ROWS_SEEN", 200)
        patch.setattr(second, "MADE", 40)
        return build(home / "recipe.toml", home / "faq.attar")


def test_both_models_are_in_the_bundle(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "faq.attar")
    bundle = read_bundle(home / "faq.attar")
    (part,) = [part for part in bundle.manifest["parts"] if part["role"] == ROLE]
    assert part["files"] == [MODEL], "both models read the same pieces: one tokenizer"
    assert bundle.manifest["format_version"] == 2
    settings = bundle.manifest["task_settings"]
    assert settings["rescore"]["top"] == 5
    assert len(settings["logistic"]) == 4
    assert bundle.size_bytes <= 400_000
    predictor = load(bundle.path)
    assert predictor.verify() == []
    assert report["plan"]["rescore"]["value"] is True
    assert "fresh rows" in report["plan"]["rescore"]["reason"]
    assert report["rescore"]["top"] == 5
    for text in (as_text(report), model_card(report)):
        assert "again" in text
    answer = predictor("please abort").to_json()
    scores = [found["score"] for found in answer["documents"]]
    assert scores == sorted(scores, reverse=True)
