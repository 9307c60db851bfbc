"""langchain-openai against a server: chat, streams, structured outputs and embeddings.

OpenAIEmbeddings sends token ids unless told not to; the refusal must say what to set.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

import openai
import tiktoken.registry
from facts import REFUND, WEATHER, arguments, done, fact, refused
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

given = arguments()
there = {"base_url": f"{given.url}/v1", "max_retries": 0, "timeout": 20}
model = ChatOpenAI(model=given.model, api_key=given.key, temperature=0, **there)


class Ticket(BaseModel):
    """Where a message goes."""

    intent: Literal["cancel", "delivery", "refund", "oos"] = Field(description="what it asks for")
    confidence: float
    abstained: bool


def chat() -> None:
    found = model.invoke(REFUND)
    fact("invoke gives the label", found.content == "refund", found)
    fact("with usage", found.usage_metadata["total_tokens"] > 0, found)
    fact("and why it ended", found.response_metadata["finish_reason"] == "stop", found)
    found = model.invoke([("system", "Name the intent."), ("user", WEATHER)])
    fact("an abstention is out of scope", found.content == "oos", found)
    several = model.batch([REFUND, "where is my parcel please"])
    fact("batch keeps the order", [m.content for m in several] == ["refund", "delivery"], several)
    sure = model.bind(logprobs=True, top_logprobs=2).invoke(REFUND)
    tokens = sure.response_metadata["logprobs"]["content"]
    fact("logprobs are there", [one["token"] for one in tokens] == ["refund"], sure)


def stream() -> None:
    chunks = list(model.stream(REFUND, stream_usage=True))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    fact("a stream spells the label", whole.content == "refund", chunks)
    fact("with usage once", sum(c.usage_metadata is not None for c in chunks) == 1, chunks)
    fact("and one end", whole.response_metadata["finish_reason"] == "stop", whole)


def structured() -> None:
    for method in ("json_schema", "function_calling"):
        asking = model.with_structured_output(Ticket, method=method, include_raw=True)
        found = asking.invoke(REFUND)
        ticket = found["parsed"]
        fact(f"{method}: parsed", isinstance(ticket, Ticket), found)
        fact(f"{method}: the label", ticket.intent == "refund" and not ticket.abstained, found)
        fact(f"{method}: the score", 0.9 < ticket.confidence <= 1, found)
    bound = model.bind_tools([Ticket], tool_choice="required").invoke(WEATHER)
    (call,) = bound.tool_calls
    fact("a bound tool is called", call["name"] == "Ticket", bound)
    fact("abstentions say so", call["args"]["abstained"] and call["args"]["intent"] == "oos", bound)


def embeddings() -> None:
    asking = OpenAIEmbeddings(
        model=given.model, api_key=given.key, check_embedding_ctx_length=False, **there
    )
    rows = asking.embed_documents([REFUND, WEATHER])
    fact("an embedding a text", len(rows) == 2 and len(rows[0]) > 1 and rows[0] != rows[1], rows)
    fact("a query is embedded alike", asking.embed_query(REFUND) == rows[0], rows)
    # Its own vocabulary is downloaded at the first use. Ids of bytes are ids as well.
    tiktoken.registry.ENCODINGS["cl100k_base"] = tiktoken.Encoding(
        "bytes", pat_str=r"[\s\S]", mergeable_ranks={bytes([i]): i for i in range(256)},
        special_tokens={},
    )  # fmt: skip
    checking = OpenAIEmbeddings(model=given.model, api_key=given.key, **there)
    error = refused("token ids are refused", openai.BadRequestError,
                    lambda: checking.embed_documents([REFUND]))  # fmt: skip
    fact("saying what to set", "check_embedding_ctx_length=False" in str(error), error)


def errors() -> None:
    for name, kind, changed in (
        ("no such model", openai.NotFoundError, {"model": "gpt-9"}),
        ("a wrong key", openai.AuthenticationError, {"api_key": "not-a-key"}),
    ):
        wanted = {"model": given.model, "api_key": given.key, **there, **changed}
        refused(name, kind, lambda wanted=wanted: ChatOpenAI(**wanted).invoke(REFUND))


chat()
stream()
structured()
embeddings()
errors()
done(f"langchain-openai {version('langchain-openai')} on openai {version('openai')}")
