"""A label added to a built model, from recipe to bundle: the others are not forgotten."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner

import attar
from attar.audit import audit
from attar.build import build
from attar.cli import commands
from attar.data.curate import curate
from attar.data.kept import kept_labels
from attar.errors import DataError, RecipeError
from attar.recipe import DataSection, read_recipe
from attar.tasks import TASKS
from attar.testing import check_bundle

RECIPE = """task = "classify"
name = "{name}"
[data]
train = "{name}.jsonl"
test = "test.jsonl"
unlabeled = "logs.txt"
{more}
[budget]
size_mb = 0.4
"""
OOS = 'out_of_scope = "oos"\n[teacher]\nmodel = "encoder"'
KEPT = '\n[student]\nstart = "old.attar"\nkeep_labels = true'


def rows_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, write_desk: Callable[..., Path]) -> Path:
    """A folder with `old.attar`, which has never heard of refunds."""
    folder = tmp_path_factory.mktemp("kept")
    rows = rows_of(write_desk(folder).with_name("train.jsonl"))
    for name, wanted in (("old", False), ("new", True)):
        lines = [json.dumps(row) for row in rows if (row["label"] == "refund") is wanted]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    recipe = RECIPE.replace('test = "test.jsonl"\n', "").format(name="old", more=OOS)
    (folder / "old.toml").write_text(recipe)
    build(folder / "old.toml", folder / "old.attar")
    return folder


def test_a_label_is_added_and_none_is_forgotten(home: Path) -> None:
    (home / "new.toml").write_text(RECIPE.format(name="new", more=OOS + KEPT))
    report = build(home / "new.toml", home / "new.attar")
    check_bundle(home / "new.attar")
    old, new = attar.load(home / "old.attar"), attar.load(home / "new.attar")
    assert old.labels == ("cancel", "delivery")
    assert new.labels == tuple(report["labels"]) == ("cancel", "delivery", "refund")
    assert report["plan"]["labels.added"]["value"] == ["refund"]
    assert report["plan"]["labels.kept"]["value"] == 3  # the out-of-scope column too
    rows = rows_of(home / "test.jsonl")
    texts = [row["text"] for row in rows]
    moved = [
        (before.label, after.label)
        for before, after in zip(old(texts), new(texts), strict=True)
        if before.label != after.label
    ]
    assert {after for _, after in moved} == {"refund"}
    refunds = [a.label for a, row in zip(new(texts), rows, strict=True) if row["label"] == "refund"]
    assert refunds.count("refund") > 0.5 * len(refunds)
    again = build(home / "new.toml", home / "again.attar")
    assert again["content_sha256"] == report["content_sha256"]


def test_the_new_bundle_takes_more_labels(home: Path) -> None:
    """Its build is recorded like any other, and so can be started from."""
    words = [
        "voucher",
        "present",
        "wrapping",
        "birthday",
        "card",
        "code",
        "balance",
        "redeem",
        "friend",
        "mail",
    ]
    texts = [" ".join(random.Random(i).sample(words, 5)) for i in range(30)]
    rows = [{"text": text, "label": "gift"} for text in texts]
    (home / "gift.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    if not (home / "new.attar").exists():
        test_a_label_is_added_and_none_is_forgotten(home)
    more = OOS + KEPT.replace("old", "new")
    (home / "gift.toml").write_text(RECIPE.format(name="gift", more=more))
    report = build(home / "gift.toml", home / "gift.attar")
    assert report["labels"] == ["cancel", "delivery", "gift", "refund"]


def test_what_cannot_be_kept_is_named(home: Path) -> None:
    def refused(more: str, error: type[Exception], match: str) -> None:
        (home / "wrong.toml").write_text(RECIPE.format(name="new", more=more))
        with pytest.raises(error, match=match):
            build(home / "wrong.toml", home / "wrong.attar")

    refused(KEPT, RecipeError, 'write out_of_scope = "oos" under')
    refused(OOS + KEPT.replace("old.attar", "encoder"), RecipeError, "is not a bundle")
    refused(OOS + "\n[student]\nkeep_labels = true", RecipeError, "keep_labels needs start")
    refused(OOS + KEPT.replace("true", "1"), RecipeError, "expected true or false")
    claim = '\n[[claims]]\nmetric = "error_when_answering"\nat_most = 0.2'
    refused(OOS + KEPT + claim, RecipeError, "calibrate holds rows of the new labels alone")


def test_known_labels_need_no_rows(home: Path) -> None:
    fields = DataSection(train=(home / "new.jsonl",), test=(home / "test.jsonl",))
    task = TASKS.get("classify")
    with pytest.raises(DataError, match="telling apart takes two"):
        curate(task, fields)
    found = curate(task, fields, known=("cancel", "delivery", "oos"))
    assert {row.label for row in found.train} == {"refund"}
    assert not found.notes
    with pytest.raises(DataError, match="labels without train rows: 'cancel'"):
        curate(task, fields, known=("delivery", "oos"))


def test_commands_know_the_kept_labels(home: Path) -> None:
    recipe = home / "looked-at.toml"
    recipe.write_text(RECIPE.format(name="new", more=OOS + KEPT))
    assert kept_labels(read_recipe(recipe)) == ("cancel", "delivery", "oos")
    done = CliRunner().invoke(commands, ["curate", str(recipe), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"]["train"] > 0
    with pytest.raises(RecipeError, match="an audit trains its models afresh"):
        audit(read_recipe(recipe))


def test_members_are_read_from_the_recipe(home: Path) -> None:
    (home / "three.toml").write_text(RECIPE.format(name="old", more=OOS + "\nmembers = 3"))
    assert read_recipe(home / "three.toml").teacher.members == 3
    for wrong in ("0", "true", "1.5", "10"):
        (home / "bad.toml").write_text(RECIPE.format(name="old", more=OOS + f"\nmembers = {wrong}"))
        with pytest.raises(RecipeError, match="whole number from 1 to 9"):
            read_recipe(home / "bad.toml")
