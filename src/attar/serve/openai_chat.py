"""POST /v1/chat/completions: a small model in the place of a large one.

The model reads the last message of the user; earlier ones and instructions are for the
large model that may answer when it abstains, which gets the request whole. `chat_said` puts
the answer into words, or into what `response_format` or tools ask for. Reference: OpenAI's
API reference, "Create chat completion".
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from attar.serve.answer import Answer
from attar.serve.chat_bodies import ChatRequest, Completion, Message
from attar.serve.chat_said import logprobs, say
from attar.serve.native import ASKING
from attar.serve.operations import Operation, asked
from attar.serve.served import PREDICTS, Served
from attar.serve.service import Service
from attar.serve.wire import HttpError


async def chat(service: Service, request: Request, body: ChatRequest) -> Any:
    served = service.find(body.model, *PREDICTS)
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
    said = say(served, body, answer)
    message: dict[str, Any] = {"role": "assistant", "content": said.content, "refusal": None}
    reason = "stop"
    if said.calls:
        message["tool_calls"] = [
            {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": call}
            for call in said.calls
        ]
        reason = "stop" if isinstance(body.tool_choice, dict) else "tool_calls"
    choice: dict[str, Any] = {
        "index": 0, "message": message, "finish_reason": reason,
        "logprobs": logprobs(answer, said.written, body) if body.logprobs else None,
    }  # fmt: skip
    read, written = (served.predictor.count_tokens(one) for one in (text, said.written))
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


_SAID = [{"role": "user", "content": "where is my parcel?"}]
_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {
            "type": "object",
            "properties": {
                "label": {"type": ["string", "null"]},
                "spans": {"type": "array", "items": {"type": "object"}},
            },
        },
    },
}
OPERATIONS = (
    Operation(
        "POST", "/v1/chat/completions", "chat",
        "Answer the last message of the user in OpenAI's form: a label, spans as JSON, the "
        "passage of a document, a summary, a schema filled, or function calls; `stream` gives "
        "events.",
        chat, ChatRequest, Completion, errors=ASKING, tag="OpenAI",
        example={"model": "desk", "messages": _SAID},
        more={"schema": {"model": "desk", "messages": _SAID, "response_format": _FORMAT}},
    ),
)  # fmt: skip
