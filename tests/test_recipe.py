"""Recipes: every key lands where it belongs, and every mistake is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.errors import AttarError, RecipeError
from attar.recipe import (
    Budget,
    ClaimSpec,
    Recipe,
    RescoreSection,
    parse_recipe,
    read_recipe,
)

WHOLE = """
task = "classify"
name = "support-desk"
[data]
train = ["a.jsonl", "b.csv"]
test = "test.jsonl"
unlabeled = "logs.jsonl"
text = "message"
label = "intent"
group = "customer"
out_of_scope = "oos"
[teacher]
model = "folder"
finetune = "lora"
[student]
start = "earlier.attar"
[budget]
size_mb = 5
latency_ms = 2.5
memory_mb = 150
[[claims]]
metric = "accuracy"
at_least = 0.90
[[claims]]
metric = "accuracy"
at_most = 1
confidence = 0.99
"""
LEAST = 'task = "classify"\n[data]\ntrain = "a.jsonl"\n'
RANKS = LEAST.replace("classify", "rank")


def write(folder: Path, text: str, name: str = "recipe.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_recipe(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, WHOLE))
    assert recipe.name == "support-desk"
    assert recipe.data.train == (tmp_path / "a.jsonl", tmp_path / "b.csv")
    assert recipe.data.unlabeled == (tmp_path / "logs.jsonl",)
    assert (recipe.data.text, recipe.data.label, recipe.data.group) == (
        "message", "intent", "customer"
    )  # fmt: skip
    assert recipe.data.out_of_scope == "oos"
    assert (recipe.teacher.model, recipe.teacher.finetune) == ("folder", "lora")
    assert recipe.student.start == "earlier.attar"
    assert recipe.budget.as_dict() == {"size_mb": 5, "latency_ms": 2.5, "memory_mb": 150}
    assert recipe.claims == (
        ClaimSpec("accuracy", at_least=0.9),
        ClaimSpec("accuracy", at_most=1.0, confidence=0.99),
    )
    assert recipe.work == tmp_path / ".attar"
    (tmp_path / "earlier.attar").write_text("")
    assert read_recipe(tmp_path / "recipe.toml").student.start == str(tmp_path / "earlier.attar")


def test_scoring_again_is_asked_for(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, RANKS)).rescore is None
    assert read_recipe(write(tmp_path, RANKS + "[rescore]")).rescore == RescoreSection()
    other = read_recipe(write(tmp_path, RANKS + '[rescore]\nmodel = "mine"\ntop = 4')).rescore
    assert other == RescoreSection("mine", 4)


def test_the_least_recipe_and_its_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, "\ufeff" + LEAST, "my-desk.toml"))
    assert recipe == Recipe(
        task="classify", data=recipe.data, name="my-desk", folder=tmp_path, budget=Budget()
    )
    assert (recipe.data.text, recipe.data.label) == ("text", "label")
    assert recipe.teacher.model == "embedded"
    assert recipe.budget.as_dict() == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('tsk = "classify"', r"unknown key 'tsk'\. Did you mean 'task'"),
        ("", '"task" is missing'),
        ('task = "classify"', '"data.train" is missing'),
        ('task = "classify"\n[data]\ntest = "a"', '"data.train" is missing'),
        ('task = 3\n[data]\ntrain = "a"', "task = 3: expected a text"),
        ('task = "classify"\ndata = 3', "expected a table"),
        (LEAST + 'trian = "b"', r"\[data\] has an unknown key 'trian'\. Did you mean 'train'"),
        (LEAST + "[buget]\nsize_mb = 1", r"unknown key 'buget'\. Did you mean 'budget'"),
        (LEAST + "[budget]\nsize = 1", r"'size'\. Did you mean 'size_mb'"),
        (LEAST + "[budget]\nsize_mb = 0", "size_mb = 0: expected a number above 0"),
        (LEAST + "[budget]\nsize_mb = -1", "expected a number above 0"),
        (LEAST + "[budget]\nsize_mb = nan", "expected a number above 0"),
        (LEAST + "[budget]\nsize_mb = inf", "expected a number above 0"),
        (LEAST + "[budget]\nsize_mb = true", "expected a number above 0"),
        (LEAST + '[budget]\nsize_mb = "5"', "expected a number above 0"),
        (LEAST + '[teacher]\nfinetune = "lore"', "Did you mean 'lora'"),
        (LEAST + "[teacher]\nmodle = 1", "Did you mean 'model'"),
        (LEAST + '[teacher]\nmodel = ""', "expected a text that is not empty"),
        (LEAST + "[student]\nstat = 1", "Did you mean 'start'"),
        (LEAST + "[claims]\nmetric = 1", r"written \[\[claims\]\]"),
        (LEAST + "[[claims]]\nat_least = 1", r'number 1: the key "metric" is missing'),
        (LEAST + '[[claims]]\nmetric = "accuracy"', "exactly one of at_least and at_most"),
        (LEAST + '[[claims]]\nmetric = "accuracy"\nat_least = "0.5"', "expected a number"),
        (LEAST + '[[claims]]\nmetric = "recall"\nlabel = 3\nat_least = 0.5', "expected a text"),
        (LEAST + '[[claims]]\nmetric = "accuracy"\nat_least = 0.5\nconfidence = 95', "0.5 to"),
        (LEAST + 'personal_data = "redcat"', r"\[data\] personal_data.*Did you mean 'redact'"),
        (LEAST + 'suspicious_labels = "fix"', "Known: auto, keep, drop, relabel"),
        (LEAST + 'leaks = "group"', "Did you mean 'groups'"),
        (LEAST + 'leaks = "groups"', "none is named"),
        (LEAST + 'languages = "en"', r"\[data\] languages = 'en': expected a list"),
        ('task = "x"\n[data]\ntrain = []', "empty list"),
        ('task = "x"\n[data]\ntrain = [1]', "a file name or a list"),
        ('name = "a/b"\n' + LEAST, "a plain name without slashes"),
        ('name = ".."\n' + LEAST, "a plain name"),
        ("task = ", "not valid TOML"),
        (LEAST + "[rescore]", r"\[rescore\] scores documents again, which the task 'classify'"),
        (RANKS + "[rescore]\ntop = 1", r"top = 1: expected a whole number from 2 to 20"),
        (RANKS + "[rescore]\ntops = 3", "Did you mean 'top'"),
    ],
)
def test_mistakes_are_named(text: str, expected: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RecipeError, match=expected) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no such recipe"):
        read_recipe(tmp_path / "gone.toml")
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        read_recipe(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(RecipeError, match="not UTF-8"):
        read_recipe(tmp_path / "latin.toml")


KEYS = st.sampled_from(
    ["task", "name", "data", "train", "test", "text", "teacher", "model", "finetune", "student",
     "start", "budget", "size_mb", "claims", "metric", "at_least", "confidence"]
) | st.text(max_size=4)  # fmt: skip
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, PLAIN, max_size=6))
def test_any_table_is_a_recipe_or_an_error(table: dict[str, Any]) -> None:
    try:
        recipe = parse_recipe(table, Path("somewhere"))
    except AttarError:
        return
    assert recipe.task == table["task"]
