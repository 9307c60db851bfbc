"""A label put into the JSON that a client asks for, by the client's own JSON Schema.

Covers what structured outputs ask of a classifier: an object whose properties are the
label, the score, whether the model abstained, the alternatives, or constants. Which
property is which, its enum or its name tells. What cannot be filled honestly is refused.
`span_fill` adds what a model that marks spans knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeGuard

LABEL_NAMES = (
    *("label", "intent", "category", "class", "classification", "topic", "answer", "name"),
    *("value", "result", "type", "sentiment", "language", "route", "department"),
)
SCORE_NAMES = ("score", "confidence", "probability", "certainty")
ABSTAINED_NAMES = ("abstained", "unsure", "out_of_scope", "handover", "hand_over")
UNKNOWN: Final = object()
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
    return Filling(schema, label, labels, score, abstained).whole()


class Filling:
    """One schema on its way to a value. The parameters are those of `filled`."""

    def __init__(
        self,
        schema: Mapping[str, Any],
        label: str | None,
        labels: Sequence[str],
        score: float,
        abstained: bool,
    ) -> None:
        self.root, self.label, self.labels = schema, label, labels
        self.score, self.abstained = score, abstained
        self._parts = 0

    def whole(self) -> Any:
        """Raises CannotFillError."""
        top = self.resolve(self.root)
        if not isinstance(top.get("properties"), Mapping):
            return self.value("label", top, 0, self.label)
        return self.members(top, 0)

    def members(self, part: Mapping[str, Any], deep: int) -> dict[str, Any]:
        """The properties of an object; those that are not required only where they are known."""
        required = part.get("required")
        needed = [n for n in required if isinstance(n, str)] if isinstance(required, list) else []
        made: dict[str, Any] = {}
        for name, member in part["properties"].items():
            try:
                made[name] = self.value(str(name), member, deep, self.label)
            except CannotFillError as error:
                if name in needed:
                    raise
                self.left_out(error)
        for name in needed:
            if name not in made:
                raise CannotFillError(f"{name!r} is required and not described")
        if not made:
            self.nothing_made()
        return made

    def known(self, name: str, part: Mapping[str, Any], kinds: Sequence[Any], deep: int) -> Any:
        """What is known besides a classifier's answer; UNKNOWN for what is not."""
        return UNKNOWN

    def left_out(self, error: CannotFillError) -> None:
        """Told of a property that was not required and could not be filled."""

    def nothing_made(self) -> None:
        """An object has come out empty."""
        raise CannotFillError("none of its properties is a label, a score or an abstention")

    def resolve(self, part: Any) -> Mapping[str, Any]:
        """The part itself, or what it refers to."""
        seen = 0
        while isinstance(part, Mapping) and isinstance(part.get("$ref"), str):
            seen += 1
            reference = part["$ref"]
            if seen > 20 or not reference.startswith("#/"):
                raise CannotFillError(f"the reference {reference[:80]!r} leads out of the schema")
            found: Any = self.root
            for step in reference[2:].split("/"):
                step = step.replace("~1", "/").replace("~0", "~")
                if not isinstance(found, Mapping) or step not in found:
                    raise CannotFillError(f"the reference {reference[:80]!r} leads nowhere")
                found = found[step]
            part = found
        if not isinstance(part, Mapping):
            raise CannotFillError("a part of the schema is no object")
        return part

    def entered(self, name: str, part: Any, deep: int) -> Mapping[str, Any]:
        """The part, resolved and counted. Raises CannotFillError where there are too many."""
        self._parts += 1
        if deep > MOST_DEEP or self._parts > MOST_PARTS:
            raise CannotFillError(f"{name!r} is nested too deeply, or refers to itself")
        return self.resolve(part)

    def value(self, name: str, part: Any, deep: int, said: str | None) -> Any:
        """A value for the property. said: the label that it may take."""
        part = self.entered(name, part, deep)
        found = choices_of(part)
        if found is not None:
            return self.first_of(name, found, lambda one: self.value(name, one, deep + 1, said))
        kinds = kinds_of(part)
        known = self.known(name, part, kinds, deep)
        if known is not UNKNOWN:
            return known
        if "const" in part:
            return part["const"]
        if isinstance(part.get("enum"), list):
            return self._from_enum(name, part["enum"], said)
        made = self._by_name(name, part, kinds, deep, said)
        if not within(made, part):
            raise CannotFillError(f"{name!r} cannot be {str(made)[:80]!r}")
        return made

    def _by_name(
        self, name: str, part: Mapping[str, Any], kinds: Sequence[Any], deep: int, said: str | None
    ) -> Any:
        plain = name.lower()
        if plain in ABSTAINED_NAMES and "boolean" in kinds:
            return self.abstained
        if plain in SCORE_NAMES and ("number" in kinds or "integer" in kinds):
            return self.as_score(name, part, kinds, self.score)
        if "array" in kinds and plain in LABELS_NAMES:
            return self._listed(name, part.get("items", True), deep)
        if "string" in kinds and plain in LABEL_NAMES:
            return self._text_for(name, "null" in kinds, said)
        if "null" in kinds:
            return None
        raise CannotFillError(f"{name!r} asks for what {self.model} does not know")

    model = "a classifier"

    def as_score(
        self, name: str, part: Mapping[str, Any], kinds: Sequence[Any], score: float
    ) -> float:
        most = part.get("maximum")
        if "number" not in kinds:
            if most != 100:
                raise CannotFillError(f"{name!r} is an integer; scores are numbers from 0 to 1")
            return round(100 * score)
        return round(100 * score, 4) if most == 100 else round(score, 6)

    def first_of(self, name: str, choices: Sequence[Any], fill: Callable[[Any], Any]) -> Any:
        """The first of the choices that can be filled; null only where no other can."""
        problem = CannotFillError(f"{name!r} has no choices")
        for choice in sorted(choices, key=_is_null):
            try:
                return fill(choice)
            except CannotFillError as error:
                problem = error
        raise problem

    def _listed(self, name: str, part: Any, deep: int) -> list[str]:
        if part is True or part == {}:
            return list(self.labels)
        found = []
        for one in self.labels:
            try:
                fits = self.value("label", part, deep + 1, one) == one
            except CannotFillError:
                fits = False
            if fits:
                found.append(one)
            elif not self.abstained:  # an abstention names no label
                raise CannotFillError(f"{name!r} does not allow the label {one!r}")
        return found

    def _text_for(self, name: str, nullable: bool, said: str | None) -> Any:
        if said is not None:
            return said
        if nullable:
            return None
        raise CannotFillError(f"{name!r} takes one label; this model gives a text {self.gives}")

    gives = "several"

    def _from_enum(self, name: str, allowed: Sequence[Any], said: str | None) -> Any:
        if said in allowed:
            return said
        if None in allowed:
            return None
        raise CannotFillError(f"{name!r} does not allow the label {said!r} in its enum")


