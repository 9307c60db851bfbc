"""A label put into the JSON that a client asks for, by the client's own JSON Schema.

Covers what structured outputs ask of a classifier: an object whose properties are the
label, the score, whether the model abstained, the alternatives, or constants. Which
property is which, its enum or its name tells. What cannot be filled honestly is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LABEL_NAMES = (
    *("label", "intent", "category", "class", "classification", "topic", "answer", "name"),
    *("value", "result", "type", "sentiment", "language", "route", "department"),
)
SCORE_NAMES = ("score", "confidence", "probability", "certainty")
ABSTAINED_NAMES = ("abstained", "unsure", "out_of_scope", "handover", "hand_over")
MOST_DEEP, MOST_PARTS = 20, 2_000  # a schema may refer to itself
LABELS_NAMES = ("labels", "intents", "categories", "classes", "topics")


class CannotFillError(ValueError):
    """The schema asks for something that the model does not know. The message says what."""


def filled(
    schema: Mapping[str, Any],
    label: str | None,
    labels: Sequence[str],
    score: float,
    abstained: bool,
) -> Any:
    """A value of the schema. label: None where a text has several. Raises CannotFillError."""
    root, parts = schema, 0

    def resolve(part: Any) -> Mapping[str, Any]:
        seen = 0
        while isinstance(part, Mapping) and isinstance(part.get("$ref"), str):
            seen += 1
            if seen > 20 or not part["$ref"].startswith("#/"):
                raise CannotFillError(
                    f"the reference {part['$ref'][:80]!r} leads out of the schema"
                )
            found: Any = root
            for step in part["$ref"][2:].split("/"):
                step = step.replace("~1", "/").replace("~0", "~")
                if not isinstance(found, Mapping) or step not in found:
                    raise CannotFillError(f"the reference {part['$ref'][:80]!r} leads nowhere")
                found = found[step]
            part = found
        if not isinstance(part, Mapping):
            raise CannotFillError("a part of the schema is no object")
        return part

    def value(name: str, part: Any, deep: int = 0, said: str | None = label) -> Any:
        nonlocal parts
        parts += 1
        if deep > MOST_DEEP or parts > MOST_PARTS:
            raise CannotFillError(f"{name!r} is nested too deeply, or refers to itself")
        part = resolve(part)
        for key in ("anyOf", "oneOf"):
            if isinstance(part.get(key), list):
                return first_of(name, part[key], deep, said)
        if isinstance(part.get("allOf"), list) and len(part["allOf"]) == 1:
            return value(name, part["allOf"][0], deep + 1, said)
        if "const" in part:
            return part["const"]
        kind = part.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        plain = name.lower()
        if isinstance(part.get("enum"), list):
            return from_enum(name, part["enum"], said)
        if plain in ABSTAINED_NAMES and "boolean" in kinds:
            return abstained
        if plain in SCORE_NAMES and ("number" in kinds or "integer" in kinds):
            most = part.get("maximum")
            if "number" not in kinds:
                if most != 100:
                    raise CannotFillError(f"{name!r} is an integer; scores are numbers from 0 to 1")
                return round(100 * score)
            return round(100 * score, 4) if most == 100 else round(score, 6)
        if "array" in kinds and plain in LABELS_NAMES:
            return listed(name, part.get("items", True), deep)
        if "string" in kinds and plain in LABEL_NAMES:
            return text_for(name, "null" in kinds, said)
        if "null" in kinds:
            return None
        raise CannotFillError(f"{name!r} asks for what a classifier does not know")

    def listed(name: str, part: Any, deep: int) -> list[str]:
        if part is True or part == {}:
            return list(labels)
        found = []
        for one in labels:
            try:
                fits = value("label", part, deep + 1, one) == one
            except CannotFillError:
                fits = False
            if fits:
                found.append(one)
            elif not abstained:  # an abstention names no label
                raise CannotFillError(f"{name!r} does not allow the label {one!r}")
        return found

    def text_for(name: str, nullable: bool, said: str | None) -> Any:
        if said is not None:
            return said
        if nullable:
            return None
        raise CannotFillError(f"{name!r} takes one label; this model gives a text several")

    def from_enum(name: str, allowed: Sequence[Any], said: str | None) -> Any:
        if said in allowed:
            return said
        if None in allowed:
            return None
        raise CannotFillError(f"{name!r} does not allow the label {said!r} in its enum")

    def first_of(name: str, choices: Sequence[Any], deep: int, said: str | None) -> Any:
        problem = CannotFillError(f"{name!r} has no choices")
        for choice in sorted(choices, key=_is_null):
            try:
                return value(name, choice, deep + 1, said)
            except CannotFillError as error:
                problem = error
        raise problem

    top = resolve(schema)
    properties = top.get("properties")
    if not isinstance(properties, Mapping):
        return value("label", top)
    required = top.get("required")
    required = [n for n in required if isinstance(n, str)] if isinstance(required, list) else []
    made: dict[str, Any] = {}
    for name, part in properties.items():
        try:
            made[name] = value(str(name), part)
        except CannotFillError:
            if name in required:
                raise
    for name in required:
        if name not in made:
            raise CannotFillError(f"{name!r} is required and not described")
    if not made:
        raise CannotFillError("none of its properties is a label, a score or an abstention")
    return made


def _is_null(choice: Any) -> bool:
    return isinstance(choice, Mapping) and choice.get("type") == "null"
