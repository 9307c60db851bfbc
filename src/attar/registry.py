"""Named tables of parts (tasks, passes) that wheels outside the project can extend.

A registry maps a name to where the part lives ("module:attribute"), so that
listing names imports nothing. Plugins add themselves by entry points in the
group "attar.<kind>"; a built-in name cannot be replaced.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from attar.errors import AttarError, RecipeError

Part = TypeVar("Part")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ' Did you mean …?' for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


class Registry(Generic[Part]):
    """A lazy table: name -> "module:attribute"."""

    def __init__(self, kind: str, built_in: dict[str, str], noun: str = "part") -> None:
        self.kind = kind
        self.noun = noun
        self._built_in = dict(built_in)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._targets()))

    def get(self, name: str) -> Part:
        """Import and return the part. Raises RecipeError when the name is unknown."""
        # Built-in names come first: looking through installed packages takes milliseconds.
        targets = self._built_in if name in self._built_in else self._targets()
        if name not in targets:
            known = ", ".join(sorted(targets))
            raise RecipeError(
                f"unknown {self.noun} {name!r}.{did_you_mean(name, targets)} Known: {known}."
            )
        module, _, attribute = targets[name].partition(":")
        try:
            part: Part = getattr(import_module(module), attribute)
        except AttributeError as error:
            raise AttarError(
                f"the plugin for {self.kind} {name!r} names {targets[name]!r}, "
                f"which does not exist: {error}"
            ) from error
        return part

    def _targets(self) -> dict[str, str]:
        found = {e.name: e.value for e in entry_points(group=f"attar.{self.kind}")}
        return found | self._built_in
