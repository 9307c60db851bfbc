"""Spans and function calls put into the JSON that a client asks for, by its own JSON Schema.

Beside what `schema_fill` knows, a property may be named as a label of spans (its text, or all
of them as an array), `spans` or `entities` (all spans), or `calls`. What no span says is null
where the schema allows it, left out where it is not required, and refused otherwise. `pattern`
and `format` are not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attar.predictions import Call, Extraction, FoundSpan
from attar.runtime.quotes import ALL_SPANS, plain
from attar.serve.item_fill import ItemFilling, Name, NothingFoundError, takes_null
from attar.serve.schema_fill import LABEL_NAMES, SCORE_NAMES, UNKNOWN, CannotFillError

CALLS_NAMES = ("calls", "toolcalls", "functioncalls", "functions", "actions")
TEXT_ROLE = ("text", "quote", "word", "value", "span", "mention", "name", "surface", "entity")
LABEL_ROLE = ("label", "type", "entitygroup", "entitytype", "category", "tag", "kind", "entity")
START_ROLE = ("start", "begin", "startoffset", "startchar", "from")
END_ROLE = ("end", "stop", "endoffset", "endchar", "to")
FUNCTION_ROLE = ("name", "function", "tool", "functionname", "toolname")
ARGUMENTS_ROLE = ("arguments", "parameters", "args", "input")


class SpanFilling(ItemFilling):
    """The parameters are those of `filled`; found: what the model marked, nothing where it
    abstained; span_labels: all that its spans can be."""

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
        self.found = found
        self._labels = {plain(one): one for one in reversed(span_labels)}

    def known(self, name: str, part: Mapping[str, Any], kinds: Sequence[Any], deep: int) -> Any:
        """What the spans and calls say of a property."""
        called = plain(name)
        label = self._labels.get(called)
        if label is None and "array" in kinds:
            label = self._labels.get(called.removesuffix("s"))
        if label is not None:
            return self._of_label(name, label, part, kinds, deep)
        if "array" in kinds and called in ALL_SPANS:
            return self.all_of(
                name, part, (self._item(name, s, deep) for s in self.found.spans), _as_span
            )
        if "array" in kinds and called in CALLS_NAMES:
            if self.found.calls is None:
                raise CannotFillError(f"{name!r}: this model knows no functions")
            return self.all_of(
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

    def nothing_made(self) -> None:
        if self.missing is None:
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
            return self.all_of(name, part, made, lambda fill: fill({"type": "string"}))
        if spans:
            try:
                made_of_first = self._item(name, spans[0], deep)(part)
            except CannotFillError:
                if not takes_null(part, kinds):
                    raise
                return None
            self.drawn += 1
            return made_of_first
        if takes_null(part, kinds):
            return None
        why = "the model abstains" if self.abstained else f"no {label!r} stands in the text"
        raise NothingFoundError(f"{name!r}: {why}")

    def _item(self, name: str, span: FoundSpan, deep: int) -> Callable[[Any], Any]:
        """Fills a schema with one span: its text, or an object with text, label and offsets."""
        text = self.found.text[span.start : span.end]

        def role_of(called: str, others: set[str]) -> Any:
            if called in TEXT_ROLE and (called != "entity" or not others & set(TEXT_ROLE)):
                return text
            if called in LABEL_ROLE:
                return Name(span.label)
            if called in START_ROLE:
                return span.start
            if called in END_ROLE:
                return span.end
            return round(span.score, 6) if called in SCORE_NAMES else UNKNOWN

        return lambda part: self.one_of(name, part, text, role_of, deep + 1)

    def _call(self, name: str, call: Call, deep: int) -> Callable[[Any], Any]:
        """Fills a schema with one call, by name and arguments, as OpenAI nests them or not."""

        def role_of(called: str, others: set[str]) -> Any:
            if called in FUNCTION_ROLE:
                return Name(call.name)
            if called in ARGUMENTS_ROLE:
                return dict(call.arguments)
            return round(call.score, 6) if called in SCORE_NAMES else UNKNOWN

        return lambda part: self.one_of(name, part, UNKNOWN, role_of, deep + 1)


def _as_span(fill: Callable[[Any], Any]) -> Any:
    return fill({"properties": {key: {} for key in ("text", "label", "start", "end")}})


def _as_called(fill: Callable[[Any], Any]) -> Any:
    return fill({"properties": {"name": {"type": "string"}, "arguments": {}}})
