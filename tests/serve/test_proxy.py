"""attar proxy: its settings, its command line, and who may see its own pages."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx
import uvicorn

from attar.errors import OutputError, RecipeError
from attar.serve.proxy import ProxySettings, Recording, checked, make_app, run
from serve.conftest import in_thread
from serve.proxy_desk import REFUND, Start, Upstream, answering, completion, question


def test_own_pages_are_for_loopback_only(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(b"passed")
    assert proxied.client.get("/_attar/metrics").status_code == 200
    assert proxied.client.get("/_attar/shadow").json()["error"]["code"] == "no_shadow"
    assert proxied.client.get("/_attar/elsewhere").status_code == 404
    led = proxied.client.get("/_attar/metrics", headers={"Host": "evil.example"})
    assert led.status_code == 404 and led.json()["error"]["code"] == "not_found"
    assert proxied.upstream.seen == []
    assert proxied.client.get("/_attarx").content == b"passed"


def test_own_pages_are_not_for_other_machines(start: Start) -> None:
    proxied = start(host="0.0.0.0", insecure=True)
    proxied.upstream.answer = answering(b"passed")
    assert proxied.client.get("/_attar/metrics").status_code == 404
    assert proxied.client.get("/v1/models").content == b"passed"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"upstream": "ftp://a/v1"}, "expected a URL"),
        ({"upstream": "api.example.com"}, "expected a URL"),
        ({"upstream": "https://u:p@a/v1"}, "expected no key"),
        ({"upstream": "https://a/v1?key=1"}, "expected no key"),
        ({"host": "0.0.0.0"}, "--insecure"),
        ({"recording": Recording()}, "nothing to do"),
        ({"recording": Recording(path="a.jsonl", label_from="json:")}, "json:intent"),
        ({"recording": Recording(path="a.jsonl", label_from="tool")}, "tool:FIELD"),
    ],
)
def test_settings_that_are_unsound(given: dict[str, Any], message: str) -> None:
    whole = {"upstream": "https://a/v1", "recording": Recording(path="a.jsonl"), **given}
    with pytest.raises(RecipeError, match=message):
        checked(ProxySettings(**whole))


def test_a_file_that_cannot_be_written_is_found_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attar.cli import main

    def begin(path: Path) -> None:
        make_app(ProxySettings(upstream="http://a", recording=Recording(path=str(path))))

    with pytest.raises(RecipeError, match="expected a name ending in .jsonl"):
        begin(tmp_path / "traffic.csv")
    with pytest.raises(OutputError, match="No such file or directory"):
        begin(tmp_path / "absent" / "traffic.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(OutputError, match="it is not a file"):
        begin(tmp_path / "folder.jsonl")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        begin(tmp_path / "traffic.jsonl")
    with pytest.raises(SystemExit) as ended:
        main(["proxy", "--upstream", "http://a", "--capture", str(tmp_path / "traffic.jsonl")])
    assert ended.value.code == 2 and not (tmp_path / "traffic.jsonl").exists()


def test_an_address_that_is_taken(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        kept = Recording(path=str(tmp_path / "traffic.jsonl"))
        with pytest.raises(OutputError, match=f"port {port}: Address already in use"):
            run(ProxySettings(upstream="http://a", recording=kept, port=port))
    assert [*tmp_path.iterdir()] == []  # neither threads nor empty files are left


def test_the_command_names_the_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from attar.cli import main

    given: list[ProxySettings] = []

    def begin(settings: ProxySettings, redact: Any, listening: Callable[[str], None]) -> None:
        given.append(settings)
        listening("http://127.0.0.1:9000/v1")

    monkeypatch.setattr("attar.serve.proxy.run", begin)
    command = ["proxy", "--upstream", "https://api.example.com/v1", "--capture", "t.jsonl"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--label-from", "json:intent", "--sample", "0.5", "--port", "9000"])
    assert ended.value.code == 0
    assert "http://127.0.0.1:9000/v1 as its base URL" in capsys.readouterr().err
    recording = given[0].recording
    assert (recording.path, recording.label_from, recording.sample, given[0].port) == (
        "t.jsonl", "json:intent", 0.5, 9000,
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main([*command, "--sample", "2"])
    assert ended.value.code == 2
    assert "Expected `float` <= 1" in capsys.readouterr().err


def test_the_real_command_passes_records_and_ends(tmp_path: Path) -> None:
    stub = Upstream(answer=answering(completion("refund")))
    config = uvicorn.Config(stub, lifespan="off", log_config=None, access_log=False)
    path = tmp_path / "traffic.jsonl"
    with in_thread(uvicorn.Server(config)) as url:
        command = [sys.executable, "-m", "attar.cli", "proxy", "--upstream", f"{url}/v1",
                   "--capture", str(path), "--port", "0"]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            address = process.stderr.readline().split("give the application ")[1].split()[0]
            answer = httpx.post(
                f"{address}/chat/completions", json=question(REFUND), trust_env=False, timeout=20
            )
            assert answer.json() == completion("refund")
            process.terminate()
            said = process.stderr.read()
            assert process.wait(20) == 0
    assert "1 rows, 1 of them with one of 1 labels" in said and "Traceback" not in said
    assert json.loads(path.read_text())["label"] == "refund"
    assert path.stat().st_mode & 0o777 == 0o600
