"""What a large model is asked to mark in a text, and its quotes found again in it.

Language models count letters badly and copy them well: they are asked for exact quotes, and
the offsets are found here. A quote that the text does not hold is dropped. Nothing is sent
from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from attar.tasks.annotations import Annotation, Span

PROMPT = "Read the user's text and answer with JSON: {parts}."
OF_SPANS = (
    " A span is an exact quote from the text, letter for letter, with its label; list spans in "
    "the order of the text, none where nothing fits."
)
OF_CALLS = (
    " Calls are the functions that the text asks for, in its order, none where it asks for none; "
    "their arguments keep to the text."
)
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "array": list, "object": dict, "boolean": bool, "number": (int, float),
    "integer": int, "null": type(None),
}  # fmt: skip


ALL_SPANS = ("spans", "entities", "slots", "mentions", "annotations", "extractions")
MOST_DEEP = 3  # objects within objects
Quote = tuple[str, str]  # a part of the text, and its label


class Marked(NamedTuple):
    """calls: (name, arguments) each; None where no functions were asked for."""

    annotation: Annotation
    calls: tuple[tuple[str, Mapping[str, Any]], ...] | None = None


class Marking(NamedTuple):
    """What is to be marked: a label of the whole text, where there are labels, and spans; or
    calls of functions (name, parameters and perhaps description of each), if they are given."""

    labels: Sequence[str]
    span_labels: Sequence[str]
    functions: Sequence[Mapping[str, Any]] | None = None

    def request(self, text: str) -> dict[str, Any]:
        """A chat completion to ask for, without the model."""
        prompt = PROMPT.format(parts=", ".join(self._schema()["properties"]))
        if self.functions is None:
            prompt += OF_SPANS
            if self.labels:
                prompt += f"\nLabels of the whole text: {', '.join(self.labels)}."
            prompt += f"\nLabels of spans: {', '.join(self.span_labels)}."
        else:
            prompt += OF_CALLS
            for function in self.functions:
                prompt += f"\nFunction: {json.dumps(function, ensure_ascii=False)}"
        wanted = {"name": "marked", "strict": self.functions is None, "schema": self._schema()}
        return {
            "messages": [
                {"role": "system", "content": prompt},
                {"role": "user", "content": text},
            ],
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": wanted},
        }

    def read(self, said: str, text: str) -> Marked | None:
        """The large model's answer; None where it is not what was asked for."""
        found = _json(said)
        if not isinstance(found, dict):
            return None
        if self.functions is not None:
            calls = found.get("calls")
            return Marked(Annotation(), self._calls(calls)) if isinstance(calls, list) else None
        if not isinstance(found.get("spans"), list):
            return None
        label = found.get("label") if self.labels else None
        if self.labels and label not in self.labels:
            return None
        quotes = [
            (one["text"], one["label"])
            for one in found["spans"]
            if isinstance(one, dict)
            and isinstance(one.get("text"), str)
            and one.get("label") in self.span_labels
        ]
        return Marked(Annotation(label, placed(text, quotes)))

    def _calls(self, given: Sequence[Any]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Those whose arguments keep the function's schema."""
        schemas = {one["name"]: one.get("parameters") or {} for one in self.functions or ()}
        found: list[tuple[str, Mapping[str, Any]]] = []
        for one in given:
            if not isinstance(one, dict):
                continue
            name, arguments = one.get("name"), one.get("arguments")
            if not isinstance(name, str) or not isinstance(arguments, dict):
                continue
            if name in schemas and fits(arguments, schemas[name]):
                found.append((name, arguments))
        return tuple(found)

    def _schema(self) -> dict[str, Any]:
        if self.functions is not None:
            one_of = [
                _object({
                    "name": {"type": "string", "enum": [one["name"]]},
                    "arguments": one.get("parameters") or {"type": "object"},
                })
                for one in self.functions
            ]  # fmt: skip
            return _object({"calls": {"type": "array", "items": {"anyOf": one_of}}})
        label = {"type": "string", "enum": [*self.span_labels]}
        span = _object({"text": {"type": "string"}, "label": label})
        members: dict[str, Any] = {"spans": {"type": "array", "items": span}}
        if self.labels:
            members = {"label": {"type": "string", "enum": [*self.labels]}, **members}
        return _object(members)


def annotation_said(
    written: str | None, label: str | None, text: str, marking: Marking
) -> Annotation | None:
    """An answer in an application's own JSON, as far as it says spans: under `spans` or
    `entities`, or as texts under the names of their labels, in inner objects too. None where it
    says none, or lacks a label that the text should have."""
    found = _json(written or "")
    if not isinstance(found, dict) or (marking.labels and label not in marking.labels):
        return None
    kinds = {plain(one): one for one in marking.span_labels}
    quotes = list(_quotes(found, kinds, 0))
    if not quotes and not any(plain(name) in {*kinds, *ALL_SPANS} for name in _names(found)):
        return None
    said = [(quote, kind) for quote, kind in quotes if quote.strip()]
    return Annotation(label if marking.labels else None, placed(text, said))


def _quotes(found: Mapping[str, Any], kinds: Mapping[str, str], deep: int) -> Iterable[Quote]:
    for name, value in found.items():
        many = value if isinstance(value, list) else [value]
        kind = kinds.get(plain(name)) or kinds.get(plain(name).removesuffix("s"))
        for one in many:
            if kind is not None and isinstance(one, str | int | float) and one is not True:
                yield str(one), kind
            elif isinstance(one, dict) and plain(name) in ALL_SPANS and isinstance(value, list):
                texts = [one[key] for key in ("text", "quote", "word", "value") if key in one]
                types = [one[key] for key in ("label", "type", "entity_group") if key in one]
                known = kinds.get(plain(types[0])) if types else None
                if texts and isinstance(texts[0], str) and known is not None:
                    yield texts[0], known
            elif isinstance(one, dict) and deep < MOST_DEEP:
                yield from _quotes(one, kinds, deep + 1)


def _names(found: Mapping[str, Any]) -> Iterable[str]:
    inner = [value for value in found.values() if isinstance(value, dict)]
    return (*found, *(name for one in inner for name in one))


def plain(name: Any) -> str:
    """A name without what differs between ways to write it: toCity, to_city, to.city."""
    return re.sub(r"[\W_]+", "", str(name).casefold()) or str(name)


def placed(text: str, quotes: Iterable[Quote]) -> tuple[Span, ...]:
    """Spans of (quote, label) each: the first place of the quote that no span has taken, whole
    words before parts of them. In order."""
    found: list[Span] = []
    for quote, label in quotes:
        quote = quote.strip()
        places = [at for at in _places(text, quote) if _is_free(found, at, at + len(quote))]
        whole = [at for at in places if _is_whole(text, at, at + len(quote))]
        for start in (whole or places)[:1]:
            found.append(Span(start, start + len(quote), label))
    return tuple(sorted(found))


def fits(value: Any, schema: Any) -> bool:
    """Whether a value keeps the words of JSON Schema that parameters of functions use: type,
    enum, const, properties, required, additionalProperties and items."""
    if not isinstance(schema, Mapping):
        return True
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if kinds != [None] and not any(_is_of(value, kind) for kind in kinds):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return False
    if isinstance(value, list):
        return all(fits(one, schema.get("items")) for one in value)
    if not isinstance(value, dict):
        return True
    properties = schema.get("properties") or {}
    more = schema.get("additionalProperties", True)
    return all(name in value for name in schema.get("required") or ()) and all(
        fits(one, properties.get(name, more)) and (name in properties or more is not False)
        for name, one in value.items()
    )


def _json(written: str) -> Any:
    """What was written, with or without a fence around it; None for no JSON."""
    fenced = _FENCED.fullmatch(written.strip())
    try:
        return json.loads(fenced[1] if fenced else written)
    except (ValueError, RecursionError):
        return None


def _is_of(value: Any, kind: Any) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _TYPES.get(kind, object))


def _object(members: dict[str, Any]) -> dict[str, Any]:
    """All members are required and no others allowed, as strict structured outputs need it."""
    return {
        "type": "object", "properties": members, "required": [*members],
        "additionalProperties": False,
    }  # fmt: skip


def _places(text: str, quote: str) -> Iterable[int]:
    at = text.find(quote) if quote else -1
    while at >= 0:
        yield at
        at = text.find(quote, at + 1)


def _is_free(found: Iterable[Span], start: int, end: int) -> bool:
    return all(one.end <= start or one.start >= end for one in found)


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether neither edge cuts a word."""
    cuts = [text[at - 1 : at + 1] for at in (start, end) if 0 < at < len(text)]
    return not any(pair.isalnum() for pair in cuts)
