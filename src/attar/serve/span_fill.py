"""Spans and function calls put into the JSON that a client asks for, by its own JSON Schema.

Beside what `schema_fill` knows, a property may be named as a label of spans (its text, or all
of them as an array), `spans` or `entities` (all spans), or `calls`. What no span says is null
where the schema allows it, left out where it is not required, and refused otherwise. `pattern`
and `format` are not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attar.runtime.quotes import ALL_SPANS, plain
from attar.serve.schema_fill import (
    LABEL_NAMES,
    SCORE_NAMES,
    UNKNOWN,
    CannotFillError,
    Filling,
    choices_of,
    kinds_of,
    within,
)
from attar.types import Call, Extraction, FoundSpan

CALLS_NAMES = ("calls", "toolcalls", "functioncalls", "functions", "actions")
TEXT_ROLE = ("text", "quote", "word", "value", "span", "mention", "name", "surface", "entity")
LABEL_ROLE = ("label", "type", "entitygroup", "entitytype", "category", "tag", "kind", "entity")
START_ROLE = ("start", "begin", "startoffset", "startchar", "from")
END_ROLE = ("end", "stop", "endoffset", "endchar", "to")
FUNCTION_ROLE = ("name", "function", "tool", "functionname", "toolname")
ARGUMENTS_ROLE = ("arguments", "parameters", "args", "input")
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
MOST_DIGITS = 30
_NUMBER = re.compile(r"[+-]?\d+(?:,\d{3})*(?:\.\d+)?")


class NothingFoundError(CannotFillError):
    """The schema can be filled, and what it needs does not stand in this text."""


class NotAskedForError(CannotFillError):
    """A span or a call of a kind that the schema does not name."""


class SpanFilling(Filling):
    """The parameters are those of `filled`; found: what the model marked, nothing where it
    abstained; span_labels: all that its spans can be. drawn: values that came from the text."""

    model = "this model"
    gives = "none"

    def __init__(
        self,
        schema: Mapping[str, Any],
        label: str | None,
        found: Extraction,
        span_labels: Sequence[str],
        abstained: bool,
    ) -> None:
        labels = [] if label is None else [label]
        super().__init__(schema, label, labels, found.score, abstained)
        self.found, self.drawn = found, 0
        self._labels = {plain(one): one for one in reversed(span_labels)}
        self._missing: NothingFoundError | None = None

    def known(self, name: str, part: Mapping[str, Any], kinds: Sequence[Any], deep: int) -> Any:
        """What the spans and calls say of a property."""
        called = plain(name)
        label = self._labels.get(called)
        if label is None and "array" in kinds:
            label = self._labels.get(called.removesuffix("s"))
        if label is not None:
            return self._of_label(name, label, part, kinds, deep)
        if "array" in kinds and called in ALL_SPANS:
            return self._all(
                name, part, (self._item(name, s, deep) for s in self.found.spans), _as_span
            )
        if "array" in kinds and called in CALLS_NAMES:
            if self.found.calls is None:
                raise CannotFillError(f"{name!r}: this model knows no functions")
            return self._all(
                name, part, (self._call(name, c, deep) for c in self.found.calls), _as_called
            )
        if "object" in kinds and isinstance(part.get("properties"), Mapping):
            return self.members(part, deep + 1)
        if self.label is None and called in map(plain, LABEL_NAMES) and "null" not in kinds:
            if self.abstained:
                raise NothingFoundError(f"{name!r}: the model abstains")
            raise CannotFillError(f"{name!r} takes a label of the text; this model gives none")
        if self.label is not None and called in LABEL_NAMES and not self.abstained:
            self.drawn += 1
        return UNKNOWN

    def left_out(self, error: CannotFillError) -> None:
        if isinstance(error, NothingFoundError):
            self._missing = error

    def nothing_made(self) -> None:
        if self._missing is None:
            raise CannotFillError(
                "none of its properties is a label, a score, or named as a label of spans: "
                f"{', '.join(self._labels.values())}"
            )

    def _of_label(
        self, name: str, label: str, part: Mapping[str, Any], kinds: Sequence[Any], deep: int
    ) -> Any:
        spans = [span for span in self.found.spans if span.label == label]
        if "array" in kinds:
            made = (self._item(name, span, deep) for span in spans)
            return self._all(name, part, made, lambda fill: fill({"type": "string"}))
        if spans:
            try:
                made_of_first = self._item(name, spans[0], deep)(part)
            except CannotFillError:
                if not _takes_null(part, kinds):
                    raise
                return None
            self.drawn += 1
            return made_of_first
        if _takes_null(part, kinds):
            return None
        why = "the model abstains" if self.abstained else f"no {label!r} stands in the text"
        raise NothingFoundError(f"{name!r}: {why}")

    def _all(
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

    def _item(self, name: str, span: FoundSpan, deep: int) -> Callable[[Any], Any]:
        """Fills a schema with one span: its text, or an object with text, label and offsets."""
        text = self.found.text[span.start : span.end]

        def role_of(called: str, others: set[str]) -> Any:
            if called in TEXT_ROLE and (called != "entity" or not others & set(TEXT_ROLE)):
                return text
            if called in LABEL_ROLE:
                return _Label(span.label)
            if called in START_ROLE:
                return span.start
            if called in END_ROLE:
                return span.end
            return round(span.score, 6) if called in SCORE_NAMES else UNKNOWN

        return lambda part: self._one(name, part, text, role_of, deep + 1)

    def _call(self, name: str, call: Call, deep: int) -> Callable[[Any], Any]:
        """Fills a schema with one call, by name and arguments, as OpenAI nests them or not."""

        def role_of(called: str, others: set[str]) -> Any:
            if called in FUNCTION_ROLE:
                return _Label(call.name)
            if called in ARGUMENTS_ROLE:
                return dict(call.arguments)
            return round(call.score, 6) if called in SCORE_NAMES else UNKNOWN

        return lambda part: self._one(name, part, UNKNOWN, role_of, deep + 1)

    def _one(
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
                name, choices, lambda one: self._one(name, one, alone, role_of, deep + 1)
            )
        properties = part.get("properties")
        if not isinstance(properties, Mapping):
            if alone is UNKNOWN:
                raise CannotFillError(f"{name!r} has no properties to fill")
            return self._fitted(name, alone, part)
        required = part.get("required")
        needed = required if isinstance(required, list) else []
        made = {}
        for key, member in properties.items():
            value = role_of(plain(key), {plain(one) for one in properties if one != key})
            try:
                made[key] = self._member(str(key), member, value, role_of, deep)
            except NotAskedForError:
                raise
            except CannotFillError:
                if key in needed:
                    raise
        for key in needed:
            if key not in made:
                raise CannotFillError(f"{key!r} is required and not described")
        return made

    def _member(
        self, key: str, part: Any, value: Any, role_of: Callable[[str, set[str]], Any], deep: int
    ) -> Any:
        part = self.entered(key, part, deep)
        choices = choices_of(part)
        if choices is not None:
            return self.first_of(
                key, choices, lambda one: self._member(key, one, value, role_of, deep + 1)
            )
        kinds = kinds_of(part)
        if isinstance(value, _Label) and "object" in kinds:  # OpenAI's {"function": {"name", …}}
            return self._one(key, part, UNKNOWN, role_of, deep + 1)
        if value is UNKNOWN:
            if "null" in kinds:
                return None
            raise CannotFillError(f"{key!r} asks for what {self.model} does not know")
        if isinstance(value, dict) and "string" in kinds:
            return json.dumps(value, ensure_ascii=False)
        return self._fitted(key, value, part)

    def _fitted(self, name: str, value: Any, part: Mapping[str, Any]) -> Any:
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
            error = NotAskedForError if isinstance(value, _Label) else CannotFillError
            raise error(f"{name!r} does not allow {value!r}")
        for kind in kinds_of(part):
            made = _as(kind, value)
            if made is not UNKNOWN and within(made, part):
                return made
        raise CannotFillError(f"{name!r} cannot be {str(value)[:80]!r}")


class _Label(str):
    """A name among several: one that a schema does not list is not asked for."""


def _as_span(fill: Callable[[Any], Any]) -> Any:
    return fill({"properties": {key: {} for key in ("text", "label", "start", "end")}})


def _as_called(fill: Callable[[Any], Any]) -> Any:
    return fill({"properties": {"name": {"type": "string"}, "arguments": {}}})


def _takes_null(part: Mapping[str, Any], kinds: Sequence[Any]) -> bool:
    return "null" in kinds and ("enum" not in part or None in (part["enum"] or ()))


def _as(kind: Any, value: Any) -> Any:
    """The value as this JSON type; UNKNOWN where it is none."""
    if kind is None:
        return str(value) if isinstance(value, _Label) else value
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
