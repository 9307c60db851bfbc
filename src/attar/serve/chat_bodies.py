"""The bodies of OpenAI's chat completions, as far as they are read and written here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

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
    parallel_tool_calls: bool | None = None
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
