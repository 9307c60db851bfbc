"""attar mcp, asked by a client of the protocol's SDK over both of its transports."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra mcp is not installed")
pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx
import mcp_types as types
from jsonschema import Draft202012Validator
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from attar.bundle import CARD, REPORT
from attar.runtime.predictor import load
from attar.tasks.multilabel import MULTILABEL
from tiny_ranking import write_ranking_bundle
from tiny_summaries import write_summaries_bundle

REFUND, WEATHER = "i want my refund", "the weather now"
COMMAND = [sys.executable, "-m", "attar.cli", "mcp"]
Session = Callable[[Client], Awaitable[Any]]
Ask = Callable[..., Any]


def talk(server: Any, session: Session, mode: str = "auto") -> Any:
    async def whole() -> Any:
        async with Client(server, mode=mode, read_timeout_seconds=20) as client:
            return await session(client)

    return asyncio.run(whole())


def stdio(*arguments: object) -> StdioServerParameters:
    command, *rest = [*COMMAND, *map(str, arguments)]
    return StdioServerParameters(command=command, args=rest)


@pytest.fixture
def http() -> Iterator[Callable[..., str]]:
    """Start `attar mcp --http` on a free port of loopback; returns its URL."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: object) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [*COMMAND, "--http", "--quiet", "--port", str(port), *map(str, arguments)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        started.append(process)
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None and time.monotonic() < until, "it did not start"
            try:
                httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            return f"http://127.0.0.1:{port}/mcp"

    yield start
    for process in started:
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture(params=["stdio", "http", "http, with a handshake"])
def ask(request: pytest.FixtureRequest, http: Callable[..., str]) -> Ask:
    """Talk to `attar mcp` with these bundles."""

    def talked(session: Session, *arguments: object) -> Any:
        if request.param == "stdio":
            return talk(stdio(*arguments), session)
        return talk(http(*arguments), session, "auto" if request.param == "http" else "legacy")

    return talked


def test_a_whole_conversation(ask: Ask, tiny_bundle: Path) -> None:
    async def session(client: Client) -> list[Any]:
        tools = (await client.list_tools()).tools
        answered = await client.call_tool("tiny", {"text": REFUND})
        abstained = await client.call_tool("tiny", {"text": WEATHER})
        several = await client.call_tool("tiny", {"texts": ["refund", "parcel"]})
        long = await client.call_tool("tiny", {"text": "a" * 100_001})
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("tinny", {"text": REFUND})
        return [tools, answered, abstained, several, long, unknown.value]

    tools, answered, abstained, several, long, unknown = ask(session, tiny_bundle)
    (tool,) = tools
    assert tool.name == "tiny"
    for part in ("3 labels: cancel, delivery, refund.", "abstains where it is not sure"):
        assert part in tool.description
    assert tool.annotations.read_only_hint

    expected = load(tiny_bundle)(REFUND).to_json()
    assert not answered.is_error
    found = answered.structured_content
    assert {key: found[key] for key in ("label", "score", "abstained")} == {
        key: expected[key] for key in ("label", "score", "abstained")
    }
    assert [[a["label"], a["score"]] for a in found["alternatives"]] == expected["alternatives"]
    assert found["answered_by"] == "model"
    assert json.loads(answered.content[0].text) == found

    assert abstained.structured_content["abstained"] is True
    assert abstained.structured_content["answered_by"] == "nobody"
    labels = [answer["label"] for answer in several.structured_content["answers"]]
    assert labels == ["refund", "delivery"]
    for result in (answered, abstained, several):
        Draft202012Validator(tool.output_schema).validate(result.structured_content)

    assert long.is_error and "at most 100,000" in long.content[0].text
    assert unknown.code == types.INVALID_PARAMS
    assert "there is no tool 'tinny'" in unknown.message and "'tiny'" in unknown.message


def server_of(path: Path, *more: Path, embed: bool = False, **settings: Any) -> Any:
    """The protocol's side in this process; called where a loop runs."""
    from attar.serve.mcp import make_server
    from attar.serve.metering import Metering
    from attar.serve.service import Service
    from attar.serve.settings import Model, Settings

    models = {str(load(p).manifest["name"]): Model(path=str(p)) for p in (path, *more)}
    service = Service(Settings(models=models, **settings), None, Metering())
    return service, make_server(service, embed=embed)


