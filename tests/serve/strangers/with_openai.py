"""The openai client against a server: answers, streams, structured outputs and errors.

Covers what a program does that had asked a large model before. Not covered: what a
classifier refuses by design beyond one example of each kind of error.
"""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import openai
from facts import LABELS, REFUND, WEATHER, arguments, done, fact, refused
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam
from pydantic import BaseModel, Field

given = arguments()
client = OpenAI(base_url=f"{given.url}/v1", api_key=given.key, max_retries=0, timeout=20)


class Ticket(BaseModel):
    """What an application asks for: labels by name, a score, and a field it may leave out."""

    intent: Literal["cancel", "delivery", "refund", "oos"]
    confidence: float = Field(ge=0, le=1)
    abstained: bool
    remark: str | None


def says(text: str) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": text}]


def models() -> None:
    listed = client.models.list().data
    fact("models.list names the model", given.model in [one.id for one in listed], listed)
    one = client.models.retrieve(given.model)
    fact("models.retrieve finds it", one.id == given.model and one.object == "model", one)
    fact("it says when it was loaded", one.created > 1_700_000_000, one.created)


def chat() -> None:
    found = client.chat.completions.create(
        model=given.model,
        messages=[{"role": "system", "content": "Name the intent."}, *says(REFUND)],
        temperature=0,
        max_completion_tokens=16,
    )
    choice = found.choices[0]
    fact("a completion is the label", choice.message.content == "refund", found)
    fact("it stops", choice.finish_reason == "stop" and choice.message.role == "assistant", choice)
    usage = found.usage
    assert usage is not None
    parts = usage.prompt_tokens, usage.completion_tokens
    fact("usage adds up", min(parts) > 0 and usage.total_tokens == sum(parts), usage)
    found = client.chat.completions.create(model=given.model, messages=says(WEATHER))
    fact("what it abstains from is out of scope", found.choices[0].message.content == "oos", found)
    pieces = client.chat.completions.create(
        model=given.model,
        messages=[{"role": "user", "content": [{"type": "text", "text": REFUND}]}],
    )
    fact("content parts are read", pieces.choices[0].message.content == "refund", pieces)


