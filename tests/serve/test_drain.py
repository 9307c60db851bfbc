"""SIGTERM to a real `attar serve`: what has begun is finished, then the process ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx

WEATHER = "the weather now"  # the model abstains


class Slow:
    """A large model that answers when it is let."""

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), threading.Semaphore(0)
        slow = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                slow.asked.release()
                slow.go.wait(30)
                message = {"role": "assistant", "content": "refund"}
                body = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def slow() -> Iterator[Slow]:
    stub = Slow()
    thread = threading.Thread(target=stub.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield stub
    stub.go.set()
    stub.server.shutdown()
    stub.server.server_close()
    thread.join(20)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What runs in the background ignores interrupts, and so does what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_has_begun_is_finished(slow: Slow, tiny_bundle: Path, tmp_path: Path) -> None:
    port, capture, log = free_port(), tmp_path / "requests.jsonl", tmp_path / "log"
    url = f"http://127.0.0.1:{slow.server.server_port}/v1"
    command = [sys.executable, "-m", "attar.cli", "serve", tiny_bundle, "--port", str(port),
               "--fallback", url, "--fallback-model", "large", "--capture", capture]  # fmt: skip
    with log.open("wb") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
            ) as client:
                _wait_for(client, process)
                _drained(client, process, slow)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 0  # died of the signal, it would be a failure to a supervisor
    rows = [json.loads(line) for line in capture.read_text(encoding="utf-8").splitlines()]
    assert [row["label"] for row in rows] == ["refund"] * 3  # written before the end
    written = log.read_text(encoding="utf-8")
    assert "Traceback" not in written
    assert WEATHER not in written


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("sent", "drain_s", "code"),
    [
        ([signal.SIGTERM], 1, 0),
        ([signal.SIGINT], 1, 130),
        ([signal.SIGINT, signal.SIGINT], 60, 130),  # who presses Ctrl-C again will not wait
    ],
)
def test_what_takes_too_long_is_broken_off(
    slow: Slow, tiny_bundle: Path, tmp_path: Path, sent: list[int], drain_s: int, code: int
) -> None:
    """Canceled by uvicorn, a request left a trace in the log, and its client got a bare 500."""
    config = tmp_path / "serve.toml"
    config.write_text(
        f"""
        [models.tiny]
        path = "{tiny_bundle}"
        on_abstain = "fallback"
        [fallback]
        url = "http://127.0.0.1:{slow.server.server_port}/v1"
        model = "large"
        [limits]
        drain_s = {drain_s}
        deadline_ms = 60_000
        """
    )
    port = free_port()
    command = [sys.executable, "-m", "attar.cli", "serve", "--config", config, "--port", str(port)]
    log = tmp_path / "log"
    with log.open("wb") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            with (
                httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
                ThreadPoolExecutor(1) as pool,
            ):
                _wait_for(client, process)
                begun = pool.submit(client.post, "/v1/predict/tiny", json={"text": WEATHER})
                assert slow.asked.acquire(timeout=20)
                for number in sent:
                    process.send_signal(number)
                    time.sleep(0.5)
                response = begun.result(30)
                assert process.wait(20) == code
        finally:
            if process.poll() is None:
                process.kill()
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "draining"
    assert response.headers["x-request-id"]
    written = log.read_text(encoding="utf-8")
    assert "Traceback" not in written and "finished work" not in written
    assert WEATHER not in written
    assert '"status":503' in written


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < until
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)


def _drained(client: httpx.Client, process: subprocess.Popen[bytes], slow: Slow) -> None:
    with ThreadPoolExecutor(3) as pool:
        ask = {"url": "/v1/predict/tiny", "json": {"text": WEATHER}}
        begun = [pool.submit(client.post, **ask) for _ in range(3)]
        for _ in begun:
            assert slow.asked.acquire(timeout=20)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None  # it waits for them
        with pytest.raises(httpx.TransportError), httpx.Client(trust_env=False) as newcomer:
            newcomer.get(f"{client.base_url}/healthz")
        slow.go.set()
        for one in begun:
            response = one.result(30)
            assert response.status_code == 200
            assert response.json()["answers"][0]["label"] == "refund"
    process.wait(20)
