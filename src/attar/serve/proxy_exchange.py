"""What a request asked and what its answer said, read from the bytes that passed by.

Three forms of OpenAI's API: chat completions, completions and responses, whole or as
server-sent events, which are put together again. What cannot be read is None, never an
error: these bytes were for somebody else. It sends, writes and judges nothing.
Reference: OpenAI's API reference, "Chat Completions", "Completions" and "Responses".
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from attar.errors import RecipeError

Form = Literal["chat/completions", "completions", "responses"]
FORMS: tuple[Form, ...] = ("chat/completions", "completions", "responses")  # longest first
LABEL_KEYS = ("label", "intent", "category", "class")
MOST_LABEL_CHARACTERS = 80
MOST_UNPACKED = 32_000_000
#: Why an answer ended that was not whole.
CUT = frozenset({"length", "max_tokens", "content_filter", "error"})
CODINGS = ("gzip", "x-gzip", "deflate", "identity")  # that `unpacked` reads
_LINES = re.compile(r"\r\n|\n|\r")
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_MISSHAPEN = (KeyError, IndexError, TypeError, AttributeError, ValueError)


@dataclass(frozen=True, slots=True)
class Question:
    """text: the last of the user. system: what the application told the model, if anything."""

    text: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """content: what was said. arguments: of the first tool that was called, as JSON. whole:
    it ended as it should. tokens: None where the endpoint did not tell."""

    content: str = ""
    arguments: str | None = None
    whole: bool = False
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LabelFrom:
    """Where the label of an answer stands. field: of a JSON object; with dots between names,
    an inner one's."""

    kind: Literal["auto", "content", "json", "tool"] = "auto"
    field: str = ""

    @classmethod
    def parse(cls, written: str) -> LabelFrom:
        """auto, content, json:FIELD or tool:FIELD. Raises RecipeError."""
        kind, _, field = written.partition(":")
        if kind in ("json", "tool") and field:
            return cls("json" if kind == "json" else "tool", field)
        if kind in ("auto", "content") and not field:
            return cls("auto" if kind == "auto" else "content")
        raise RecipeError(
            f"--label-from {written}: expected auto, content, json:FIELD or tool:FIELD, "
            "such as json:intent"
        )


def form_of(path: str) -> Form | None:
    """The form of what is posted to this path, None for all that is not recorded."""
    trimmed = path.rstrip("/")
    return next((form for form in FORMS if trimmed.endswith(f"/{form}")), None)


def unpacked(body: bytes, coding: str) -> bytes | None:
    """A body without its content coding; None for one that is broken, too long or unknown."""
    if coding in ("", "identity"):
        return body
    if coding not in CODINGS:
        return None
    for bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # gzip or zlib; deflate without a head
        try:
            unpacker = zlib.decompressobj(bits)
            found = unpacker.decompress(body, MOST_UNPACKED)
        except zlib.error:
            continue
        return found if unpacker.eof else None
    return None


def question_in(form: Form, body: bytes) -> Question | None:
    """None where there is no text of the user, or more than text (an image, a sound), so
    that the text alone does not say what the answer was to."""
    try:
        asked = msgspec.json.decode(body)
        if form == "completions":
            prompt = asked["prompt"]
            prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
            return Question(prompt) if isinstance(prompt, str) and prompt.strip() else None
        messages = asked["messages"] if form == "chat/completions" else asked["input"]
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        told = [asked.get("instructions")] if form == "responses" else []
        told += [_text(one["content"]) for one in messages
                 if one.get("role") in ("system", "developer")]  # fmt: skip
        text = next(_text(one["content"]) for one in reversed(messages)
                    if one.get("role") == "user")  # fmt: skip
    except (*_MISSHAPEN, StopIteration, RecursionError):
        return None
    if text is None or not text.strip():
        return None
    return Question(text, "\n".join(one for one in told if isinstance(one, str)) or None)


def reply_in(form: Form, body: bytes, streamed: bool) -> Reply:
    """What the answer said; an empty Reply where that cannot be read."""
    try:
        answer = _together(form, body) if streamed else msgspec.json.decode(body)
        read = _read_response if form == "responses" else _read_choice
        return read(answer)
    except (*_MISSHAPEN, RecursionError):
        return Reply()


def label_in(reply: Reply, source: LabelFrom) -> str | list[str] | None:
    """The label of a whole answer: a list where it names several, None where it names none."""
    if not reply.whole:
        return None
    if source.kind == "content":
        return _plain(reply.content)
    if source.kind in ("json", "tool"):
        found = _object(reply.content if source.kind == "json" else reply.arguments)
        return _value(found, source.field) if isinstance(found, dict) else None
    for written in (reply.arguments, reply.content):
        found = _object(written)
        if isinstance(found, dict):
            known = (_value(found, key) for key in LABEL_KEYS if key in found)
            return next((label for label in known if label is not None), None)
        if isinstance(found, list):
            return _named(found)
    return None if reply.arguments is not None else _plain(reply.content)


