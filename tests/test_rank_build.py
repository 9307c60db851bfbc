"""Questions and the documents that answer them, from files to a verified bundle, on the tiny
teacher."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.build import build
from attar.bundle import read_bundle
from attar.cli import main
from attar.errors import DataError, InfeasibleError, RecipeError
from attar.evaluate.card import model_card
from attar.evaluate.page import as_html
from attar.evaluate.report import as_text, full_report
from attar.plan.frontier import frontier
from attar.recipe import read_recipe
from attar.runtime.predictor import load
from attar.runtime.reindex import reindex
from attar.testing import check_bundle
from conftest import COMMON, WORDS

RECIPE = """task = "rank"
name = "faq"
[data]
train = "train.jsonl"
test = "test.jsonl"
documents = "documents.jsonl"
out_of_scope = "nothing"
[teacher]
model = "encoder"
[budget]
size_mb = 0.4
[[claims]]
metric = "recall_at_5"
at_least = 0.3
[[claims]]
metric = "mrr"
at_least = 0.2
[[claims]]
metric = "error_when_answering"
at_most = 0.9
"""
THINGS = sorted({word for words in WORDS.values() for word in words})


def documents() -> list[dict[str, str]]:
    """One for each pair of neighboring things, by a template."""
    pairs = list(zip(THINGS, THINGS[1:], strict=False))
    return [
        {"id": f"faq-{i}", "title": f"{a} {b}", "text": f"the {a} and the {b}: please {b} it, {a}"}
        for i, (a, b) in enumerate(pairs)
    ]


def questions(count: int, seed: int) -> list[dict[str, str]]:
    """Common words around a document's two things, or around none."""
    rng, known, found = random.Random(seed), documents(), []
    for _ in range(count):
        chosen = rng.choice(known) if rng.random() < 0.9 else None
        words = rng.sample(COMMON, rng.randint(2, 5)) + (chosen["title"].split() if chosen else [])
        rng.shuffle(words)
        found.append({"text": " ".join(words), "label": chosen["id"] if chosen else "nothing"})
    return found


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("faq")
    (folder / "train.jsonl").write_text(lines(questions(400, 1)))
    rows = questions(120, 2)
    twin = {**documents()[2], "id": "twin"}
    rows[0] = {**rows[0], "label": "twin", "text": documents()[2]["title"]}
    several = {"text": f"{THINGS[7]} and the", "label": [documents()[i]["id"] for i in (6, 7)]}
    rows[1] = {**rows[1], **several}
    (folder / "test.jsonl").write_text(lines(rows))
    (folder / "documents.jsonl").write_text(lines([*documents(), twin]))
    (folder / "encoder").symlink_to(request.getfixturevalue("tiny_encoder"))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    return build(home / "recipe.toml", home / "faq.attar")


def test_the_bundle_keeps_the_contract(home: Path, report: dict[str, Any]) -> None:
    check_bundle(home / "faq.attar")
    assert report["task"] == "rank"
    assert report["metrics"]["recall_at_1"] > 0.5
    assert report["teacher"]["metrics"]["recall_at_1"] > 0.5
    assert report["metrics"]["oos_auroc"] > 0.8
    statuses = {claim["metric"]: claim["status"] for claim in report["claims"]}
    assert statuses["recall_at_5"] == statuses["mrr"] == "met"
    settings = read_bundle(home / "faq.attar").manifest["task_settings"]
    assert settings["dimensions"] == 32
    assert settings["hybrid"] is not None


