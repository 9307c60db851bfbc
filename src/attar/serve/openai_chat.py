"""POST /v1/chat/completions: a classifier in the place of a large model.

The model reads the last message of the user; earlier ones and instructions are for the
large model that may answer when it abstains, which gets the request whole. The answer is
the label, or what `response_format` or a function's parameters ask for, if a label fills
that. Reference: OpenAI's API reference, "Create chat completion".
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from attar.serve.native import ASKING
from attar.serve.openai_other import scores_of
from attar.serve.operations import Operation, asked
from attar.serve.schema_fill import CannotFillError, filled
from attar.serve.served import Served
from attar.serve.service import Answer, Service
from attar.serve.wire import HttpError

LEAST_SCORE = 1e-9  # so that a logarithm is finite
MOST_TOP_LOGPROBS = 20
ONE = Meta(ge=1, extra_json_schema={"maximum": 1})  # more has an error of its own
OF_USER = Meta(
    min_length=1,
    extra_json_schema={
        "contains": {"properties": {"role": {"const": "user"}}, "required": ["role"]}
    },
)


class Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None


class JsonSchema(Struct):
    name: str
    schema: dict[str, Any] | UnsetType = UNSET


class ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | UnsetType | None = UNSET


class Function(Struct):
    name: str
    parameters: dict[str, Any] | UnsetType | None = UNSET


class Tool(Struct):
    type: Literal["function"]
    function: Function


class StreamOptions(Struct):
    include_usage: bool | None = None


class ChatRequest(Struct):
    """Further fields of OpenAI's (temperature, seed, …) are taken and change nothing."""

    model: str
    messages: Annotated[list[Message], OF_USER]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MOST_TOP_LOGPROBS)] | None = None
    n: Annotated[int, ONE] | None = None


class Completion(Struct):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | UnsetType | None = UNSET
    attar: dict[str, Any] | UnsetType = UNSET


async def chat(service: Service, request: Request, body: ChatRequest) -> Any:
    served = service.find(body.model, "label")
    if body.n not in (None, 1):
        raise HttpError(400, "unsupported_value", "n: the same text gets the same answer; ask once",
                      param="n")  # fmt: skip
    text = _last_of_user(body)
    service.check_texts([text], "messages")
    shown = asked(service, request, _conversation(body))
    answer, upstream = await service.departures.unless_gone(
        request, _answered(service, served, text, shown, request)
    )
    if upstream is not None:
        upstream |= {"model": served.name, "attar": answer.to_json()}
        return _streamed(body, upstream) if body.stream else upstream
    made = _completion(served, body, text, answer)
    return _streamed(body, made) if body.stream else made


async def _answered(
    service: Service, served: Served, text: str, shown: Any, request: Request
) -> tuple[Answer, dict[str, Any] | None]:
    if served.model.on_abstain != "fallback":
        (answer,) = await service.predict(served, [text], shown)
        return answer, None
    whole = msgspec.json.decode(request.state.body)
    return await service.predict_or_chat(served, text, whole, shown)


