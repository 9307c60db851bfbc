"""How models look as tools of the Model Context Protocol: names and descriptions.

Written for language models, which read all of it; nothing here answers a call.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

import mcp_types as types

from attar.serve.answering import Want
from attar.serve.mcp_schemas import EMBEDDINGS, input_schema, output_schema
from attar.serve.served import PREDICTS, Served
from attar.serve.service import Service
from attar.serve.settings import Limits

NAME_CHARACTERS = 58  # with "_embed" 64, the most that common clients take
SHOWN_LABELS, SHOWN_CHARACTERS = 40, 500  # of a description; some clients cut it at 1,024


_EMBED = (
    "Turns a text into the vector of numbers that the model represents it by, to compare "
    "texts by their meaning. Give text for one text, texts for several."
)


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
        input_schema=input_schema(limits, labeling and bool(tool.served.sections)),
        output_schema=output_schema(tool.served) if labeling else EMBEDDINGS,
        annotations=types.ToolAnnotations(
            read_only_hint=True,
            idempotent_hint=True,
            open_world_hint=tool.served.model.on_abstain != "return",
        ),
    )


def _description(served: Served) -> str:
    settings = served.bundle.manifest["task_settings"]
    if served.sections:
        parts = [_summarizing(served)]
    elif served.ranks:
        parts = [_ranking(served)]
    else:
        parts = ["Reads a text and " + ", and ".join(_abilities(served)) + "."]
    if served.sections:
        pass  # it always answers
    elif served.ranks:
        parts.append(
            "It abstains where none of them is a good answer: abstained is true and answer null "
            "then, and the documents are only what is nearest."
        )
    elif settings.get("threshold") is None:
        parts.append("It never abstains: it was built without a threshold for that.")
    else:
        fits = " or the text fits none of them" if settings.get("out_of_scope") else ""
        names = "marks" if served.marks else "names"
        parts.append(
            f"It abstains where it is not sure{fits}: abstained is true then, and what it "
            f"{names} is a guess that should not be relied on."
        )
    return " ".join([*parts, "Give text for one text, texts for several."])


def _ranking(served: Served) -> str:
    documents = served.predictor.documents
    names = _cut([one.title or one.id for one in documents[: SHOWN_LABELS + 1]], len(documents))
    return (
        f"Finds the documents that answer a question, among {len(documents)} of its own: {names}. "
        "answer is the sentence of the best one that fits best, documents are the best ten."
    )


def _summarizing(served: Served) -> str:
    parts = "Takes over the sentences of a document that matter most, word for word"
    if len(served.sections) > 1:
        parts += f", by section: {_cut(served.sections)}"
    return f"{parts}. words asks for a length in words."


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


def _cut(labels: Sequence[str], count: int | None = None) -> str:
    """The labels, as far as they are not too many. count: of all, where some were not given."""
    shown: list[str] = []
    for label in labels[:SHOWN_LABELS]:
        if sum(map(len, shown)) + 2 * len(shown) + len(label) > SHOWN_CHARACTERS:
            break
        shown.append(label)
    more = (len(labels) if count is None else count) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
