"""The bodies of attar's own routes that ask for answers and correct them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from attar.tasks.choosing import MOST_WORDS

Score = Annotated[float, Meta(ge=0, le=1)]
# Only described: what is said of an empty list here is clearer than a type's error.
FILLED = Meta(extra_json_schema={"minItems": 1})
EITHER_TEXT = Meta(extra_json_schema={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]})


Words = Annotated[int, Meta(ge=1, le=MOST_WORDS)]


class Texts(Struct, forbid_unknown_fields=True):
    """One text, or several: either `text` or `texts`. words: how long a summary is to be, of a
    model that makes some; without it as long as the build found best."""

    text: str | UnsetType = UNSET
    texts: Annotated[list[str], FILLED] | UnsetType = UNSET
    words: Words | None = None


Named = Annotated[str, Meta(min_length=1)]
MOST_LABELS = MOST_SPANS = MOST_CALLS = 1_000  # of one text
SOMETHING_RIGHT = Meta(
    extra_json_schema={
        "anyOf": [
            {
                "required": ["label"],
                "properties": {"label": {"anyOf": [{"type": "string"}, {"type": "array"}]}},
            },
            {"required": ["spans"]},
            {"required": ["calls"]},
            {"required": ["summary"]},
        ]
    }
)


class FoundSpan(Struct):
    """A part of the text. start, end: code points, end not included."""

    start: int
    end: int
    text: str
    label: str
    score: Score


class CalledFunction(Struct):
    """A function call that the text asks for; arguments are valid against the function's schema."""

    name: str
    arguments: dict[str, Any]
    score: Score


class FoundDocument(Struct):
    """A document of the model's own. score: how near it is to the query, at most 1. passage:
    start and end in the text, code points, of the sentence that fits best; of the best document
    alone."""

    id: str
    score: float
    title: str
    text: str
    passage: tuple[int, int] | UnsetType = UNSET


class ChosenSentence(Struct):
    """A sentence of the text that a summary takes over, and the section that it is for."""

    start: int
    end: int
    text: str
    section: str
    score: Score


class Answered(Struct):
    """An answer. label or labels: by whoever answered, the model's best guess where nobody
    did; null from a model that only marks spans. spans, calls: from a model that marks spans, or
    knows functions; what a fallback marks has the model's scores, 0 where it has none. documents:
    from a model that ranks them, best first, instead of a label; text: what a fallback says in
    their place. summary, sentences, and sections, where a model knows several: from one that
    summarizes. score: of the model.
    answered_by: model, fallback, person (asked, not yet answered) or nobody (the model
    abstained). note: why nobody else answered."""

    score: Score
    abstained: bool
    answered_by: str
    alternatives: list[tuple[str, Score]] | UnsetType = UNSET
    label: str | UnsetType | None = UNSET
    labels: list[tuple[str, Score]] | UnsetType = UNSET
    spans: list[FoundSpan] | UnsetType = UNSET
    calls: list[CalledFunction] | UnsetType = UNSET
    documents: list[FoundDocument] | UnsetType = UNSET
    text: str | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    sentences: list[ChosenSentence] | UnsetType = UNSET
    sections: dict[str, str] | UnsetType = UNSET
    note: str | UnsetType = UNSET


class Answers(Struct):
    model: str
    content_sha256: str
    answers: list[Answered]


# JSON Schema calls 5.0 an integer; `wire` sees to that only for fields of the body itself.
Offset = Annotated[float, Meta(ge=0, extra_json_schema={"type": "integer"})]


class MarkedSpan(Struct, forbid_unknown_fields=True):
    """A part of the text and what it is. start, end: code points, end not included."""

    start: Offset
    end: Offset
    label: Named


class RightCall(Struct, forbid_unknown_fields=True):
    name: Named
    arguments: dict[str, Any]


class Correction(Struct, forbid_unknown_fields=True):
    """What a person says of a text. label: a list for a model that gives a text several, an empty
    one where none fits; of a model that ranks documents the id of the right one, a list of several
    or its label for queries that none answers. spans: all of them, for a model that marks spans;
    empty where there are none. calls: all of them, in order, for a model that knows functions, and
    nothing else. summary: for a model that summarizes, and nothing else; by section where it knows
    several."""

    text: str
    label: Named | Annotated[list[Named], Meta(max_length=MOST_LABELS)] | UnsetType | None = UNSET
    spans: Annotated[list[MarkedSpan], Meta(max_length=MOST_SPANS)] | UnsetType = UNSET
    calls: Annotated[list[RightCall], Meta(max_length=MOST_CALLS)] | UnsetType = UNSET
    summary: Named | dict[str, str] | UnsetType = UNSET


class Taken(Struct):
    taken: bool
