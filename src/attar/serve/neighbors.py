"""The routes of other inference servers: `/embed`, `/predict` and `/rerank` as Text Embeddings
Inference has them, `/classify` as vLLM, `/rerank` also as Cohere and Jina.

Those servers hold one model, so `model` may be left out: the first that can is asked.
`/rerank` orders by the cosine of embeddings; a model that scores documents again does so here.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request

from attar.predictions import Extraction
from attar.serve.native import ASKING
from attar.serve.native_bodies import FILLED, Score
from attar.serve.openai_other import scores_of
from attar.serve.operations import Operation, asked
from attar.serve.served import ANSWERS
from attar.serve.service import Service
from attar.serve.wire import HttpError

Text = TypeVar("Text", bound=str | list[str])
Inputs = str | Annotated[list[str], FILLED]
ONE_TEXT = Meta(extra_json_schema={"minItems": 1, "maxItems": 1})
DOCUMENT = Meta(
    extra_json_schema={"required": ["text"], "properties": {"text": {"type": "string"}}}
)
EITHER_LIST = Meta(
    extra_json_schema={
        "oneOf": [
            {
                "required": [one],
                "properties": {one: {"type": "array"}, other: {"type": "null"}},
            }
            for one, other in (("texts", "documents"), ("documents", "texts"))
        ]
    }
)


class EmbedRequest(Struct):
    """normalize: to length 1 (the default, as TEI's). Texts too long are always truncated."""

    inputs: Inputs
    model: str | None = None
    normalize: bool = True
    truncate: bool | None = None


class TeiRequest(Struct):
    """inputs: a batch is a list of texts, or, as TEI's clients send it, of lists of one text.
    raw_scores is not offered: scores are probabilities."""

    inputs: str | Annotated[list[str | Annotated[list[str], ONE_TEXT]], FILLED]
    model: str | None = None
    truncate: bool | None = None


class Scored(Struct):
    """A label and its score; of a model that marks spans a span, as token classification has it
    in Hugging Face's form. start, end: code points, end not included."""

    score: Score
    label: str | UnsetType = UNSET
    entity_group: str | UnsetType = UNSET
    word: str | UnsetType = UNSET
    start: int | UnsetType = UNSET
    end: int | UnsetType = UNSET


class ClassifyRequest(Struct):
    input: Inputs
    model: str | None = None


class Classified(Struct):
    index: int
    label: str | None
    probs: list[float]
    num_classes: int


class ClassifyAnswer(Struct):
    id: str
    object: Literal["list"]
    model: str
    data: list[Classified]
    usage: dict[str, int]


class RerankRequest(Struct):
    """texts: TEI's name for them, whose answer is a list; documents: Cohere's and Jina's."""

    query: str
    texts: Annotated[list[str], FILLED] | None = None
    documents: Annotated[list[str | Annotated[dict[str, Any], DOCUMENT]], FILLED] | None = None
    model: str | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_text: bool = False
    return_documents: bool = False


class Ranked(Struct):
    index: int
    score: float
    text: str | None = None


class RankedDocument(Struct):
    index: int
    relevance_score: float
    document: dict[str, Any] | None = None


class RerankAnswer(Struct):
    id: str
    model: str
    results: list[RankedDocument]


async def embed(service: Service, request: Request, body: EmbedRequest) -> Any:
    served = service.find(body.model, "embed")
    texts = _listed(body.inputs)
    service.check_texts(texts, "inputs")
    rows = await service.departures.unless_gone(
        request, service.embed(served, texts, asked(service, request))
    )
    return (unit(rows) if body.normalize else rows).tolist()


async def tei_predict(service: Service, request: Request, body: TeiRequest) -> Any:
    served = service.find(body.model, *ANSWERS)
    texts = [_single(one) for one in _listed(body.inputs)]
    service.check_texts(texts, "inputs")
    answers = await service.departures.unless_gone(
        request, service.predict(served, texts, asked(service, request))
    )
    found: list[list[dict[str, Any]]] = []
    for answer in answers:
        if answer.extraction is not None:
            found.append(_entities(answer.extraction))
            continue
        scores = scores_of(answer.prediction).items()
        found.append(
            [
                {"label": label, "score": score}
                for label, score in sorted(scores, key=lambda one: -one[1])
            ]
        )
    return found[0] if isinstance(body.inputs, str) else found


async def classify(service: Service, request: Request, body: ClassifyRequest) -> Any:
    served = service.find(body.model, "label")
    texts = _listed(body.input)
    service.check_texts(texts, "input")
    answers = await service.departures.unless_gone(
        request, service.predict(served, texts, asked(service, request))
    )
    labels = served.labels
    data = []
    for index, answer in enumerate(answers):
        scores = scores_of(answer.prediction)
        given = answer.label if answer.extraction is None else answer.extraction.text_label
        label = None if answer.answered_by in ("nobody", "person") else given
        probs = [scores.get(name, 0.0) for name in labels]
        data.append({"index": index, "label": label, "probs": probs, "num_classes": len(labels)})
    read = sum(served.predictor.count_tokens(text) for text in texts)
    return {
        "id": f"classify-{uuid.uuid4().hex}", "object": "list", "model": served.name, "data": data,
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }  # fmt: skip


async def rerank(service: Service, request: Request, body: RerankRequest) -> Any:
    served = service.find(body.model, "embed")
    given = body.texts if body.texts is not None else body.documents
    if given is None or (body.texts is not None and body.documents is not None):
        raise HttpError(422, "invalid_field", "give either texts or documents", param="documents")
    texts = [_document(one) for one in given]
    service.check_texts([body.query, *texts], "documents")
    if not texts:
        raise HttpError(400, "no_text", "there is no document to rank", param="documents")
    rows = unit(
        await service.departures.unless_gone(
            request, service.embed(served, [body.query, *texts], asked(service, request))
        )
    )
    near = rows[1:] @ rows[0]
    if (rescorer := served.predictor.rescorer) is not None:
        near = await service.departures.unless_gone(
            request, asyncio.to_thread(rescorer.similarities, body.query, texts, near)
        )
    # From 0 to 1, as a relevance is everywhere else.
    scores = np.clip((1 + near) / 2, 0, 1)
    order = np.argsort(-scores, kind="stable")[: body.top_n]
    if body.texts is not None:
        return [
            {"index": int(i), "score": float(scores[i])}
            | ({"text": texts[i]} if body.return_text else {})
            for i in order
        ]
    results = [
        {"index": int(i), "relevance_score": float(scores[i])}
        | ({"document": {"text": texts[i]}} if body.return_documents else {})
        for i in order
    ]
    return {"id": f"rerank-{uuid.uuid4().hex}", "model": served.name, "results": results}


def _entities(found: Extraction) -> list[dict[str, Any]]:
    """Spans in the form of Hugging Face's token classification."""
    return [
        {
            "entity_group": span.label,
            "score": span.score,
            "word": found.text[span.start : span.end],
            "start": span.start,
            "end": span.end,
        }
        for span in found.spans
    ]


def unit(rows: Any) -> Any:
    """Each row to length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _listed(given: str | list[Text]) -> list[str] | list[Text]:
    return [given] if isinstance(given, str) else given


def _single(one: str | list[str]) -> str:
    if isinstance(one, str):
        return one
    if len(one) != 1:
        raise HttpError(422, "invalid_field", "inputs: pairs of texts are not answered; a list "
                        "in the list holds one text", param="inputs")  # fmt: skip
    return one[0]


def _document(one: str | dict[str, Any]) -> str:
    text = one if isinstance(one, str) else one.get("text")
    if not isinstance(text, str):
        raise HttpError(422, "invalid_field", "a document is a text, or an object with one under "
                      '"text"', param="documents")  # fmt: skip
    return text


OPERATIONS = (
    Operation("POST", "/embed", "tei_embed", "Embeddings, as Text Embeddings Inference.",
              embed, EmbedRequest, list[list[float]], errors=ASKING, tag="TEI, vLLM, Cohere",
              example={"inputs": ["where is my parcel?"]}),
    Operation("POST", "/predict", "tei_predict", "Labels, or spans as entities, as Text Embeddings "
              "Inference.",
              tei_predict, TeiRequest, list[Scored | list[Scored]], errors=ASKING,
              tag="TEI, vLLM, Cohere", example={"inputs": "where is my parcel?"},
              answer_example=[{"label": "order_status", "score": 0.97}],
              more_answers={"spans": [{"entity_group": "city", "score": 0.98, "word": "Rome",
                                       "start": 7, "end": 11}]}),
    Operation("POST", "/classify", "vllm_classify", "Labels, as vLLM.",
              classify, ClassifyRequest, ClassifyAnswer, errors=ASKING, tag="TEI, vLLM, Cohere",
              example={"input": ["where is my parcel?"]}),
    *(Operation("POST", path, name, "Order texts by how near they are to a query.",
                rerank, Annotated[RerankRequest, EITHER_LIST], list[Ranked] | RerankAnswer,
                errors=ASKING, tag="TEI, vLLM, Cohere",
                example={"query": "late parcel", "documents": ["my parcel is late", "a refund"]})
      for path, name in (("/rerank", "rerank"), ("/v1/rerank", "v1_rerank"))),
)  # fmt: skip
