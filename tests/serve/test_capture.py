"""The capture file: in the form that `attar build` reads, and never in a request's way."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.errors import OutputError
from attar.runtime import capture as module
from attar.runtime.capture import Capture, Rotation, TrainingFiles, beside
from attar.runtime.cascade import NoAnswerError
from attar.serve.settings import Capture as CaptureSettings
from attar.serve.settings import Fallback, Person

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

REFUND, WEATHER = "i want my refund", "the weather now"


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stopped(server: Running) -> None:
    """End the server, so that all rows are written."""
    server.server.should_exit = True
    until = time.monotonic() + 20
    capture = server.service.capture
    assert capture is not None
    while not capture.closed:
        assert time.monotonic() < until, "the capture thread did not end"
        time.sleep(0.01)


def test_rows_of_a_server(serve: Serve, tmp_path: Path, tiny_bundle: Path) -> None:
    path = tmp_path / "requests.jsonl"
    server = serve(capture=CaptureSettings(path=str(path)))
    client = server.client
    client.post(
        "/v1/predict/tiny", json={"texts": [REFUND, WEATHER]}, headers={"x-request-id": "a"}
    )
    client.post("/classify", json={"input": "my parcel"})
    body = {"text": "a", "label": ["refund", "oos"]}
    wrong = client.post("/v1/models/tiny/corrections", json=body)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "one_label")
    taken = client.post(
        "/v1/models/tiny/corrections", json={"text": 'my parcel\n"é😀', "label": "delivery"}
    )
    assert taken.json() == {"taken": True}
    client.post("/v1/predict/tiny", json={"text": 3})
    client.post("/embed", json={"inputs": REFUND})
    stopped(server)
    refund, weather, parcel = rows(beside(path))
    (corrected,) = rows(path)
    # No label of the model's own: nothing is trained to repeat itself.
    assert not any("label" in row for row in (refund, weather, parcel))
    assert (refund["text"], refund["predicted"], refund["request_id"]) == (REFUND, "refund", "a")
    assert [row["answered_by"] for row in (refund, weather, parcel)] == ["model", "nobody", "model"]
    assert len(refund["content_sha256"]) == 64
    assert (corrected["label"], corrected["answered_by"]) == ("delivery", "person")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_labels_come_from_the_fallback_or_a_person_alone(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "requests.jsonl"
    fallback = Fallback(url="http://127.0.0.1:9/v1", model="large")
    server = serve(
        {"on_abstain": "fallback"}, fallback=fallback, capture=CaptureSettings(path=str(path))
    )
    said: list[Any] = ["cancel", NoAnswerError("failed", "no")]

    async def label(*_: Any, **__: Any) -> str:
        found = said.pop(0)
        if isinstance(found, Exception):
            raise found
        return str(found)

    monkeypatch.setattr(type(server.service.large), "label", label)
    for _ in range(2):
        server.client.post("/v1/predict/tiny", json={"text": WEATHER})
    stopped(server)
    (by_fallback,), (by_nobody,) = rows(path), rows(beside(path))
    assert (by_fallback["label"], by_fallback["answered_by"]) == ("cancel", "fallback")
    assert "label" not in by_nobody


def test_what_waits_for_a_person_has_no_label(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "requests.jsonl"
    person = Person(url="http://127.0.0.1:9/desk")
    server = serve({"on_abstain": "person"}, person=person, capture=CaptureSettings(path=str(path)))

    async def hand_over(*_: Any) -> None:
        pass

    monkeypatch.setattr(type(server.service.desk), "hand_over", hand_over)
    server.client.post("/v1/predict/tiny", json={"text": WEATHER})
    stopped(server)
    (row,) = rows(beside(path))
    assert row["answered_by"] == "person" and "label" not in row
    assert not path.exists()  # attar build refuses an empty file


def test_attar_build_reads_the_rows(tmp_path: Path) -> None:
    from attar.data.read import read_rows
    from attar.recipe import DataSection

    path, fields = tmp_path / "requests.jsonl", DataSection(train=())
    files = TrainingFiles(path)
    files.offer({"text": "a", "label": "refund", "answered_by": "person"})
    files.offer({"text": "b\nc \ud800", "predicted": "cancel", "answered_by": "model"})
    files.close()
    (row,), dropped = read_rows([path], fields, labeled=True, strict=True)
    assert (row.text, row.label) == ("a", "refund")
    (row,), more = read_rows([beside(path)], fields, labeled=False, strict=False)
    assert (row.text, dropped + more) == ("b\nc ?", [])


def test_a_server_without_a_capture_file_says_so_to_corrections(serve: Serve) -> None:
    client = serve().client
    body = {"text": REFUND, "label": "refund"}
    response = client.post("/v1/models/tiny/corrections", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "no_capture")
    assert client.post("/v1/models/tiny/corrections", json=body | {"label": ""}).status_code == 422


@pytest.mark.parametrize("files", [1, 3])
def test_files_are_rotated_by_size_and_the_oldest_go(tmp_path: Path, files: int) -> None:
    capture = Capture(tmp_path / "r.jsonl", rotation=Rotation(bytes=100, files=files))
    for number in range(20):
        capture.offer({"text": f"{number:060}"})
    capture.close()
    names = ["r.jsonl", "r.1.jsonl", "r.2.jsonl"][:files]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    kept = [int(row["text"]) for name in names for row in rows(tmp_path / name)]
    assert kept == list(range(19, 19 - files, -1))
    for path in tmp_path.iterdir():
        assert path.stat().st_size <= 100
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_row_larger_than_a_file_is_written_and_an_old_file_is_gone_on_with(
    tmp_path: Path,
) -> None:
    path = tmp_path / "r.jsonl"
    for text in ("a", "b" * 500, "c"):
        capture = Capture(path, rotation=Rotation(bytes=100, files=5))
        capture.offer({"text": text})
        capture.close()
    assert rows(path) == [{"text": "c"}]
    assert rows(tmp_path / "r.1.jsonl") == [{"text": "b" * 500}]
    assert rows(tmp_path / "r.2.jsonl") == [{"text": "a"}]


def test_a_sample_is_taken_and_corrections_always(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "r.jsonl", sample=0.25)
    for number in range(2_000):
        capture.offer({"text": str(number)})
    capture.offer({"text": "kept"}, always=True)
    capture.close()
    found = rows(tmp_path / "r.jsonl")
    assert found[-1] == {"text": "kept"}
    assert 350 < len(found) < 650  # five standard deviations of a fair quarter, and more
    none = Capture(tmp_path / "n.jsonl", sample=0.0)
    none.offer({"text": "a"})
    none.close()
    assert rows(tmp_path / "n.jsonl") == []


def test_redaction(tmp_path: Path) -> None:
    counted: Counter[str] = Counter()

    def redact(text: str) -> str:
        if "bad" in text:
            raise ValueError(text)
        return text.replace("Ada", "[NAME]")

    def count(outcome: str) -> None:
        counted[outcome] += 1

    capture = Capture(tmp_path / "r.jsonl", redact=redact, count=count)
    conversation = ({"role": "user", "content": "I am Ada"}, {"role": "user", "content": None})
    capture.offer({"text": "Ada", "conversation": conversation, "model": "Ada"})
    capture.offer({"text": "bad Ada"})  # rather no row than a text that was not redacted
    capture.offer({"text": "c"})
    capture.offer({"text": object()})
    capture.close()
    first, last = rows(tmp_path / "r.jsonl")
    assert first["text"] == "[NAME]"
    assert first["conversation"][0]["content"] == "I am [NAME]"
    assert first["model"] == "Ada"
    assert last == {"text": "c"}
    assert counted == {"written": 2, "failed": 2}


def test_a_server_redacts(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    redacted = CaptureSettings(path=str(path), redact=True)
    server = serve(capture=redacted, redact=lambda text: text.replace("refund", "[X]"))
    server.client.post("/v1/predict/tiny", json={"text": REFUND})
    stopped(server)
    assert [row["text"] for row in rows(beside(path))] == ["i want my [X]"]


def test_a_full_queue_loses_rows_counts_them_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    counted: Counter[str] = Counter()
    begun, go = threading.Event(), threading.Event()

    def redact(text: str) -> str:
        begun.set()
        assert go.wait(20)
        return text

    def count(outcome: str) -> None:
        counted[outcome] += 1

    capture = Capture(tmp_path / "r.jsonl", redact=redact, count=count)
    capture.offer({"text": "first"})
    assert begun.wait(20)
    for number in range(9):
        capture.offer({"text": str(number)})
    assert counted == {"lost": 4}
    go.set()
    capture.close()
    assert [row["text"] for row in rows(tmp_path / "r.jsonl")] == ["first", *"01234"]
    assert counted == {"lost": 4, "written": 6}


def test_a_path_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "r.jsonl", tmp_path):
        with pytest.raises(OutputError, match="cannot write") as refused:
            Capture(path)
        assert str(path) in str(refused.value)


def test_a_disk_that_fails_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: Counter[str] = Counter()
    failed = threading.Event()
    replace = os.replace

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    def count(outcome: str) -> None:
        counted[outcome] += 1
        if outcome == "failed":
            monkeypatch.setattr(module.os, "replace", replace)
            failed.set()

    monkeypatch.setattr(module.os, "replace", full)
    rotation = Rotation(bytes=30, files=2)
    capture = Capture(tmp_path / "r.jsonl", rotation=rotation, count=count)
    capture.offer({"text": "a" * 15})
    capture.offer({"text": "b" * 15})
    assert failed.wait(20)
    capture.offer({"text": "c" * 15})
    capture.close()
    assert counted == {"written": 2, "failed": 1}
    assert rows(tmp_path / "r.jsonl") == [{"text": "c" * 15}]
    assert rows(tmp_path / "r.1.jsonl") == [{"text": "a" * 15}]


def test_a_flush_that_fails_does_not_end_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSHED_AFTER_S", 0.01)
    capture = Capture(tmp_path / "r.jsonl")
    flush, failed = capture._file.flush, threading.Event()

    class Failing:
        closed = False

        def flush(self) -> None:
            capture._file = file
            failed.set()
            raise OSError(28, "No space left on device")

    file = capture._file
    capture._file = Failing()  # type: ignore[assignment]
    assert failed.wait(20)
    assert flush() is None
    capture.offer({"text": "a"})
    capture.close()
    assert rows(tmp_path / "r.jsonl") == [{"text": "a"}]


def test_redaction_of_spans_and_calls(tmp_path: Path) -> None:
    def redact(text: str) -> str:
        return text.replace("Ada Byron", "[NAME]")

    counted: Counter[str] = Counter()
    capture = Capture(
        tmp_path / "r.jsonl", redact=redact, count=lambda outcome: counted.update([outcome])
    )
    text = "call Ada Byron now"

    def span(part: str) -> dict[str, Any]:
        start = text.index(part)
        return {"start": start, "end": start + len(part), "label": "x"}

    def call(value: str) -> list[dict[str, Any]]:
        return [{"name": "call", "arguments": {"who": value, "n": 2}}]

    capture.offer({"text": text, "spans": [span("Ada Byron"), span("now")]})
    capture.offer({"text": text, "predicted": {"spans": [span("Ada")]}})  # cut by the redaction
    capture.offer({"text": text, "predicted": {"calls": call("Ada Byron")}})
    capture.offer({"text": text, "calls": call("Ada Byron")})
    capture.offer({"text": text, "spans": [span("Byron")]})  # rather no row than a wrong one
    capture.offer({"text": text, "calls": call("Ada")})
    capture.close()
    spans, guess, guessed_call, called = rows(tmp_path / "r.jsonl")
    assert [(s["start"], s["end"]) for s in spans["spans"]] == [(5, 11), (12, 15)]
    assert guess == guessed_call == {"text": "call [NAME] now"}
    assert called["calls"][0]["arguments"] == {"who": "[NAME]", "n": 2}
    assert counted == {"written": 4, "failed": 2}