def inside(session: Session, *paths: Path, **settings: Any) -> Any:
    async def whole() -> Any:
        service, server = server_of(*paths, **settings)
        try:
            async with Client(server) as client:
                return await session(client)
        finally:
            await service.close()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "either text or texts"),
        ({"text": "a", "texts": ["b"]}, "either text or texts"),
        ({"text": 3}, "Expected `str`, got `int`"),
        ({"txt": "a"}, "unknown field `txt`"),
        ({"texts": []}, "no text to answer"),
        ({"texts": ["a"] * 257}, "257 texts; at most 256"),
    ],
)
def test_wrong_arguments_are_an_error_that_the_schema_foretells(
    tiny_bundle: Path, arguments: dict[str, Any], says: str
) -> None:
    async def session(client: Client) -> Any:
        (tool,) = (await client.list_tools()).tools
        return tool, await client.call_tool("tiny", arguments)

    tool, result = inside(session, tiny_bundle)
    assert result.is_error and says in result.content[0].text
    schema = Draft202012Validator(tool.input_schema)
    assert not schema.is_valid(arguments)
    assert schema.is_valid({"text": "a"}) and schema.is_valid({"texts": ["a"]})


def test_names_are_made_valid_and_stay_apart(make_bundle: Callable[..., Path]) -> None:
    from attar.bundle import read_bundle, write_bundle

    base = read_bundle(make_bundle())
    paths = []
    for number, name in enumerate(("Hilfe für Kunden", "Hilfe fur Kunden", "客户", "n" * 90)):
        path = base.path.with_name(f"{number}.attar")
        write_bundle(path, {**base.manifest, "name": name}, base.files)
        paths.append(path)

    async def session(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = inside(session, *paths, embed=True)
    names = [tool.name for tool in tools if not tool.name.endswith("_embed")]
    assert names == ["Hilfe_fur_Kunden", "Hilfe_fur_Kunden_2", "model", "n" * 58]
    assert all(len(tool.name) <= 64 for tool in tools) and len(tools) == 8
    assert tools[0].title == "Hilfe für Kunden"


def test_embeddings_are_offered_where_asked_for(tiny_bundle: Path) -> None:
    async def session(client: Client) -> Any:
        tools = (await client.list_tools()).tools
        return tools, await client.call_tool("tiny_embed", {"texts": [REFUND, WEATHER]})

    tools, result = inside(session, tiny_bundle, embed=True)
    assert [tool.name for tool in tools] == ["tiny", "tiny_embed"]
    Draft202012Validator(tools[1].output_schema).validate(result.structured_content)
    rows = result.structured_content["embeddings"]
    assert rows[0] == pytest.approx(load(tiny_bundle).embed([REFUND])[0].tolist())
    assert len(rows) == 2


def test_a_model_of_many_labels(make_bundle: Callable[..., Path]) -> None:
    settings = MULTILABEL.settings(["cancel", "delivery", "oos", "refund"], None)
    path = make_bundle(task="multilabel", task_settings=settings, files={"golden.jsonl": b""})

    async def session(client: Client) -> Any:
        (tool,) = (await client.list_tools()).tools
        return tool, await client.call_tool("tiny", {"text": "cancel refund"})

    tool, result = inside(session, path)
    Draft202012Validator(tool.output_schema).validate(result.structured_content)
    assert {entry["label"] for entry in result.structured_content["labels"]} <= set(
        settings["labels"]
    )
    assert "any number of 4 labels" in tool.description and "never abstains" in tool.description


def test_many_labels_are_cut(make_bundle: Callable[..., Path]) -> None:
    from attar.serve.mcp_tools import SHOWN_CHARACTERS, _cut

    assert _cut([f"l{n}" for n in range(150)]).endswith("l39 and 110 more")
    long = _cut(["x" * 90] * 20)
    assert long.endswith(" and 15 more") and len(long) <= SHOWN_CHARACTERS + 20


def test_the_card_and_the_report_are_resources(make_bundle: Callable[..., Path]) -> None:
    path = make_bundle(files={CARD: b"# tiny\n", REPORT: b'{"name":"tiny"}'})

    async def session(client: Client) -> Any:
        listed = (await client.list_resources()).resources
        read = [(await client.read_resource(item.uri)).contents[0] for item in listed]
        with pytest.raises(MCPError) as unknown:
            await client.read_resource("attar://models/other/card")
        return listed, read, unknown.value

    listed, read, unknown = inside(session, path)
    assert [item.uri for item in listed] == [
        "attar://models/tiny/card",
        "attar://models/tiny/report",
    ]
    assert [item.mime_type for item in listed] == ["text/markdown", "application/json"]
    assert [content.text for content in read] == ["# tiny\n", '{"name":"tiny"}']
    assert "attar://models/other/card" in unknown.message


def test_a_web_page_cannot_ask_loopback(http: Callable[..., str], tiny_bundle: Path) -> None:
    url = http(tiny_bundle)
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    for headers, status in [
        ({}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 421),
    ]:
        response = httpx.post(url, json=body, headers=accept | headers, trust_env=False)
        assert response.status_code == status, headers
    assert httpx.get(url, headers=accept, trust_env=False).status_code == 405


def test_the_gate_stands_before_the_route(tiny_bundle: Path) -> None:
    import hashlib

    from starlette.testclient import TestClient

    from attar.serve.mcp import make_app
    from attar.serve.settings import Key, Model, Settings

    key = Key(name="k", sha256=hashlib.sha256(b"secret").hexdigest())
    models = {"tiny": Model(path=str(tiny_bundle))}
    app = make_app(Settings(models=models, keys=(key,), log_requests=False))
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call["params"] = {"name": "tiny", "arguments": {"text": REFUND}}
    headers = {"Accept": "application/json, text/event-stream"}
    with TestClient(app) as client:
        assert client.post("/mcp", json=call, headers=headers).status_code == 401
        headers["Authorization"] = "Bearer secret"
        found = client.post("/mcp", json=call, headers=headers).json()
        assert found["result"]["structuredContent"]["label"] == "refund"
        late = client.post("/mcp", json=call, headers={**headers, "X-Deadline-Ms": "0.0001"})
        assert late.json()["result"]["isError"] is True
        long = client.post("/mcp", content=b" " * 2_000_001, headers=headers)
        assert long.status_code == 413


def test_standard_output_carries_only_the_protocol(tiny_bundle: Path) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize"}
    hello["params"] = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    done = subprocess.run(
        [*COMMAND, str(tiny_bundle)],
        input=json.dumps(hello) + "\nnot json\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines and all(line["jsonrpc"] == "2.0" for line in lines)
    assert lines[0]["result"]["serverInfo"]["name"] == "attar"


def test_other_machines_need_a_word(attar_command: Callable[..., Any], tiny_bundle: Path) -> None:
    done = attar_command("mcp", "--http", "--host", "0.0.0.0", tiny_bundle)
    assert done.code == 2 and "--insecure" in done.err
    done = attar_command("mcp", tiny_bundle, tiny_bundle)
    assert done.code == 2 and "two bundles are named 'tiny'" in done.err
    done = attar_command("mcp", tiny_bundle.with_name("none.attar"))
    assert done.code == 2 and "no such bundle" in done.err


def test_documents_and_summaries_are_readable_and_structured(tmp_path: Path) -> None:
    faq = write_ranking_bundle(tmp_path / "faq.attar")
    brief = write_summaries_bundle(tmp_path / "brief.attar", cut=0.0, words=100, share=None)
    document = "I cancel. Where is my parcel? The parcel is late."

    async def session(client: Client) -> Any:
        return (await client.list_tools()).tools, [
            await client.call_tool("faq", {"text": "my refund"}),
            await client.call_tool("faq", {"texts": ["my refund", "weather"]}),
            await client.call_tool("brief", {"text": document}),
            await client.call_tool("brief", {"text": document, "words": 4}),
            await client.call_tool("faq", {"text": "my refund", "words": 4}),
        ]

    tools, (sure, both, whole, short, refused) = inside(session, faq, brief)
    about = {tool.name: tool for tool in tools}
    assert "among 3 of its own: Cancelling, where-is-it, Refunds." in about["faq"].description
    assert "labels" not in about["faq"].description + about["brief"].description
    assert "words asks for a length" in about["brief"].description
    for tool, result in (("faq", sure), ("faq", both), ("brief", whole), ("brief", short)):
        Draft202012Validator(about[tool].output_schema).validate(result.structured_content)
        assert json.loads(result.content[0].text) == result.structured_content
    assert short.content[0].text.startswith('{"summary": "Where is my parcel?", ')
    assert sure.content[0].text.startswith('{"answer": "A refund takes a week.", "documents": [{')
    assert "passage" not in sure.structured_content["documents"][0]
    assert [one["answer"] for one in both.structured_content["answers"]] == [
        "A refund takes a week.", None,
    ]  # fmt: skip
    assert whole.structured_content["summary"] == "Where is my parcel? The parcel is late."
    assert Draft202012Validator(about["brief"].input_schema).is_valid({"text": "a", "words": 4})
    assert not Draft202012Validator(about["faq"].input_schema).is_valid({"text": "a", "words": 4})
    assert refused.is_error and "makes no summaries" in refused.content[0].text
