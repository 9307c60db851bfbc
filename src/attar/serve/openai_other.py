"""OpenAI's /v1/models, /v1/embeddings and /v1/moderations.

Moderations answer with the model's own labels as categories, those of its spans too: `flagged`
where it names one and does not abstain. Reference: OpenAI's API reference.
"""

from __future__ import annotations

import base64
import uuid
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request

from attar.predictions import Extraction, LabelSet, Prediction
from attar.serve.answer import Answer
from attar.serve.native import ASKING
from attar.serve.operations import Operation, asked
from attar.serve.served import ANSWERS, Served
from attar.serve.service import Service
from attar.serve.wire import HttpError
from attar.tasks.label_sets import labels_in


class ModelEntry(Struct):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    task: str
    capabilities: list[str]
    labels: list[str]
    span_labels: list[str]
    functions: list[str]
    content_sha256: str
    size_bytes: int
    aliases: list[str]


class ModelList(Struct):
    object: Literal["list"]
    data: list[ModelEntry]


# Token ids come as numbers, which are refused with a word on what to set.
TEXTS = Meta(
    extra_json_schema={
        "minItems": 1,
        "items": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "required": ["text"],
                    "properties": {"text": {"type": "string"}},
                },
            ]
        },
    }
)


class EmbeddingRequest(Struct):
    model: str
    input: str | Annotated[list[Any], TEXTS]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None


class Embedding(Struct):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(Struct):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: dict[str, int]


class ModerationRequest(Struct):
    input: str | Annotated[list[Any], TEXTS]
    model: str | None = None


class Moderation(Struct):
    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    attar: dict[str, Any] | UnsetType = UNSET


class ModerationList(Struct):
    id: str
    model: str
    results: list[Moderation]


def entry(served: Served) -> dict[str, Any]:
    predictor = served.predictor
    return {
        "id": served.name,
        "object": "model",
        "created": served.loaded,
        "owned_by": "attar",
        "task": predictor.manifest["task"],
        "capabilities": list(predictor.capabilities),
        "labels": list(served.labels),
        "span_labels": list(served.span_labels),
        "functions": [one["name"] for one in served.functions],
        "content_sha256": predictor.content_sha256,
        "size_bytes": served.bundle.size_bytes,
        "aliases": list(served.model.aliases),
    }


async def models(service: Service, request: Request, body: None) -> Any:
    return {"object": "list", "data": [entry(served) for served in service.models.values()]}


async def model(service: Service, request: Request, body: None) -> Any:
    name = request.path_params["model"]
    for served in service.models.values():
        if name == served.name or name in served.model.aliases:
            return entry(served)
    raise HttpError(404, "model_not_found", f"there is no model {name[:80]!r}", param="model")


async def embeddings(service: Service, request: Request, body: EmbeddingRequest) -> Any:
    served = service.find(body.model, "embed")
    texts = _texts(body.input)
    service.check_texts(texts, "input")
    rows = await service.departures.unless_gone(
        request, service.embed(served, texts, asked(service, request))
    )
    width = rows.shape[1]
    if body.dimensions not in (None, width):
        raise HttpError(400, "unsupported_value", f"dimensions: this model has {width}",
                      param="dimensions")  # fmt: skip
    as_text = body.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": i,
            # Little-endian float32, as the clients decode them.
            "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode()
            if as_text
            else row.tolist(),
        }
        for i, row in enumerate(rows)
    ]
    read = sum(served.predictor.count_tokens(text) for text in texts)
    return {
        "object": "list", "data": data, "model": served.name,
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }  # fmt: skip


async def moderations(service: Service, request: Request, body: ModerationRequest) -> Any:
    served = service.find(body.model, *ANSWERS)
    texts = _texts(body.input)
    service.check_texts(texts, "input")
    answers = await service.departures.unless_gone(
        request, service.predict(served, texts, asked(service, request))
    )
    return {
        "id": f"modr-{uuid.uuid4().hex}",
        "model": served.name,
        "results": [_moderation(served, answer) for answer in answers],
    }


def _moderation(served: Served, answer: Answer) -> dict[str, Any]:
    prediction = answer.prediction
    functions = [one["name"] for one in served.functions]
    scores = dict.fromkeys((*served.labels, *functions, *served.span_labels), 0.0)
    if not served.calls:
        scores |= scores_of(prediction)
    if isinstance(prediction, Extraction):
        parts = [(span.label, span.score) for span in prediction.spans]
        for name, score in (*parts, *((one.name, one.score) for one in prediction.calls or ())):
            scores[name] = max(scores.get(name, 0.0), score)
    named: tuple[str, ...] = ()
    if answer.answered_by in ("model", "fallback"):
        named = _named(answer)
    return {
        "flagged": bool(named),
        "categories": {label: label in named for label in scores},
        "category_scores": {label: round(score, 6) for label, score in scores.items()},
        "attar": answer.to_json(),
    }


def _named(answer: Answer) -> tuple[str, ...]:
    """The labels that whoever answered gave, to the text or to a part of it."""
    found = answer.extraction
    if found is not None:
        of_text = [] if found.text_label is None else [found.text_label]
        if found.calls is not None:
            of_text = [call.name for call in found.calls]
        return (*of_text, *(span.label for span in found.spans))
    if answer.answered_by == "model":
        return answer.prediction.named
    several = isinstance(answer.prediction, LabelSet)
    return labels_in(answer.label) if several else (answer.label,)


def scores_of(prediction: Prediction) -> dict[str, float]:
    """Label of the text -> score, as far as the answer holds them."""
    found = dict(prediction.alternatives)
    if isinstance(prediction, LabelSet):
        found |= dict(prediction.labels)
    elif not isinstance(prediction, Extraction):
        found[prediction.label] = prediction.score
    elif prediction.text_label is not None:
        score = prediction.text_score
        # Of label and spans together: at most what the label has alone.
        found[prediction.text_label] = prediction.score if score is None else score
    return {str(label): float(score) for label, score in found.items()}


def _texts(given: str | list[Any]) -> list[str]:
    if isinstance(given, str):
        return [given]
    texts = [
        one["text"] if isinstance(one, dict) and isinstance(one.get("text"), str) else one
        for one in given
    ]
    if any(isinstance(one, int | list) for one in texts):
        raise HttpError(
            400, "token_ids",
            "input holds token ids, which only the tokenizer that made them can read; send texts "
            "(LangChain: check_embedding_ctx_length=False)", param="input",
        )  # fmt: skip
    if not all(isinstance(one, str) for one in texts):
        raise HttpError(400, "not_text", "input: expected a text or a list of texts", param="input")
    return texts


OPERATIONS = (
    Operation("GET", "/v1/models", "models", "The models that are served.", models,
              gives=ModelList, errors=(401, 429), tag="OpenAI"),
    Operation("GET", "/v1/models/{model}", "model", "One model.", model,
              gives=ModelEntry, errors=(401, 404, 429), tag="OpenAI"),
    Operation("POST", "/v1/embeddings", "embeddings", "Embeddings of texts.", embeddings,
              EmbeddingRequest, EmbeddingList, errors=ASKING, tag="OpenAI",
              example={"model": "desk", "input": ["where is my parcel?"]}),
    Operation("POST", "/v1/moderations", "moderations",
              "The model's labels, of texts and of spans, as categories.",
              moderations, ModerationRequest, ModerationList, errors=ASKING, tag="OpenAI",
              example={"model": "desk", "input": "where is my parcel?"}),
)  # fmt: skip