def test_answers_name_documents(home: Path, report: dict[str, Any]) -> None:
    predictor = load(home / "faq.attar")
    wanted = documents()[3]
    answer = predictor(f"please {wanted['title']} now").to_json()
    assert set(answer) == {"documents", "score", "abstained"}
    assert answer["documents"][0].pop("score") > answer["documents"][1].pop("score")
    assert answer["documents"][0] == wanted
    vectors = predictor.embed(["please", wanted["title"]])
    assert vectors.shape == (2, 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_together_as_alone(home: Path, report: dict[str, Any]) -> None:
    texts = [row["text"] for row in questions(20, 5)] + ["", "x"]
    predictor = load(home / "faq.attar")
    assert predictor(texts) == [predictor(text) for text in texts]
    outputs = predictor.outputs(texts)
    assert outputs["documents"].shape == outputs["cosine"].shape == (22, len(documents()))


def test_it_can_be_read(home: Path, report: dict[str, Any]) -> None:
    assert f"faq: rank, {len(documents())} documents" in as_text(report)
    assert "recall@1" in as_text(report)
    assert "recall@1" in as_html(report).lower()
    assert "recall@1" in model_card(report)


def test_the_command_line(
    home: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, wanted = str(home / "faq.attar"), documents()[5]
    lost = [error for error in report["errors"] if error["text"] == f"{THINGS[7]} and the"]
    assert not lost, "one of two right documents is enough"
    found = json.loads(run(capsys, "predict", bundle, wanted["title"], "--json"))
    assert found["documents"][0]["id"] == wanted["id"]
    assert wanted["text"] in run(capsys, "predict", bundle, wanted["title"])
    verdicts = json.loads(
        run(capsys, "verify", bundle, "--data", str(home / "test.jsonl"), "--json")
    )
    sealed = {claim["metric"]: claim["value"] for claim in report["claims"]}
    assert all(v["value"] == sealed[v["metric"]] for v in verdicts)


def test_documents_come_and_go_without_training(
    home: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = home / "faq.attar", home / "changed.attar"
    gone, kept = documents()[0], documents()[7]
    new = {"id": "new", "title": "", "text": f"{THINGS[0]} and {THINGS[-1]}"}
    (home / "new.jsonl").write_text(lines([new, {**kept, "text": kept["title"]}]))
    arguments = ["--add", str(home / "new.jsonl"), "--remove", gone["id"], "-o", str(after)]
    run(capsys, "index", str(before), *arguments)
    predictor = load(after)
    ids = [document.id for document in predictor.documents]
    assert len(ids) == len(documents()) and gone["id"] not in ids
    assert predictor(new["text"]).label == "new"
    (placed,) = (d for d in predictor(kept["title"]).to_json()["documents"] if d["id"] == "faq-7")
    assert placed["text"] == kept["title"]
    assert predictor.verify() == []
    changed = full_report(read_bundle(after))
    assert changed["documents_changed"] == {
        "added": 2, "removed": 2, "certified": report["content_sha256"],
    }  # fmt: skip
    assert changed["content_sha256"] != report["content_sha256"]
    assert changed["metrics"] == report["metrics"]
    assert "2 added, 2 removed" in as_text(changed)
    reindex(read_bundle(after), home / "none.attar", remove=ids)
    empty = load(home / "none.attar")("please")
    assert empty.abstained and empty.label == "" and empty.to_json()["documents"] == []
    with pytest.raises(DataError, match="no document has the id 'faq-0'"):
        reindex(read_bundle(after), home / "no.attar", remove=["faq-0"])


def test_a_budget_that_the_documents_alone_break(home: Path, report: dict[str, Any]) -> None:
    (home / "small.toml").write_text(RECIPE.replace("size_mb = 0.4", "size_mb = 0.005"))
    with pytest.raises(InfeasibleError, match=rf"The {len(documents())} documents alone take"):
        build(home / "small.toml", home / "small.attar")


def test_the_frontier_leaves_room_for_documents(home: Path, report: dict[str, Any]) -> None:
    found = frontier(read_recipe(home / "recipe.toml"), sizes=(0.03,))
    assert [point["trial"] for point in found["points"]][-1] is None  # the teacher
    assert all(0 <= point["value"] <= 1 for point in found["points"])


def test_the_student_starts_from_its_teacher(home: Path) -> None:
    other = RECIPE + '[student]\nstart = "elsewhere"\n'
    (home / "elsewhere").mkdir()
    (home / "other.toml").write_text(other)
    with pytest.raises(RecipeError, match="starts from its teacher"):
        build(home / "other.toml", home / "other.attar")
    (home / "lora.toml").write_text(RECIPE.replace("[teacher]", '[teacher]\nfinetune = "lora"'))
    with pytest.raises(RecipeError, match="does not learn to rank"):
        build(home / "lora.toml", home / "lora.attar")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as done:
        main([*arguments])
    out, err = capsys.readouterr()
    assert done.value.code in (0, None), err
    return out
