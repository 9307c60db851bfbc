"""What attar proxy reads from what passed: questions, answers and labels, in every form."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve.proxy_exchange import LabelFrom, label_in, question_in, reply_in
from serve.proxy_desk import (
    REFUND,
    Start,
    answering,
    completion,
    delta,
    events,
    question,
    streaming,
)

CALLED = {"name": "route", "arguments": '{"intent": "refund"}'}
CALL = {"tool_calls": [{"id": "c", "type": "function", "function": CALLED}]}


@pytest.mark.parametrize(
    ("source", "answer", "label"),
    [
        ("auto", completion("refund"), "refund"),
        ("auto", completion('{"category": "refund", "why": "…"}'), "refund"),
        ("auto", completion('```json\n{"label": "refund"}\n```'), "refund"),
        ("auto", completion('{"class": ["a", "b"]}'), ["a", "b"]),
        ("auto", completion('["a", "b"]'), ["a", "b"]),
        ("auto", completion('{"label": 4}'), "4"),
        ("auto", completion('{"other": "refund"}'), None),
        ("auto", completion(None, **CALL, finish_reason="tool_calls"), "refund"),
        ("auto", completion("two\nlines"), None),
        ("auto", completion("x" * 81), None),
        ("auto", completion(""), None),
        ("auto", completion("refu", finish_reason="length"), None),
        ("auto", completion(None, refusal="I cannot."), None),
        ("content", completion('{"label": "refund"}'), '{"label": "refund"}'),
        ("json:why", completion('{"label": "a", "why": true}'), "true"),
        ("json:to.team", completion('{"to": {"team": "refund"}}'), "refund"),
        ("json:why", completion("refund"), None),
        ("tool:intent", completion("said", **CALL), "refund"),
        ("tool:intent", completion('{"intent": "refund"}'), None),
        ("auto", {"choices": []}, None),
        ("auto", ["no", "completion"], None),
        ("auto", b"no json", None),
    ],
)
def test_labels(source: str, answer: Any, label: Any) -> None:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    reply = reply_in("chat/completions", body, streamed=False)
    assert label_in(reply, LabelFrom.parse(source)) == label


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("completions", {"prompt": REFUND},
         {"choices": [{"text": " refund", "finish_reason": "stop"}]}),
        ("responses", {"input": REFUND, "instructions": "Name it."},
         {"status": "completed", "output": [{"type": "reasoning", "summary": []},
          {"type": "message", "content": [{"type": "output_text", "text": "refund"}]}]}),
        ("responses",
         {"input": [{"role": "user", "content": [{"type": "input_text", "text": REFUND}]}]},
         {"status": "completed", "output": [
             {"type": "function_call", "name": "f", "arguments": '{"label": "refund"}'}]}),
    ],
)  # fmt: skip
def test_the_other_forms(start: Start, path: str, body: Any, answer: Any) -> None:
    proxied = start()
    proxied.upstream.answer = answering(answer)
    proxied.client.post(f"/v1/{path}", json=body)
    (row,) = proxied.rows()
    assert (row["text"], row["label"]) == (REFUND, "refund")


@pytest.mark.parametrize(
    ("path", "pieces"),
    [
        ("chat/completions", events(
            delta("", role="assistant"), delta(tool_calls=[{"index": 0, "id": "c", "function": {
                "name": "f", "arguments": '{"la'}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": 'bel": "refund"}'}}]),
            delta(reason="tool_calls"), {"choices": [], "usage": {"prompt_tokens": 100}},
            b"[DONE]")),
        ("completions", events({"choices": [{"index": 0, "text": "ref"}]},
                               {"choices": [{"index": 0, "text": "und"}]}, b"[DONE]")),
        ("responses", events({"type": "response.created", "response": {"status": "in_progress"}},
                             {"type": "response.output_text.delta", "delta": "refund"},
                             {"type": "response.completed", "response": {
                                 "status": "completed", "output": [{"type": "message", "content": [
                                     {"type": "output_text", "text": "refund"}]}]}})),
    ],
)  # fmt: skip
def test_streams_are_put_together_again(start: Start, path: str, pieces: list[bytes]) -> None:
    proxied = start()
    whole = b"".join(pieces).replace(b"\n", b"\r\n")
    proxied.upstream.answer = streaming([whole[:40], whole[40:55], whole[55:]])
    asked = {**question(REFUND), "prompt": REFUND, "input": REFUND}
    proxied.client.post(f"/v1/{path}", json=asked)
    (row,) = proxied.rows()
    assert row["label"] == "refund"


def test_a_packed_answer_is_passed_on_packed_and_read(start: Start) -> None:
    proxied = start()
    packed = gzip.compress(json.dumps(completion("refund")).encode())
    proxied.upstream.answer = answering(packed, 200, [(b"content-encoding", b"gzip")])
    headers = {"Accept-Encoding": "br, gzip;q=0.8, zstd"}
    body = question(REFUND)
    with proxied.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as got:
        assert b"".join(got.iter_raw()) == packed
    assert (b"accept-encoding", b"gzip;q=0.8") in proxied.upstream.seen[0]["headers"]
    assert proxied.rows()[0]["label"] == "refund"


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'{"messages": 3}', b'{"messages": [{"role": "system"}]}',
     b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}',
     b'{"messages": [{"role": "user", "content": " "}]}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_question(body: bytes) -> None:
    assert question_in("chat/completions", body) is None
