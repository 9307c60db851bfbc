"""Lists of parts put into the JSON that a client asks for: an array, and what its items name.

What an item is (a span, a call, a document, a sentence) its own file says; here its properties
find their values by their names, within what the schema allows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attar.runtime.quotes import plain
from attar.serve.schema_fill import UNKNOWN, CannotFillError, Filling, choices_of, kinds_of, within

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
MOST_DIGITS = 30
_NUMBER = re.compile(r"[+-]?\d+(?:,\d{3})*(?:\.\d+)?")


class NothingFoundError(CannotFillError):
    """The schema can be filled, and what it needs does not stand in this text."""


class NotAskedForError(CannotFillError):
    """A span or a call of a kind that the schema does not name."""


class ItemFilling(Filling):
    """A schema that may ask for parts of what was found. The parameters are those of `filled`.
    drawn: values that came from what was found; missing: why one that is needed did not."""

    model = "this model"
    gives = "none"

    def __init__(
        self,
        schema: Mapping[str, Any],
        label: str | None,
        labels: Sequence[str],
        score: float,
        abstained: bool,
    ) -> None:
        super().__init__(schema, label, labels, score, abstained)
        self.drawn = 0
        self.missing: NothingFoundError | None = None

    def left_out(self, error: CannotFillError) -> None:
        if isinstance(error, NothingFoundError):
            self.missing = error

    def all_of(
        self,
        name: str,
        part: Mapping[str, Any],
        fills: Iterable[Callable[[Any], Any]],
        free: Callable[[Callable[[Any], Any]], Any],
    ) -> list[Any]:
        """A value for each span or call that the items of an array allow. free: where they may
        be anything."""
        items = part.get("items", True)
        made = []
        for fill in fills:
            try:
                made.append(free(fill) if items is True or items == {} else fill(items))
            except NotAskedForError:
                continue
        if not within(made, part):
            raise NothingFoundError(f"{name!r}: {len(made)} are found, which it does not allow")
        self.drawn += len(made)
        return made

    def one_of(
        self,
        name: str,
        part: Any,
        alone: Any,
        role_of: Callable[[str, set[str]], Any],
        deep: int,
    ) -> Any:
        """A span or a call in a schema. alone: what stands for it where that is no object.
        role_of: the value of a property, by its name and those beside it."""
        part = self.entered(name, part, deep)
        choices = choices_of(part)
        if choices is not None:
            return self.first_of(
                name, choices, lambda one: self.one_of(name, one, alone, role_of, deep + 1)
            )
        properties = part.get("properties")
        if not isinstance(properties, Mapping):
            if alone is UNKNOWN:
                raise CannotFillError(f"{name!r} has no properties to fill")
            return self.fitted(name, alone, part)
        required = part.get("required")
        needed = required if isinstance(required, list) else []
        made = {}
        for key, member in properties.items():
            value = role_of(plain(key), {plain(one) for one in properties if one != key})
            try:
                made[key] = self.member_of(str(key), member, value, role_of, deep)
            except NotAskedForError:
                raise
            except CannotFillError:
                if key in needed:
                    raise
        for key in needed:
            if key not in made:
                raise CannotFillError(f"{key!r} is required and not described")
        return made

    def member_of(
        self, key: str, part: Any, value: Any, role_of: Callable[[str, set[str]], Any], deep: int
    ) -> Any:
        part = self.entered(key, part, deep)
        choices = choices_of(part)
        if choices is not None:
            return self.first_of(
                key, choices, lambda one: self.member_of(key, one, value, role_of, deep + 1)
            )
        kinds = kinds_of(part)
        if isinstance(value, Name) and "object" in kinds:  # OpenAI's {"function": {"name", …}}
            return self.one_of(key, part, UNKNOWN, role_of, deep + 1)
        if value is UNKNOWN:
            if "null" in kinds:
                return None
            raise CannotFillError(f"{key!r} asks for what {self.model} does not know")
        if isinstance(value, dict) and "string" in kinds:
            return json.dumps(value, ensure_ascii=False)
        return self.fitted(key, value, part)

    def fitted(self, name: str, value: Any, part: Mapping[str, Any]) -> Any:
        """The value, or what a text says as a number or a boolean, if the schema allows it."""
        for allowed in ([part["const"]] if "const" in part else [], part.get("enum")):
            if not isinstance(allowed, list) or not allowed:
                continue
            for one in allowed:
                if one == value and type(one) is not bool:
                    return one
            alike = [one for one in allowed if isinstance(one, str) and isinstance(value, str)]
            for one in alike:
                if one.casefold() == value.casefold():
                    return one
            error = NotAskedForError if isinstance(value, Name) else CannotFillError
            raise error(f"{name!r} does not allow {value!r}")
        for kind in kinds_of(part):
            made = _as(kind, value)
            if made is not UNKNOWN and within(made, part):
                return made
        raise CannotFillError(f"{name!r} cannot be {str(value)[:80]!r}")


class Name(str):
    """A name among several: one that a schema does not list is not asked for."""


def takes_null(part: Mapping[str, Any], kinds: Sequence[Any]) -> bool:
    return "null" in kinds and ("enum" not in part or None in (part["enum"] or ()))


def _as(kind: Any, value: Any) -> Any:
    """The value as this JSON type; UNKNOWN where it is none."""
    if kind is None:
        return str(value) if isinstance(value, Name) else value
    if kind == "string" and isinstance(value, str):
        return str(value)
    if kind == "object" and isinstance(value, dict):
        return value
    if kind in ("number", "integer"):
        number = _number(value) if isinstance(value, str) else value
        if isinstance(number, float) and kind == "integer":
            return int(number) if number.is_integer() else UNKNOWN
        return number if isinstance(number, int | float) else UNKNOWN
    if kind == "boolean" and isinstance(value, str):
        said = value.strip().casefold()
        return True if said in YES else False if said in NO else UNKNOWN
    return UNKNOWN


def _number(text: str) -> int | float | None:
    """The one number that a text holds, with or without commas between thousands."""
    found = _NUMBER.findall(text)
    if len(found) != 1 or len(found[0]) > MOST_DIGITS:
        return None
    written = found[0].replace(",", "")
    return float(written) if "." in written else int(written)