def choices_of(part: Mapping[str, Any]) -> list[Any] | None:
    """The schemas of which one holds, None where the part stands by itself."""
    for key in ("anyOf", "oneOf"):
        if isinstance(part.get(key), list):
            return list(part[key])
    alone = part.get("allOf")
    return list(alone) if isinstance(alone, list) and len(alone) == 1 else None


def kinds_of(part: Mapping[str, Any]) -> list[Any]:
    """The JSON types that a part allows; [None] where it names none."""
    kind = part.get("type")
    return kind if isinstance(kind, list) else [kind]


def _is_null(choice: Any) -> bool:
    return isinstance(choice, Mapping) and choice.get("type") == "null"


def within(value: Any, part: Mapping[str, Any]) -> bool:
    """Whether a value keeps the limits on its length and size."""
    size: float
    if isinstance(value, list):
        size, keys = len(value), ("minItems", "maxItems")
    elif isinstance(value, str):
        size, keys = len(value), ("minLength", "maxLength")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        size, keys = value, ("minimum", "maximum")
    else:
        return True
    least, most = (part.get(key) for key in keys)
    under = _is_limit(least) and size < least
    return not under and not (_is_limit(most) and size > most)


def _is_limit(bound: Any) -> TypeGuard[int | float]:
    return isinstance(bound, int | float) and not isinstance(bound, bool)