def _completion(served: Served, body: ChatRequest, text: str, answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    reason = "stop"
    function = _function(body)
    content = _content(served, body, answer, function)
    if function is not None:
        call = {"name": function.name, "arguments": content}
        message["tool_calls"] = [
            {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": call}
        ]
        reason = "stop" if isinstance(body.tool_choice, dict) else "tool_calls"
    else:
        message["content"] = content
    choice: dict[str, Any] = {
        "index": 0, "message": message, "finish_reason": reason,
        "logprobs": _logprobs(answer, content, body) if body.logprobs else None,
    }  # fmt: skip
    read, written = served.predictor.count_tokens(text), served.predictor.count_tokens(content)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": served.name,
        "choices": [choice],
        "usage": {
            "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
        },
        "attar": answer.to_json(),
    }  # fmt: skip


def _content(served: Served, body: ChatRequest, answer: Answer, function: Function | None) -> str:
    """The label, or the JSON that was asked for. Raises HttpError where a label cannot fill it."""
    several = _several(answer)
    nobody = answer.answered_by in ("nobody", "person")
    label = None if several is not None else served.abstain_text if nobody else answer.label
    names = several if several is not None else [label or ""]
    wanted = body.response_format
    score = answer.prediction.score
    schema: Any = None
    if function is not None:
        schema, param = function.parameters or {}, "tools"
    elif wanted is not None and wanted.type == "json_schema":
        if not isinstance(wanted.json_schema, JsonSchema):
            raise HttpError(
                400, "invalid_schema", "json_schema is missing", param="response_format"
            )
        schema, param = wanted.json_schema.schema or {}, "response_format"
    if schema is not None:
        try:
            made = filled(schema, label, names, score, nobody)
        except CannotFillError as error:
            raise HttpError(400, "schema_not_filled", f"{error}. This model gives: label, score, "
                          "abstained.", param=param) from None  # fmt: skip
        return json.dumps(made, ensure_ascii=False)
    if wanted is not None and wanted.type == "json_object":
        found = {"labels": names} if several is not None else {"label": label}
        return json.dumps(found | {"score": round(score, 6), "abstained": nobody},
                          ensure_ascii=False)  # fmt: skip
    if several is not None:
        return ", ".join(several) if several and not nobody else served.abstain_text
    assert label is not None
    return label


def _several(answer: Answer) -> list[str] | None:
    """The labels of an answer that gives a text any number of them, None for one label."""
    found = answer.prediction.to_json().get("labels")
    return None if found is None else [label for label, _ in found]


def _function(body: ChatRequest) -> Function | None:
    """The function to call: the one named, or the only one. Raises HttpError."""
    if not body.tools or body.tool_choice == "none":
        return None
    named = body.tool_choice.get("function") if isinstance(body.tool_choice, dict) else None
    if isinstance(named, dict):
        found = [t.function for t in body.tools if t.function.name == named.get("name")]
        if not found:
            raise HttpError(400, "no_such_tool", "tool_choice names no tool of the request",
                          param="tool_choice")  # fmt: skip
        return found[0]
    if len(body.tools) > 1:
        raise HttpError(400, "several_tools", "a classifier cannot choose among tools: give one, "
                      "or name it in tool_choice", param="tools")  # fmt: skip
    return body.tools[0].function


def _logprobs(answer: Answer, content: str, body: ChatRequest) -> dict[str, Any]:
    """The label as one token: logarithms of the model's scores (natural, as OpenAI's)."""

    def token(label: str, score: float) -> dict[str, Any]:
        logprob = math.log(max(LEAST_SCORE, score))
        return {"token": label, "logprob": logprob, "bytes": list(label.encode("utf-8"))}

    prediction = answer.prediction
    if _several(answer) is None:
        top = [(prediction.label, prediction.score), *prediction.alternatives]
    else:  # of each label by itself: the set of them is no token
        top = sorted(scores_of(prediction).items(), key=lambda one: -one[1])
    count = body.top_logprobs or 0
    entry = token(content, prediction.score)
    entry["top_logprobs"] = [token(*one) for one in top[:count]]
    return {"content": [entry], "refusal": None}


def _streamed(body: ChatRequest, made: Mapping[str, Any]) -> Response:
    """The answer as server-sent events, ended by [DONE]; a label comes in one piece."""
    options = body.stream_options

    async def events() -> AsyncIterator[bytes]:
        head = {key: made[key] for key in ("id", "created", "model") if key in made}
        head["object"] = "chat.completion.chunk"
        usage = {"usage": None} if options and options.include_usage else {}
        for choice in made["choices"]:
            message = choice["message"]
            calls = message.get("tool_calls") or []
            delta = {"role": "assistant", "content": message.get("content")}
            if calls:
                delta["tool_calls"] = [{"index": i, **call} for i, call in enumerate(calls)]
            index = choice.get("index", 0)
            first = {"index": index, "delta": delta, "finish_reason": None,
                     "logprobs": choice.get("logprobs")}  # fmt: skip
            yield _event({**head, "choices": [first], **usage, "attar": made.get("attar")})
            last = {"index": index, "delta": {}, "logprobs": None,
                    "finish_reason": choice.get("finish_reason") or "stop"}  # fmt: skip
            yield _event({**head, "choices": [last], **usage})
        if usage:
            yield _event({**head, "choices": [], "usage": made.get("usage")})
        yield b"data: [DONE]\n\n"

    return StreamingResponse(
        events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


def _event(content: Mapping[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _last_of_user(body: ChatRequest) -> str:
    for message in reversed(body.messages):
        if message.role == "user":
            return _text_of(message)
    raise HttpError(400, "no_user_message", "none of the messages is the user's", param="messages")


def _text_of(message: Message) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    pieces = []
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise HttpError(400, "not_text", "this model reads text: a content part is of type "
                          f"{str(part.get('type'))[:40]!r}", param="messages")  # fmt: skip
        pieces.append(part["text"])
    return "\n".join(pieces)


def _conversation(body: ChatRequest) -> list[dict[str, Any]]:
    return [{"role": m.role, "content": m.content} for m in body.messages]


OPERATIONS = (
    Operation(
        "POST", "/v1/chat/completions", "chat",
        "Answer the last message of the user in OpenAI's form; `stream` gives events.",
        chat, ChatRequest, Completion, errors=ASKING, tag="OpenAI",
        example={"model": "desk", "messages": [{"role": "user", "content": "where is my parcel?"}]},
    ),
)  # fmt: skip