def stream() -> None:
    chunks = list(
        client.chat.completions.create(
            model=given.model,
            messages=says(REFUND),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    fact("a stream spells the label", "".join(pieces) == "refund", chunks)
    fact("its chunks have one id", len({chunk.id for chunk in chunks}) == 1, chunks)
    ends = [c.choices[0].finish_reason for c in chunks if c.choices]
    fact("it stops once, at its end", ends.count("stop") == 1 and ends[-1] == "stop", ends)
    fact("usage comes last, alone", not chunks[-1].choices and bool(chunks[-1].usage), chunks)
    fact("and only there", all(chunk.usage is None for chunk in chunks[:-1]), chunks)
    plain = list(
        client.chat.completions.create(model=given.model, messages=says(REFUND), stream=True)
    )
    fact("unasked, a stream has no usage", all(chunk.usage is None for chunk in plain), plain)


def structured() -> None:
    found = client.chat.completions.parse(
        model=given.model, messages=says(REFUND), response_format=Ticket
    )
    ticket = found.choices[0].message.parsed
    fact("parse fills a pydantic model", ticket is not None and ticket.intent == "refund", found)
    assert ticket is not None
    fact("with the model's score", 0.9 < ticket.confidence <= 1 and not ticket.abstained, ticket)
    fact("and null for what it does not know", ticket.remark is None, ticket)
    with client.chat.completions.stream(
        model=given.model, messages=says(WEATHER), response_format=Ticket
    ) as events:
        final = events.get_final_completion().choices[0].message.parsed
    fact("streamed as well", final is not None and final.intent == "oos" and final.abstained, final)
    plain = client.chat.completions.create(
        model=given.model, messages=says(REFUND), response_format={"type": "json_object"}
    )
    content = json.loads(plain.choices[0].message.content or "")
    fact("a JSON object without a schema", content["label"] == "refund", content)


def tools() -> None:
    tool = openai.pydantic_function_tool(Ticket, name="route")
    for choice, reason in (
        ("auto", "tool_calls"),
        ({"type": "function", "function": {"name": "route"}}, "stop"),
    ):
        found = client.chat.completions.create(
            model=given.model,
            messages=says(REFUND),
            tools=[tool],
            tool_choice=choice,  # type: ignore[arg-type]
        )
        calls = found.choices[0].message.tool_calls or []
        fact("one function is called", len(calls) == 1 and calls[0].type == "function", found)
        call = calls[0].function  # type: ignore[union-attr]
        ticket = Ticket.model_validate_json(call.arguments)
        fact("with the label", call.name == "route" and ticket.intent == "refund", call)
        fact("and OpenAI's reason", found.choices[0].finish_reason == reason, found.choices[0])
    with client.chat.completions.stream(
        model=given.model, messages=says(REFUND), tools=[tool]
    ) as events:
        final = events.get_final_completion().choices[0].message
    parsed = final.tool_calls[0].function.parsed_arguments if final.tool_calls else None
    fact("a streamed call is put together", isinstance(parsed, Ticket), final)
    fact("with the label too", getattr(parsed, "intent", None) == "refund", parsed)


def logprobs() -> None:
    found = client.chat.completions.create(
        model=given.model, messages=says(REFUND), logprobs=True, top_logprobs=2
    )
    told = found.choices[0].logprobs
    tokens = (told.content if told else None) or []
    fact("the label is one token", [one.token for one in tokens] == ["refund"], told)
    fact("its logprob is its score's", 0.9 < math.exp(tokens[0].logprob) <= 1, tokens)
    top = tokens[0].top_logprobs
    fact("two alternatives, best first", len(top) == 2 and top[0].logprob >= top[1].logprob, top)
    fact("the best is the label", top[0].token == "refund", top)


def embeddings() -> None:
    texts = [REFUND, "where is my parcel please"]
    packed = client.embeddings.create(model=given.model, input=texts)
    floats = client.embeddings.create(model=given.model, input=texts, encoding_format="float")
    fact("an embedding a text, in order", [e.index for e in packed.data] == [0, 1], packed)
    for one, other in zip(packed.data, floats.data, strict=True):
        fact("base64 and floats are equal", one.embedding == other.embedding, one, other)
    width = len(floats.data[0].embedding)
    fact("texts are told apart", floats.data[0].embedding != floats.data[1].embedding, floats)
    same = client.embeddings.create(model=given.model, input=REFUND, dimensions=width)
    fact("a single text is the same", same.data[0].embedding == packed.data[0].embedding, same)
    fact("usage counts what was read", packed.usage.prompt_tokens > 2, packed.usage)


def moderations() -> None:
    found = client.moderations.create(model=given.model, input=[REFUND, WEATHER])
    first, second = found.results
    fact("a named label flags", first.flagged and not second.flagged, found)
    categories = first.categories.model_dump(by_alias=True, exclude_none=True)
    fact("categories are the labels", set(categories) >= set(LABELS), categories)
    fact("only the label is true", [k for k in categories if categories[k]] == ["refund"],
         categories)  # fmt: skip
    scores = first.category_scores.model_dump(by_alias=True, exclude_none=True)
    fact("their scores are from 0 to 1", all(0 <= scores[name] <= 1 for name in LABELS), scores)


def errors() -> None:
    def ask(client: OpenAI = client, **changed: object) -> object:
        wanted = {"model": given.model, "messages": says(REFUND), **changed}
        return client.chat.completions.create(**wanted)  # type: ignore[call-overload]

    error = refused("no such model", openai.NotFoundError, lambda: ask(model="gpt-9"))
    fact("says so", error.code == "model_not_found" and error.param == "model", error)
    refused("retrieve of no such model", openai.NotFoundError,
            lambda: client.models.retrieve("gpt-9"))  # fmt: skip
    error = refused("n = 2", openai.BadRequestError, lambda: ask(n=2))
    fact("names the field", error.param == "n" and error.type == "invalid_request_error", error)
    picture = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    refused("a picture", openai.BadRequestError,
            lambda: ask(messages=[{"role": "user", "content": picture}]))  # fmt: skip
    refused("a wrong type", openai.UnprocessableEntityError, lambda: ask(stream="perhaps"))
    refused("token ids", openai.BadRequestError,
            lambda: client.embeddings.create(model=given.model, input=[1, 2, 3]))  # fmt: skip
    stranger = client.with_options(api_key="not-a-key")
    error = refused("a wrong key", openai.AuthenticationError, lambda: ask(stranger))
    fact("has OpenAI's type", error.type == "authentication_error", error)

    limited = client.with_options(api_key=given.limited_key)

    def often() -> None:
        for _ in range(50):
            ask(limited)

    error = refused("too often for the key", openai.RateLimitError, often)
    fact("says when to come again", int(error.response.headers["retry-after"]) >= 1,
         error.response.headers)  # fmt: skip
    fact("every answer has an id", bool(error.request_id), error.response.headers)


class Part(BaseModel):
    text: str
    label: str
    start: int


class Marked(BaseModel):
    """A property named as a label of spans, and all spans."""

    thing: str | None
    spans: list[Part]


class LookUp(BaseModel):
    """A tool's parameters."""

    thing: str


def spans() -> None:
    wanted: Any = {"model": given.spans_model, "messages": says("my refund parcel")}
    found = client.chat.completions.create(**wanted)
    content = json.loads(found.choices[0].message.content or "")
    fact("spans come as JSON", content["spans"][0]["text"] == "refund parcel", content)
    parsed = client.chat.completions.parse(**wanted, response_format=Marked)
    made = parsed.choices[0].message.parsed
    fact("a schema is filled by spans", made is not None and made.thing == "refund parcel", made)
    assert made is not None
    fact("all of them", [one.start for one in made.spans] == [3], made)
    tools: Any = [openai.pydantic_function_tool(LookUp)]
    with client.chat.completions.stream(**wanted, tools=tools) as stream:
        kinds = [event.type for event in stream]
        whole = stream.get_final_completion()
    (call,) = whole.choices[0].message.tool_calls or [None]
    fact("a tool is called in a stream", call is not None, whole)
    assert call is not None
    fact("with its argument", call.function.parsed_arguments == LookUp(thing="refund parcel"), call)
    fact("ended as OpenAI ends it", whole.choices[0].finish_reason == "tool_calls", whole)
    fact("the client saw it whole", "tool_calls.function.arguments.done" in kinds, kinds)
    wanted["messages"] = says("where is it")
    plain = client.chat.completions.create(**wanted, tools=tools)
    fact("no call is a plain answer", not plain.choices[0].message.tool_calls, plain)
    refused("what must be called and is not", openai.BadRequestError,
            lambda: client.chat.completions.create(**wanted, tools=tools,
                                                   tool_choice="required"))  # fmt: skip
    found_in = client.moderations.create(model=given.spans_model, input="my refund parcel")
    flagged = found_in.results[0].model_dump()["categories"]["thing"]
    fact("moderations name the label of a span", flagged is True, found_in)


models()
chat()
spans()
stream()
structured()
tools()
logprobs()
embeddings()
moderations()
errors()
done(f"openai {openai.__version__}")
