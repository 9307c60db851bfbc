"""The functions that a model may call: names, arguments and the schemas of their values.

Functions are given as the tools of OpenAI's interface, or as their inner objects. Of JSON Schema
the small part is known that a flat call needs: strings (with enum or format), numbers, integers,
booleans, and lists of these. Whatever else a schema says is refused and never skipped: a value
that a model answers with must be valid in every reader's eyes. Formats are how values are
written (`tasks.normalize`), not tests.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attar.canonical import LARGEST_INTEGER
from attar.tasks.shared import is_number

MAX_FUNCTIONS = 256
MAX_ARGUMENTS = 64
MAX_CHOICES = 1_000
MAX_NAME = 128
MAX_BYTES = 1_000_000  # of all functions together, as JSON
FORMATS = ("date", "time", "date-time", "duration", "amount")
KINDS = ("string", "number", "integer", "boolean")

_NAME = re.compile(r"[A-Za-z0-9_.:/-]+")
#: What a schema may say that changes no value.
_REMARKS = ("title", "description", "default", "examples", "deprecated", "strict")
_NUMBER_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_TEXT_LIMITS = ("minLength", "maxLength")
_LIST_LIMITS = ("minItems", "maxItems")
_OUTSIDE = {
    **dict.fromkeys(("minimum", "minLength", "minItems"), operator.lt),
    **dict.fromkeys(("maximum", "maxLength", "maxItems"), operator.gt),
    "exclusiveMinimum": operator.le,
    "exclusiveMaximum": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Value:
    """What one value may be. kind: of KINDS. choices: its enum. limits: keyword, bound."""

    kind: str
    choices: tuple[Any, ...] = ()
    format: str | None = None
    limits: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """many: it takes a list of such values. nullable: null is a value too."""

    name: str
    value: Value
    many: bool = False
    required: bool = False
    nullable: bool = False
    limits: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """source: the inner object as it was given."""

    name: str
    arguments: Mapping[str, Argument]
    source: Mapping[str, Any] = field(compare=False)

    def problem(self, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with the arguments of a call, None where they are valid."""
        for name, value in arguments.items():
            if name not in self.arguments:
                known = ", ".join(map(repr, self.arguments)) or "none"
                return f"{self.name!r} has no argument {name!r}; it has: {known}"
            wrong = _problem(self.arguments[name], value)
            if wrong:
                return f"the argument {name!r} of {self.name!r} is {wrong}"
        for argument in self.arguments.values():
            if argument.required and argument.name not in arguments:
                return f"the argument {argument.name!r} of {self.name!r} is missing"
        return None


Functions = Mapping[str, Function]


