"""What tools of the Model Context Protocol take and give, as JSON Schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attar.serve.served import Served
from attar.serve.settings import Limits
from attar.tasks.choosing import MOST_WORDS


def input_schema(limits: Limits, words: bool) -> dict[str, Any]:
    """Exactly one of two: said by a count, as many clients take no oneOf at the root. words:
    whether a length may be asked for."""
    text = {"type": "string", "maxLength": limits.characters}
    length = {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_WORDS,
        "description": "Length of the summary in words; without it as the build found best.",
    }
    return {
        "type": "object",
        "properties": {
            **({"words": length} if words else {}),
            "text": {**text, "description": "The text to answer."},
            "texts": {
                "type": "array",
                "items": text,
                "minItems": 1,
                "maxItems": limits.texts,
                "description": "Several texts, answered in this order. Instead of text.",
            },
        },
        "minProperties": 1,
        "maxProperties": 2 if words else 1,
        "additionalProperties": False,
    }


_SCORE = {"type": "number", "minimum": 0, "maximum": 1}
_SCORED = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"label": {"type": "string"}, "score": _SCORE},
        "required": ["label", "score"],
    },
}


def _parts(kind: str, description: str) -> dict[str, Any]:
    """Parts of a text. kind: what the field is called that says what each is."""
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                kind: {"type": "string"},
                "start": {"type": "integer", "description": "In code points."},
                "end": {"type": "integer", "description": "Not included."},
                "score": _SCORE,
            },
            "required": ["text", kind, "start", "end", "score"],
        },
        "description": description,
    }


_SPANS = _parts("label", "Parts of the text, in order.")
_CALLS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "arguments": {"type": "object"},
            "score": _SCORE,
        },
        "required": ["name", "arguments", "score"],
    },
    "description": "Functions that the text asks to call, in its order.",
}


_ANSWERED_BY = {"type": "string", "enum": ["model", "fallback", "person", "nobody"]}
_NOTE = {"type": "string", "description": "Why nobody else answered."}
_RANKED = {
    "answer": {
        "type": ["string", "null"],
        "description": "The sentence that answers best; null where no document does.",
    },
    "documents": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "title": {"type": "string"},
                "text": {"type": "string"},
                "score": {"type": "number", "description": "How near it is, at most 1."},
            },
            "required": ["id", "title", "text", "score"],
        },
        "description": "The best documents, best first.",
    },
}
_SUMMED = {
    "summary": {"type": "string"},
    "sections": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "The summary by section.",
    },
    "sentences": _parts("section", "Its sentences, as they stand in the document."),
}


def output_schema(served: Served) -> dict[str, Any]:
    """Labels are not listed: a client keeps the schema, and a reload may change them."""
    if served.ranks or served.sections:
        return _either(
            {
                **(_RANKED if served.ranks else _SUMMED),
                "score": {**_SCORE, "description": "How sure the model is."},
                "abstained": {"type": "boolean", "description": "True: do not rely on it."},
                "answered_by": _ANSWERED_BY,
                "note": _NOTE,
            },
            [
                *(("answer", "documents") if served.ranks else ("summary", "sentences")),
                *("score", "abstained", "answered_by"),
            ],
        )
    many = "label_thresholds" in served.bundle.manifest["task_settings"]
    nullable = ["string", "null"] if served.marks else "string"
    label: dict[str, Any] = {"labels": _SCORED} if many else {"label": {"type": nullable}}
    if served.marks:
        label["spans"] = _SPANS
    if served.calls:
        label["calls"] = _CALLS
    properties: dict[str, Any] = {
        **label,
        "score": {**_SCORE, "description": "How sure the model is."},
        "abstained": {"type": "boolean", "description": "True: do not rely on the label."},
        "alternatives": {**_SCORED, "description": "The next best labels."},
        "answered_by": _ANSWERED_BY,
        "note": _NOTE,
    }
    required = [*(() if many else label), "score", "abstained", "alternatives", "answered_by"]
    return _either(properties, required)


def _either(properties: dict[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """One answer with these properties, or several of them."""
    required = [*required]
    answer = {"type": "object", "properties": properties, "required": required}
    answers = {"type": "array", "items": answer, "description": "Of texts, in their order."}
    return {
        "type": "object",
        "properties": {**properties, "answers": answers},
        "oneOf": [{"required": required}, {"required": ["answers"]}],
    }


EMBEDDINGS = {
    "type": "object",
    "properties": {
        "embeddings": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}},
            "description": "One for each text, in their order.",
        }
    },
    "required": ["embeddings"],
}
