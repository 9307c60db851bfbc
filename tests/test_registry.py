"""Registries: lazy, extensible by entry points, helpful about typing errors."""

from __future__ import annotations

from typing import Any

import pytest

from attar.errors import AttarError, RecipeError
from attar.registry import Registry, did_you_mean


class Entry:
    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[Any]:
    plugins = [Entry("plugin", "math:pi"), Entry("own", "math:e"), Entry("gone", "math:nothing")]
    found = {"attar.things": plugins}
    monkeypatch.setattr("attar.registry.entry_points", lambda group: found.get(group, []))
    return Registry("things", {"own": "math:tau", "lazy": "no_such_module:x"})


def test_names_are_listed_without_importing(registry: Registry[Any]) -> None:
    assert list(registry) == ["gone", "lazy", "own", "plugin"]


def test_parts_of_plugins_and_built_in_ones_which_stay(registry: Registry[Any]) -> None:
    assert registry.get("plugin") == pytest.approx(3.14159, abs=1e-4)
    assert registry.get("own") == pytest.approx(6.28318, abs=1e-4)


def test_errors(registry: Registry[Any]) -> None:
    with pytest.raises(RecipeError, match=r"unknown part 'plugn'\. Did you mean 'plugin'\?"):
        registry.get("plugn")
    with pytest.raises(RecipeError, match="Known: gone, lazy, own, plugin"):
        registry.get("zzz")
    with pytest.raises(AttarError, match=r"plugin for things 'gone' names 'math:nothing'"):
        registry.get("gone")
    with pytest.raises(ModuleNotFoundError):
        registry.get("lazy")


def test_did_you_mean() -> None:
    assert did_you_mean("acuracy", ["accuracy", "recall"]) == " Did you mean 'accuracy'?"
    assert did_you_mean("xyz", ["accuracy"]) == ""
    assert did_you_mean("x", []) == ""
