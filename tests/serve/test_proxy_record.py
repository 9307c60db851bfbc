"""What attar proxy writes of the traffic, and what it never writes."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from serve.proxy_desk import KEY, Start, answering, completion, question


def test_a_row_says_what_was_asked_and_answered(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(completion(" refund.\n"), 200, [(b"x-request-id", b"r7")])
    system = {"role": "system", "content": "Name the intent."}
    earlier = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    parts = [{"type": "text", "text": "i want"}, {"type": "text", "text": "my refund"}]
    proxied.chat(messages=[system, *earlier, {"role": "user", "content": parts}])
    (row,) = proxied.rows()
    assert row.pop("latency_ms") > 0 and row.pop("time").startswith("20")
    assert row == {
        "text": "i want\nmy refund", "label": "refund", "model": "large-2", "input_tokens": 100,
        "output_tokens": 2, "request_id": "r7", "status": 200,
        "system": hashlib.sha256(b"Name the intent.").hexdigest(),
    }  # fmt: skip


def test_what_is_no_question_passes_and_is_not_written(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(completion("refund"))
    body = b"no json"
    assert proxied.client.post("/v1/chat/completions", content=body).status_code == 200
    assert proxied.upstream.seen[0]["body"] == body
    assert proxied.rows() == [] and proxied.rows("unlabeled") == []


def test_only_matching_instructions_are_recorded(start: Start) -> None:
    proxied = start(system_contains="Name the intent")
    proxied.upstream.answer = answering(completion("refund"))
    proxied.chat("one", messages=[{"role": "system", "content": "Name the intent!"},
                                  {"role": "user", "content": "one"}])  # fmt: skip
    proxied.chat("two")
    assert [row["text"] for row in proxied.rows()] == ["one"]


def test_answers_are_kept_on_request(start: Start) -> None:
    proxied = start(keep_answers=True)
    proxied.upstream.answer = answering(completion("a long\nanswer"))
    proxied.chat()
    assert proxied.rows("unlabeled")[0]["answer"] == "a long\nanswer"


def test_what_people_wrote_is_redacted(start: Start) -> None:
    proxied = start(lambda text: text.replace("Ada", "<NAME>"), keep_answers=True)
    proxied.upstream.answer = answering(completion("Ada"))
    proxied.chat(messages=[{"role": "system", "content": "You serve Ada."},
                           {"role": "user", "content": "I am Ada"}])  # fmt: skip
    proxied.upstream.answer = answering(completion("Dear\nAda"))
    proxied.chat()
    assert proxied.rows() == []  # a label with a name in it is none
    rows = proxied.rows("unlabeled")
    assert rows[0]["text"] == "I am <NAME>" and rows[1]["answer"] == "Dear\n<NAME>"
    assert rows[0]["system"] == hashlib.sha256(b"You serve <NAME>.").hexdigest()


def test_a_sample_is_recorded(start: Start) -> None:
    proxied = start(sample=0.0)
    proxied.upstream.answer = answering(completion("refund"))
    proxied.chat()
    assert proxied.rows() == [] and proxied.rows("unlabeled") == []


def test_keys_are_in_no_file_and_no_line(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    proxied = start(report_every=1, keep_answers=True)
    proxied.upstream.answer = answering(completion("refund"))
    proxied.chat()
    proxied.client.post(f"/v1/chat/completions?api-key={KEY}", json=question("b"),
                        headers={"api-key": KEY, "Cookie": KEY})  # fmt: skip
    metrics = proxied.client.get("/_attar/metrics").text
    proxied.close()
    headers = dict(proxied.upstream.seen[0]["headers"])
    assert headers[b"authorization"] == f"Bearer {KEY}".encode()
    own = [r.getMessage() for r in caplog.records if r.name != "httpx"]  # that is the client
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert KEY not in written and KEY not in metrics and KEY not in "".join(own)
    assert KEY not in "".join(capfd.readouterr())
    assert len(written.splitlines()) == 2


def test_the_files_are_what_a_build_reads(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="curation needs the extra train")
    from attar.data.curate import curate
    from attar.data.read import read_rows
    from attar.recipe import DataSection
    from attar.tasks import TASKS

    proxied = start()
    nouns = ["refund", "parcel"]
    words = [f"{a} {b} {c}" for a in ("please", "hello", "so", "now") for b in
             ("where", "why", "when", "how", "that") for c in ("is it", "was it")]  # fmt: skip
    for noun in nouns:
        proxied.upstream.answer = answering(completion(noun))
        for start_of in words:
            proxied.chat(f"{start_of} my {noun}")
    proxied.upstream.answer = answering(completion("a long\nanswer"))
    proxied.chat("who are you and what do you do")
    proxied.close()
    train, unlabeled = tmp_path / "traffic.jsonl", tmp_path / "traffic.unlabeled.jsonl"
    fields = DataSection(train=(train,), unlabeled=(unlabeled,))
    rows, dropped = read_rows([train], fields, labeled=True, strict=True)
    assert len(rows) == 80 and not dropped and {row.label for row in rows} == {*nouns}
    dataset = curate(TASKS.get("classify"), fields)
    assert {row.label for row in dataset.train} == {*nouns}
    assert [row.text for row in dataset.unlabeled] == ["who are you and what do you do"]
