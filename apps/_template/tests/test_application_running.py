"""The application as a new user starts it: `python -m application`, with a tiny bundle."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

import httpx

import application
import attar
from application.understanding import ModelUnderstands

FOLDER, ATTAR_TESTS = Path(__file__).parents[1], Path(attar.__file__).parents[2] / "tests"
MAKE = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import tiny_files, tiny_manifest, tiny_onnx, tiny_tokenizer
from attar.bundle import write_bundle
files = {"model.onnx": tiny_onnx(), "tokenizer.json": tiny_tokenizer(), "golden.jsonl": b""}
write_bundle(sys.argv[2], tiny_manifest(), files)
"""
SETTINGS = """
[model]
bundle = "{bundle}"
[keys.clients]
web = "2689367b205c16ce32ed4200942b8b8b1e262dfc70d9bc9fbc77c49699a4f1df"  # of the key "ok"
[policy]
handed = "Somebody will answer."
[policy.answers]
refund = "It comes back in three days."
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of attar's own tests: "refund" asks for a refund, "weather" is out of scope."""
    pytest.importorskip("onnx", reason="makes the bundle")
    if not (ATTAR_TESTS / "conftest.py").is_file():
        pytest.skip("attar is installed without its tests")
    path = tmp_path_factory.mktemp("bundle") / "tiny.attar"
    subprocess.run([sys.executable, "-c", MAKE, ATTAR_TESTS, path], check=True)
    return path


def test_the_model_understands(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = ModelUnderstands(str(bundle))
    assert "no share of wrong answers is guaranteed" in caplog.text
    assert model.labels == ("cancel", "delivery", "refund", "oos")
    assert model("my refund please").label == "refund" and not model("my refund").abstained
    assert model("weather").abstained
    assert model("").label and model("\0 " * 50_000).score <= 1  # whatever comes


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no.attar").write_text("no")
    with pytest.raises(attar.AttarError):
        ModelUnderstands(str(tmp_path / "no.attar"))


def command(*arguments: object) -> tuple[list[str], dict[str, str]]:
    path = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
    name = application.__name__
    return [sys.executable, "-m", name, *map(str, arguments)], {**os.environ, "PYTHONPATH": path}


def free_port() -> int:
    """Below those that a busy system gives to whatever asks for one in the meantime."""
    for port in random.sample(range(20_000, 32_000), 50):
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command on a free port, ended by its process id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words, environment = command(*arguments, "--port", port)
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/healthz", trust_env=False).status_code == 200:
                    break
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until, "it did not start"
            time.sleep(0.05)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        assert "Traceback" not in said, said


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_worker_is_replaced_and_nothing_is_done_twice(
    bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS.format(bundle=bundle))
    with (
        running("serve", tmp_path / "settings.toml", "--workers", "2") as (url, process),
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        headers = {"Authorization": "Bearer ok", "Connection": "close"}

        def say(key: int) -> bool:
            until = time.monotonic() + 30
            while True:
                with contextlib.suppress(httpx.TransportError):
                    body = {"key": str(key), "text": "my refund please"}
                    said = client.post("/v1/messages", json=body, headers=headers)
                    assert said.status_code == 200, said.text
                    assert said.json()["text"] == "It comes back in three days."
                    return bool(said.json()["again"])
                assert time.monotonic() < until

        assert [say(key) for key in range(4)] == [False] * 4
        children = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        os.kill(int(children[-1]), signal.SIGKILL)
        assert [say(key) for key in range(4)] == [True] * 4
        assert say(9) is False


def test_a_mistake_is_one_line(bundle: Path, tmp_path: Path) -> None:
    settings = SETTINGS.replace("refund =", "refunds =").format(bundle=bundle)
    (tmp_path / "settings.toml").write_text(settings)
    for name, said in (("settings.toml", "did you mean 'refund'"), ("none.toml", "No such file")):
        words, environment = command("serve", tmp_path / name)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("error: ") and said in done.stderr
        assert "Traceback" not in done.stderr