def functions_in(tools: Any) -> dict[str, Function]:
    """The functions of a parsed JSON document, by name. Raises ValueError saying which entry
    cannot be used and why."""
    if not isinstance(tools, list) or not tools:
        raise ValueError(
            'expected a list of functions, such as [{"name": "stop", "parameters": {"type": '
            '"object", "properties": {}}}]'
        )
    if len(tools) > MAX_FUNCTIONS:
        raise ValueError(f"there are {len(tools)} functions, at most {MAX_FUNCTIONS} are taken")
    try:
        size = len(json.dumps(tools, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not plain JSON ({type(error).__name__})") from None
    if size > MAX_BYTES:
        raise ValueError(f"the functions have {size:,} bytes, at most {MAX_BYTES:,} are taken")
    found: dict[str, Function] = {}
    for number, tool in enumerate(tools, 1):
        function = _function(tool, f"function {number}")
        if function.name in found:
            raise ValueError(f"function {number}: the name {function.name!r} is taken already")
        found[function.name] = function
    return found


#: The latest lists of functions: decoding asks for the same one with every text.
_READ: dict[int, tuple[Any, dict[str, Function]]] = {}


def known_functions(tools: Any) -> dict[str, Function]:
    """`functions_in` of a manifest's own list, which nobody changes, remembered."""
    held = _READ.get(id(tools))
    if held is not None and held[0] is tools:
        return held[1]
    found = functions_in(tools)
    if len(_READ) >= 32:
        _READ.clear()
    _READ[id(tools)] = (tools, found)  # the list is held, so that its id stays its own
    return found


def _function(tool: Any, where: str) -> Function:
    if isinstance(tool, dict) and tool.get("type") == "function" and "function" in tool:
        tool = tool["function"]
    if not isinstance(tool, dict):
        raise ValueError(f"{where}: expected an object with name and parameters")
    name = tool.get("name")
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"{where}: the name is {_shown(name)}, expected a text of letters, digits and "
            f"_ . : / - of at most {MAX_NAME} characters"
        )
    where = f"{where} ({name})"
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    known = ("type", "properties", "required", "additionalProperties", *_REMARKS)
    _only(parameters, (*known, "$schema"), f"{where}: parameters")
    properties, required = parameters.get("properties", {}), parameters.get("required", [])
    if parameters.get("type") != "object" or not isinstance(properties, dict):
        raise ValueError(f'{where}: parameters: expected {{"type": "object", "properties": {{…}}}}')
    if len(properties) > MAX_ARGUMENTS:
        raise ValueError(f"{where}: {len(properties)} arguments, at most {MAX_ARGUMENTS} are taken")
    names = isinstance(required, list) and all(isinstance(one, str) for one in required)
    if not names or any(one not in properties for one in required):
        raise ValueError(f"{where}: required: expected a list of names in properties")
    if not isinstance(parameters.get("additionalProperties", False), bool):
        raise ValueError(f"{where}: additionalProperties: expected true or false")
    arguments = {
        argument: _argument(argument, schema, argument in required, where)
        for argument, schema in properties.items()
    }
    return Function(name, arguments, tool)


def _argument(name: str, schema: Any, required: bool, where: str) -> Argument:
    where = f"{where}: the argument {_shown(name)}"
    if not name.strip() or len(name) > MAX_NAME:
        raise ValueError(f"{where}: expected a name of at most {MAX_NAME} characters")
    kind, nullable = _kind(schema, where)
    if kind != "array":
        return Argument(name, _value(schema, kind, where), False, required, nullable)
    _only(schema, ("type", "items", *_LIST_LIMITS, *_REMARKS), where)
    items = schema.get("items")
    item_kind, item_nullable = _kind(items, f"{where}: items")
    if item_nullable or item_kind == "array":
        raise ValueError(f"{where}: items: lists of {', '.join(KINDS)} are known, no others")
    value = _value(items, item_kind, f"{where}: items")
    return Argument(name, value, True, required, nullable, _limits(schema, _LIST_LIMITS, where))


def _kind(schema: Any, where: str) -> tuple[str, bool]:
    """The type, and whether null is one too, as in ["string", "null"]."""
    if not isinstance(schema, dict):
        raise ValueError(f'{where}: expected a JSON Schema, such as {{"type": "string"}}')
    for word in ("$ref", "anyOf", "oneOf", "allOf", "not"):
        if word in schema:
            raise ValueError(f"{where}: {word} is not known. Write the type out.")
    kind, nullable = schema.get("type"), False
    if isinstance(kind, list) and len(kind) == 2 and "null" in kind:
        kind, nullable = next((one for one in kind if one != "null"), None), True
    if kind == "object":
        raise ValueError(f"{where}: an object in an object is not known. Give it flat arguments.")
    if kind not in (*KINDS, "array"):
        raise ValueError(
            f"{where}: the type is {_shown(kind)}, expected one of {', '.join(KINDS)}, array"
        )
    return kind, nullable


def _value(schema: Mapping[str, Any], kind: str, where: str) -> Value:
    limits = {"string": _TEXT_LIMITS, "number": _NUMBER_LIMITS, "integer": _NUMBER_LIMITS}
    words = limits.get(kind, ())
    _only(schema, ("type", "enum", "format", *words, *_REMARKS), where)
    form, choices = schema.get("format"), schema.get("enum", [])
    if form is not None and (kind != "string" or form not in FORMATS):
        raise ValueError(
            f"{where}: the format is {_shown(form)}; strings have {', '.join(FORMATS)}, or none"
        )
    if (
        not isinstance(choices, list)
        or len(choices) > MAX_CHOICES
        or ("enum" in schema) != bool(choices)
    ):
        raise ValueError(f"{where}: enum: expected a list of 1 to {MAX_CHOICES:,} values")
    plain = Value(kind)
    if any(_wrong(plain, choice) for choice in choices if choice is not None):
        raise ValueError(f"{where}: enum: expected values of the type {kind}")
    if choices and form:
        raise ValueError(f"{where}: enum and format: keep one of them")
    choices = tuple(choice for choice in choices if choice is not None)
    return Value(kind, choices, form, _limits(schema, words, where))


def _limits(
    schema: Mapping[str, Any], words: Sequence[str], where: str
) -> tuple[tuple[str, float], ...]:
    for word in words:
        if word in schema and (not is_number(schema[word]) or abs(schema[word]) > LARGEST_INTEGER):
            raise ValueError(f"{where}: {word}: expected a number, of at most 2^53")
    return tuple((word, schema[word]) for word in words if word in schema)


def _only(schema: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(schema, dict):
        raise ValueError(f"{where}: expected an object")
    unknown = [word for word in schema if word not in known]
    if unknown:
        raise ValueError(
            f"{where}: {_shown(unknown[0])} is not known here. Take it out; known are "
            f"{', '.join(known)}."
        )


def _problem(argument: Argument, value: Any) -> str | None:
    if value is None and argument.nullable:
        return None
    if not argument.many:
        return _wrong(argument.value, value)
    if not isinstance(value, list):
        return f"{_shown(value)}, expected a list"
    wrong = next((w for w in (_wrong(argument.value, item) for item in value) if w), None)
    return wrong or _beyond(argument.limits, len(value), "a list of {} values")


def _wrong(schema: Value, value: Any) -> str | None:
    """What is wrong with one value."""
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "number": is_number(value),
        "integer": is_number(value) and value == value // 1,
    }
    if not fits[schema.kind]:
        return f"{_shown(value)}, expected a value of the type {schema.kind}"
    if schema.choices and value not in schema.choices:
        return f"{_shown(value)}, expected one of {', '.join(map(_shown, schema.choices[:20]))}"
    if isinstance(value, str):
        return _beyond(schema.limits, len(value), "a text of {} characters")
    return _beyond(schema.limits, value, "{}")


def _beyond(limits: Sequence[tuple[str, float]], value: float, what: str) -> str | None:
    for word, bound in limits:
        if _OUTSIDE[word](value, bound):
            return f"{what.format(value)}, but {word} is {bound:g}"
    return None


def _shown(value: Any) -> str:
    text = repr(value) if value is None or isinstance(value, str | int | float) else ""
    return text[:60] if text else f"a {type(value).__name__}"
