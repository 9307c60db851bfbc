"""A second model that scores the best documents again, from files to a verified bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.bundle import read_bundle
from attar.evaluate.card import model_card
from attar.evaluate.page import as_html
from attar.evaluate.report import as_text, full_report
from attar.plan import rescoring, second
from attar.plan.handover import design_rows
from attar.runtime.predictor import load
from attar.runtime.reindex import reindex
from attar.runtime.rescore import MODEL, ROLE
from attar.testing import check_bundle
from attar.types import Document
from test_rank_build import RECIPE, documents, lines, questions

AGAIN = RECIPE + '[rescore]\nmodel = "encoder"\ntop = 5\n'
Build = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("again")
    (folder / "train.jsonl").write_text(lines(questions(180, 1)))
    (folder / "test.jsonl").write_text(lines(questions(50, 2)))
    (folder / "documents.jsonl").write_text(lines(documents()))
    (folder / "encoder").symlink_to(request.getfixturevalue("tiny_encoder"))
    return folder


@pytest.fixture(scope="module")
def built(home: Path) -> Build:
    """Builds with little training; fresh rows are made to say whether it helps."""

    def made(name: str, helps: bool, recipe: str = AGAIN) -> dict[str, Any]:
        (home / f"{name}.toml").write_text(recipe)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rescoring, "surely_better", lambda before, after: helps)
            patch.setattr(second, "TEACHER_ROWS_SEEN", 100)
            patch.setattr(second, "STUDENT_ROWS_SEEN", 100)
            patch.setattr(second, "MADE", 30)
            return build(home / f"{name}.toml", home / f"{name}.attar")

    return made


@pytest.fixture(scope="module")
def report(built: Build) -> dict[str, Any]:
    return built("faq", helps=True)


def test_both_models_are_in_the_bundle(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "faq.attar")
    bundle = read_bundle(home / "faq.attar")
    (part,) = [part for part in bundle.manifest["parts"] if part["role"] == ROLE]
    assert part["files"] == [MODEL], "both models read the same pieces: one tokenizer"
    assert bundle.manifest["format_version"] == 2
    settings = bundle.manifest["task_settings"]
    assert settings["rescore"]["top"] == 5
    assert settings["hybrid"] is not None
    assert len(settings["logistic"]) == 4
    assert bundle.size_bytes <= 400_000
    assert load(bundle.path).verify() == []
    answer = load(bundle.path)("please abort").to_json()
    scores = [found["score"] for found in answer["documents"]]
    assert scores == sorted(scores, reverse=True)


def test_the_report_tells_of_it(report: dict[str, Any]) -> None:
    said = report["plan"]["rescore"]
    assert said["value"] is True
    assert "fresh rows" in said["reason"]
    assert report["rescore"] == {"top": 5, "student": report["plan"]["rescore.student"]["value"]}
    assert "scores the best 5 again" in as_text(report)
    assert "each of the best 5" in model_card(report)
    assert "the best 5 scored again" in as_html(report)
    assert report["metrics"]["recall_at_1"] > 0.3


def test_documents_that_come_later(home: Path, report: dict[str, Any]) -> None:
    new = Document("new", "An invoice by mail.", "Invoices")
    made = reindex(read_bundle(home / "faq.attar"), home / "new.attar", [new], ["faq-0"])
    predictor = load(made.path)
    assert predictor.verify() == []
    assert {"new"} < {one.id for one in predictor.documents}
    assert full_report(made)["rescore"] == report["rescore"]


def test_what_does_not_help_is_left_out(home: Path, built: Build, report: dict[str, Any]) -> None:
    found = built("alone", helps=False)
    assert found["plan"]["rescore"]["value"] is False
    assert "not more beyond chance" in found["plan"]["rescore"]["reason"]
    assert "rescore" not in found
    bundle = read_bundle(home / "alone.attar")
    assert all(part["role"] != ROLE for part in bundle.manifest["parts"])
    assert bundle.manifest["format_version"] == 1
    assert len(bundle.manifest["task_settings"]["logistic"]) == 3


def test_an_answer_that_takes_too_long(
    built: Build, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescoring, "_latency", lambda *_: 4e4)
    limited = AGAIN.replace("[budget]", "[budget]\nlatency_ms = 30000")
    reason = built("slow", helps=True, recipe=limited)["plan"]["rescore"]["reason"]
    assert "an answer takes 4e+04 ms at least" in reason


def test_few_rows_decide_nothing(home: Path, built: Build) -> None:
    (home / "few.jsonl").write_text(lines(questions(90, 3)))
    few = AGAIN.replace("train.jsonl", "few.jsonl")
    reason = built("few", helps=True, recipe=few)["plan"]["rescore"]["reason"]
    assert "train rows name a document; from 100 on it is tried" in reason


def test_fresh_rows_fix_what_second_scores_weigh(tmp_path: Path, tiny_encoder: Path) -> None:
    from attar.plan.pairs import with_vector_teacher
    from tiny_vectors import ranking_context, ranking_start

    start, context = ranking_start(tmp_path / "s", tiny_encoder), ranking_context(tmp_path / "c")
    trials = with_vector_teacher("frozen", start, context, {})
    fresh = rescoring.fresh_context(trials)
    learned = {row.text for row in fresh.dataset.train}
    rows = design_rows(fresh, rescored=True)
    assert learned
    assert len(rows) > len(context.dataset.select)
    assert not learned & {row.text for row in rows}
