"""litellm against a server: as an OpenAI-compatible one, and by its rerank clients.

Not checked: its prices, which know no model of ours, and its client of Infinity, which
reads a ranked document as a bare text where Cohere, Jina and vLLM have an object.
"""

from __future__ import annotations

import os

# Read when the package is imported: its price list would be downloaded otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from importlib.metadata import version

import litellm
from facts import REFUND, WEATHER, arguments, done, fact, refused

given = arguments()
name = f"openai/{given.model}"
there = {"api_base": f"{given.url}/v1", "api_key": given.key, "timeout": 20, "num_retries": 0}
question = [{"role": "user", "content": REFUND}]
documents = ["the weather now", "i want my refund now", "where is my parcel"]


def completion() -> None:
    found = litellm.completion(model=name, messages=question, temperature=0, **there)
    choice = found.choices[0]
    fact("a completion is the label", choice.message.content == "refund", found)
    fact("it stops", choice.finish_reason == "stop", choice)
    fact("usage is read", found.usage.total_tokens > found.usage.prompt_tokens > 0, found.usage)
    abstained = litellm.completion(
        model=name, messages=[{"role": "user", "content": WEATHER}], **there
    )
    fact("an abstention is out of scope", abstained.choices[0].message.content == "oos", abstained)


def structured() -> None:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string"}},
        "required": ["label"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "t", "schema": schema, "strict": True}}
    found = litellm.completion(model=name, messages=question, response_format=form, **there)
    content = found.choices[0].message.content
    fact("a JSON schema is filled", content == '{"label": "refund"}', content)
    tool = {"type": "function", "function": {"name": "route", "parameters": schema}}
    found = litellm.completion(model=name, messages=question, tools=[tool], **there)
    (call,) = found.choices[0].message.tool_calls
    fact("a function is called", call.function.arguments == '{"label": "refund"}', found)


def stream() -> None:
    chunks = list(
        litellm.completion(
            model=name,
            messages=question,
            stream=True,
            stream_options={"include_usage": True},
            **there,
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    fact("a stream spells the label", "".join(pieces) == "refund", chunks)
    whole = litellm.stream_chunk_builder(chunks, messages=question)
    fact("its chunks make a completion", whole.choices[0].message.content == "refund", whole)
    fact("with usage", whole.usage.prompt_tokens > 0, whole)


def embedding() -> None:
    found = litellm.embedding(model=name, input=[REFUND, WEATHER], **there)
    first, second = (one["embedding"] for one in found.data)
    fact("an embedding a text", len(first) == len(second) > 1 and first != second, found)


def rerank() -> None:
    """The forms that its providers send: Cohere's, vLLM's and Jina's, and TEI's list."""
    for provider, base in (
        ("cohere", f"{given.url}/v1/rerank"),
        ("hosted_vllm", given.url),
        ("huggingface", given.url),
        ("jina_ai", f"{given.url}/v1/rerank"),
    ):
        found = litellm.rerank(
            model=f"{provider}/{given.model}",
            query=REFUND,
            documents=documents,
            top_n=2,
            return_documents=True,
            api_base=base,
            api_key=given.key,
            timeout=20,
        )
        order = [one["index"] for one in found.results]
        fact(f"{provider}: the nearest first", len(order) == 2 and order[0] == 1, found)
        scores = [one["relevance_score"] for one in found.results]
        fact(f"{provider}: by score", scores == sorted(scores, reverse=True), found)
        told = found.results[0].get("document")
        fact(f"{provider}: with its text", told and told["text"] == documents[1], found)


def errors() -> None:
    def ask(model: str = name, **changed: object) -> object:
        return litellm.completion(model=model, messages=question, **(there | changed))

    refused("no such model", litellm.NotFoundError, lambda: ask("openai/gpt-9"))
    refused("n = 2", litellm.BadRequestError, lambda: ask(n=2))
    refused("a wrong key", litellm.AuthenticationError, lambda: ask(api_key="not-a-key"))

    def often() -> None:
        for _ in range(50):
            ask(api_key=given.limited_key)

    refused("too often for the key", litellm.RateLimitError, often)


litellm.suppress_debug_info = True
completion()
structured()
stream()
embedding()
rerank()
errors()
done(f"litellm {version('litellm')}")