def _text(content: Any) -> str | None:
    """A message's text, None where a part of it is something else."""
    if isinstance(content, str):
        return content
    if any(part["type"] not in ("text", "input_text") for part in content):
        return None
    return "\n".join(str(part["text"]) for part in content)


def _read_choice(answer: Mapping[str, Any]) -> Reply:
    choice = answer["choices"][0]
    message = choice.get("message") or {"content": choice.get("text")}
    called = message.get("function_call")
    if message.get("tool_calls"):
        called = message["tool_calls"][0].get("function")
    reason = choice.get("finish_reason")
    whole = (
        str(reason).lower() not in CUT and not message.get("refusal") and not answer.get("error")
    )
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = _text(content) or ""
    return Reply(
        content, called["arguments"] if called else None, whole, _str(answer.get("model")),
        *_usage(answer.get("usage"), "prompt_tokens", "completion_tokens"),
    )  # fmt: skip


def _read_response(answer: Mapping[str, Any]) -> Reply:
    said: list[str] = []
    arguments = None
    refused = False
    for item in answer["output"]:
        if item.get("type") == "function_call" and arguments is None:
            arguments = item["arguments"]
        for part in (item.get("content") or ()) if item.get("type") == "message" else ():
            refused = refused or part.get("type") == "refusal"
            if part.get("type") == "output_text":
                said.append(part["text"])
    return Reply(
        "".join(said), arguments, answer.get("status") == "completed" and not refused,
        _str(answer.get("model")), *_usage(answer.get("usage"), "input_tokens", "output_tokens"),
    )  # fmt: skip


def _together(form: Form, body: bytes) -> dict[str, Any]:
    """The answer that a stream of events says piece by piece."""
    said: list[str] = []
    calls: dict[int, list[str]] = {}
    answer: dict[str, Any] = {}
    reason = None
    for data in _events(body):
        if data.strip() == "[DONE]":
            reason = reason or "stop"
            continue
        event = msgspec.json.decode(data)
        if form == "responses":
            if isinstance(event.get("response"), dict):
                answer = event["response"]  # the last one is whole
            continue
        answer |= {key: event[key] for key in ("model", "usage", "error") if event.get(key)}
        for choice in event.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta") or {"content": choice.get("text")}
            said.append(delta.get("content") or "")
            if delta.get("refusal"):
                answer["error"] = "refusal"
            if delta.get("function_call"):
                calls.setdefault(0, []).append(delta["function_call"].get("arguments") or "")
            for call in delta.get("tool_calls") or ():
                pieces = calls.setdefault(call.get("index", 0), [])
                pieces.append((call.get("function") or {}).get("arguments") or "")
            reason = choice.get("finish_reason") or reason
    if form == "responses":
        return answer
    message: dict[str, Any] = {"content": "".join(said)}
    if calls:
        message["function_call"] = {"arguments": "".join(calls[min(calls)])}
    answer["choices"] = [{"message": message, "finish_reason": reason or "error"}]
    return answer


def _events(body: bytes) -> Iterator[str]:
    """The data of each event (WHATWG HTML, "Server-sent events")."""
    data: list[str] = []
    for line in _LINES.split(body.decode("utf-8")):
        if not line and data:
            yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))


def _usage(usage: Any, *keys: str) -> list[int | None]:
    found = [usage.get(key) if isinstance(usage, dict) else None for key in keys]
    return [count if isinstance(count, int) and count >= 0 else None for count in found]


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _object(written: str | None) -> Any:
    """The JSON that was written, with or without a fence around it; None for no JSON."""
    if written is None:
        return None
    fenced = _FENCED.fullmatch(written.strip())
    try:
        return json.loads(fenced[1] if fenced else written)
    except (ValueError, RecursionError):
        return None


def _value(found: Mapping[str, Any], field: str) -> str | list[str] | None:
    if field not in found and "." in field:
        outer, _, inner = field.partition(".")
        found = found.get(outer, {})
        return _value(found, inner) if isinstance(found, dict) else None
    value = found.get(field)
    return _named(value) if isinstance(value, list) else _one(value)


def _named(values: list[Any]) -> list[str] | None:
    names = [_one(value) for value in values]
    kept = [name for name in names if name is not None]
    return kept if len(kept) == len(names) else None


def _one(value: Any) -> str | None:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return _plain(value) if isinstance(value, str) else None


def _plain(content: str) -> str | None:
    """A short text as a label, without the quotes and the period that models like to add."""
    label = content.strip().strip("\"'`.").strip()
    short = len(label) <= MOST_LABEL_CHARACTERS and not _LINES.search(label)
    return label if label and short else None
