"""How models look as tools of the Model Context Protocol: names, descriptions, schemas.

Written for language models, which read all of it; nothing here answers a call.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mcp_types as types

from attar.serve.answering import Want
from attar.serve.served import PREDICTS, Served
from attar.serve.service import Service
from attar.serve.settings import Limits

NAME_CHARACTERS = 58  # with "_embed" 64, the most that common clients take
SHOWN_LABELS, SHOWN_CHARACTERS = 40, 500  # of a description; some clients cut it at 1,024


class Offered(NamedTuple):
    """A tool: what it is called, which model it asks and for what."""

    name: str
    served: Served
    want: Want


def offered_by(service: Service, embed: bool) -> dict[str, Offered]:
    """The tools of a service by name, in the order of its models."""
    found: dict[str, Offered] = {}
    for served in service.models.values():
        capabilities = served.predictor.capabilities
        name = _valid(served.name, lambda name: name in found or f"{name}_embed" in found)
        if not set(PREDICTS).isdisjoint(capabilities):
            found[name] = Offered(name, served, "label")
        if embed and "embed" in capabilities:
            found[f"{name}_embed"] = Offered(f"{name}_embed", served, "embed")
    return found


def _valid(name: str, taken: Callable[[str], bool]) -> str:
    """The name as tools may have it, with a number where another has it already."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_") or "model"
    found, number = plain[:NAME_CHARACTERS], 2
    while taken(found):
        ending = f"_{number}"
        found, number = plain[: NAME_CHARACTERS - len(ending)] + ending, number + 1
    return found


def describe(tool: Offered, limits: Limits) -> types.Tool:
    """What a client is told of a tool; asked for anew, as a reload may change the model."""
    labeling = tool.want == "label"
    return types.Tool(
        name=tool.name,
        title=tool.served.name if labeling else f"{tool.served.name}: embeddings",
        description=_description(tool.served) if labeling else _EMBED,
        input_schema=_input_schema(limits),
        output_schema=_output_schema(tool.served) if labeling else _EMBEDDINGS,
        annotations=types.ToolAnnotations(
            read_only_hint=True,
            idempotent_hint=True,
            open_world_hint=tool.served.model.on_abstain != "return",
        ),
    )


def _description(served: Served) -> str:
    settings = served.bundle.manifest["task_settings"]
    parts = ["Reads a text and " + ", and ".join(_abilities(served)) + "."]
    if settings.get("threshold") is None:
        parts.append("It never abstains: it was built without a threshold for that.")
    else:
        fits = " or the text fits none of them" if settings.get("out_of_scope") else ""
        names = "marks" if served.marks else "names"
        parts.append(
            f"It abstains where it is not sure{fits}: abstained is true then, and what it "
            f"{names} is a guess that should not be relied on."
        )
    return " ".join([*parts, "Give text for one text, texts for several."])


def _abilities(served: Served) -> list[str]:
    settings = served.bundle.manifest["task_settings"]
    labels, found = served.labels, []
    if labels or not served.marks:
        many = "label_thresholds" in settings
        what = "names the labels that apply to it, any number of" if many else "names one of"
        found.append(f"{what} {len(labels)} labels: {_cut(labels)}")
    if served.span_labels:
        kinds = "one kind" if len(served.span_labels) == 1 else f"{len(served.span_labels)} kinds"
        found.append(f"marks spans of {kinds} in it: {_cut(served.span_labels)}")
    if served.calls:
        functions = [str(one["name"]) for one in served.functions]
        found.append(f"says which functions it asks to call: {_cut(functions)}")
    return found


def _cut(labels: Sequence[str]) -> str:
    shown: list[str] = []
    for label in labels[:SHOWN_LABELS]:
        if sum(map(len, shown)) + 2 * len(shown) + len(label) > SHOWN_CHARACTERS:
            break
        shown.append(label)
    more = len(labels) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _input_schema(limits: Limits) -> dict[str, Any]:
    """Exactly one of two: said by a count, as many clients take no oneOf at the root."""
    text = {"type": "string", "maxLength": limits.characters}
    return {
        "type": "object",
        "properties": {
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
        "maxProperties": 1,
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


_SPANS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "label": {"type": "string"},
            "start": {"type": "integer", "description": "In code points."},
            "end": {"type": "integer", "description": "Not included."},
            "score": _SCORE,
        },
        "required": ["text", "label", "start", "end", "score"],
    },
    "description": "Parts of the text, in order.",
}
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


def _output_schema(served: Served) -> dict[str, Any]:
    """Labels are not listed: a client keeps the schema, and a reload may change them."""
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
        "answered_by": {"type": "string", "enum": ["model", "fallback", "person", "nobody"]},
        "note": {"type": "string", "description": "Why nobody else answered."},
    }
    required = [*(() if many else label), "score", "abstained", "alternatives", "answered_by"]
    answer = {"type": "object", "properties": properties, "required": required}
    answers = {"type": "array", "items": answer, "description": "Of texts, in their order."}
    return {
        "type": "object",
        "properties": {**properties, "answers": answers},
        "oneOf": [{"required": required}, {"required": ["answers"]}],
    }


_EMBED = (
    "Turns a text into the vector of numbers that the model represents it by, to compare "
    "texts by their meaning. Give text for one text, texts for several."
)
_EMBEDDINGS = {
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
