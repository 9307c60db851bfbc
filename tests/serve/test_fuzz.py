"""Whatever is posted: never a failure of the server, and one shape for all errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attar.serve.app import OPERATIONS
from attar.serve.settings import Capture, Model
from tiny_ranking import write_ranking_bundle
from tiny_spans import write_spans_bundle
from tiny_summaries import write_summaries_bundle

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

POSTED = [operation.path for operation in OPERATIONS if operation.method == "POST"]
DOCUMENTS = ("/v1/predict/{model}", "/v1/chat/completions", "/v1/embeddings")  # answered from them
EXAMPLES = 150  # of each route
quick = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

texts = st.sampled_from(["i want my refund", "the weather now", "", "\x00", "\u202eé😀"]) | st.text(
    st.characters(codec="utf-8"), max_size=20
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.just(10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
loose = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "type", "a", "$ref"]), inner, max_size=3)
    ),
    max_leaves=6,
)
labels = st.sampled_from(
    [
        {"type": "string"},
        {"enum": ["refund", "oos"]},
        {"anyOf": [{"$ref": "#/properties/label"}]},
        {"const": 1},
        {"type": "array"},
        {"type": ["number", "null"], "minimum": 0},
        {"type": "array", "items": {"type": "object", "properties": {"text": {"type": "string"}}}},
    ]
)
NAMES = st.sampled_from(["label", "score", "labels", "thing", "things", "spans", "calls",
                         "answer", "documents", "summary", "sentences"])  # fmt: skip
offsets = st.sampled_from([0, 2, 5.0, 9, 1.5, 10**30])
span = st.fixed_dictionaries({"start": offsets, "end": offsets, "label": texts}) | loose
schemas = loose | st.fixed_dictionaries(
    {"properties": st.dictionaries(NAMES, labels | loose)},
    optional={"required": loose | st.lists(st.sampled_from(["label", "x"]), max_size=2)},
)
parts = st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url"]), "text": texts})
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "user", "system", "tool"]),
        "content": texts | st.lists(parts, max_size=2) | loose,
    }
)
formats = st.fixed_dictionaries(
    {"type": st.sampled_from(["json_schema", "json_object", "text"])},
    optional={"json_schema": st.fixed_dictionaries({"name": texts, "schema": schemas})},
)
functions = st.fixed_dictionaries({"name": texts}, optional={"parameters": schemas})
tools = st.fixed_dictionaries({"type": st.just("function"), "function": functions})
several = texts | st.lists(texts, max_size=3) | loose
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["tiny", "tiny", "tiny", "other"]) | texts,
    "text": texts,
    "texts": st.lists(texts, max_size=3),
    "label": st.just("refund") | texts,
    "spans": st.lists(span, max_size=2),
    "summary": texts | st.dictionaries(texts, texts, max_size=2),
    "words": st.integers(0, 9),
    "messages": st.lists(messages, max_size=3),
    "stream": st.booleans(),
    "stream_options": st.just({"include_usage": True}),
    "response_format": formats,
    "tools": st.lists(tools, max_size=2),
    "tool_choice": st.sampled_from(["auto", "none", {"function": {"name": "x"}}]),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "n": st.integers(1, 2),
    "input": several,
    "inputs": several,
    "encoding_format": st.sampled_from(["float", "base64", "int8"]),
    "dimensions": st.sampled_from([4, 5]),
    "query": texts,
    "documents": st.lists(texts | st.fixed_dictionaries({"text": texts}), max_size=3),
    "top_n": st.integers(1, 3),
    "return_text": st.booleans(),
    "return_documents": st.booleans(),
    "normalize": st.booleans(),
}


def bodies(path: str) -> st.SearchStrategy[Any]:
    """Bodies of the route, mostly near to what it takes."""
    (operation,) = (o for o in OPERATIONS if (o.method, o.path) == ("POST", path))
    taken = getattr(operation.takes, "__origin__", operation.takes)  # of an Annotated type
    known = {name: FIELDS.get(name, loose) for name in taken.__struct_fields__}
    needed = {"messages", "input", "inputs", "query", "text"} & set(known)
    near = {name: strategy if name in needed else strategy | loose
            for name, strategy in known.items()}  # fmt: skip
    required = {name: near[name] for name in needed}
    if "model" in known:
        required["model"] = FIELDS["model"]
    optional = {name: strategy for name, strategy in near.items() if name not in required}
    whole = st.fixed_dictionaries(required, optional=optional)
    if "summary" not in known:
        return whole | loose
    # What a person says of a text is one of several things, hardly ever two.
    one = st.one_of(*(st.fixed_dictionaries({**required, k: v}) for k, v in optional.items()))
    return whole | one | loose


@pytest.mark.parametrize("path", POSTED)
def test_bodies(serve: Serve, path: str, tmp_path: Path) -> None:
    server = serve(capture=Capture(path=str(tmp_path / "capture.jsonl")))
    assert posted(server, path) >= {200, 422}  # the strategy makes bodies of both kinds


@pytest.mark.parametrize("path", [path for path in POSTED if "rerank" not in path])
def test_bodies_for_a_model_that_marks_spans(serve: Serve, path: str, tmp_path: Path) -> None:
    tiny = Model(path=str(write_spans_bundle(tmp_path / "things.attar")))
    capture = Capture(path=str(tmp_path / "capture.jsonl"))
    reached = posted(serve(models={"tiny": tiny}, capture=capture), path)
    assert (200 in reached) is (path != "/classify")  # it has no labels of texts


@pytest.mark.parametrize("write", [write_ranking_bundle, write_summaries_bundle])
@pytest.mark.parametrize("path", [p for p in POSTED if p.startswith("/v1/") and "rank" not in p])
def test_bodies_for_models_of_documents(
    serve: Serve, path: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    tiny = Model(path=str(write(tmp_path / "documents.attar")))
    capture = Capture(path=str(tmp_path / "capture.jsonl"))
    reached = posted(serve(models={"tiny": tiny}, capture=capture), path)
    corrected = path == "/v1/models/{model}/corrections" and write is write_summaries_bundle
    assert (200 in reached) is (corrected or path in DOCUMENTS)


def posted(server: Running, path: str) -> set[int]:
    """Post many bodies; returns the statuses of the answers."""
    reached = set()

    @quick
    @given(bodies(path), st.sampled_from([None, None, None, "1", "x", "0", "nan"]))
    def ask(body: Any, deadline: str | None) -> None:
        headers = {"content-type": "application/json"}
        if deadline is not None:
            headers["x-deadline-ms"] = deadline
        response = server.client.post(
            path.replace("{model}", "tiny"), content=json.dumps(body), headers=headers
        )
        reached.add(response.status_code)
        assert response.headers["x-request-id"]
        if response.status_code == 200:
            assert response.content
            return
        assert response.status_code in (400, 401, 404, 409, 413, 422, 429, 504), response.text
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"] and isinstance(error["message"], str)
        assert error["param"] is None or isinstance(error["param"], str)
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) >= 1

    ask()
    return reached


def test_bytes_that_are_no_json(serve: Serve) -> None:
    server = serve()

    @quick
    @given(st.binary(max_size=60), st.sampled_from(POSTED))
    def ask(content: bytes, path: str) -> None:
        response = server.client.post(path.replace("{model}", "tiny"), content=content)
        assert response.status_code in (400, 422)
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}

    ask()


BREAKING = (
    *(b"[" * 100_000, b'{"a":' * 50_000, b"NaN", b'{"text": 1e999}', b"\xff\xfe{}"),
    *(b'{"text": "\xed\xa0\x80"}', b'{"text": "\\udc00\\ud800"}', b'{"text": "\\ud800"}'),
)


@pytest.mark.parametrize("path", ["/v1/predict/tiny", "/v1/chat/completions", "/embed"])
def test_what_breaks_parsers(serve: Serve, path: str) -> None:
    server = serve()
    for content in BREAKING:
        response = server.client.post(path, content=content)
        assert response.status_code in (400, 422), response.text
        assert response.json()["error"]["message"]
