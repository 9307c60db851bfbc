"""A bundle is replaced while it serves."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.bundle import read_bundle
from attar.serve.settings import Model

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

REFUND = "i want my refund"


def until(met: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.fixture
def kept(serve: Serve, tiny_bundle: Path, tmp_path: Path) -> tuple[Running, Path]:
    """A server that looks often, and the file that it serves."""
    path = tmp_path / "served.attar"
    shutil.copy(tiny_bundle, path)
    return serve(models={"tiny": Model(path=str(path))}, reload_s=0.02), path


def put(source: Path, path: Path) -> None:
    """Replace the file in one step."""
    shutil.copy(source, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def sha256(server: Running) -> str:
    return str(server.client.get("/v1/models/tiny").json()["content_sha256"])


def test_no_request_fails_while_the_file_is_replaced(
    kept: tuple[Running, Path], make_bundle: Callable[..., Path], tiny_bundle: Path
) -> None:
    server, path = kept
    newer = make_bundle("newer.attar", version_note="newer")
    old, new = (read_bundle(p).content_sha256 for p in (tiny_bundle, newer))
    assert old != new
    assert sha256(server) == old
    over, statuses, seen = threading.Event(), set[int](), set[str]()

    def keep_asking() -> None:
        while not over.is_set():
            body: dict[str, Any] = {"texts": [REFUND] * 20}
            response = server.client.post("/v1/predict/tiny", json=body)
            statuses.add(response.status_code)
            found = response.json()
            seen.add(found["content_sha256"])
            assert {answer["label"] for answer in found["answers"]} == {"refund"}

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for bundle, wanted in ((newer, new), (tiny_bundle, old), (newer, new)):
            put(bundle, path)
            until(lambda wanted=wanted: sha256(server) == wanted, "was not reloaded")  # type: ignore[misc]
    finally:
        over.set()
        for thread in threads:
            thread.join(20)
    assert statuses == {200}
    assert seen == {old, new}
    assert (
        'attar_reloads_total{model="tiny",outcome="done"} 3.0' in server.client.get("/metrics").text
    )


def test_other_labels_come_with_the_new_file(
    kept: tuple[Running, Path], make_bundle: Callable[..., Path]
) -> None:
    from attar.tasks.classify import CLASSIFY

    server, path = kept
    renamed = CLASSIFY.settings(["stop", "parcel", "money", "oos"], "oos", threshold=0.5)
    put(make_bundle("renamed.attar", {"golden.jsonl": b""}, task_settings=renamed), path)
    entry = "/v1/models/tiny"
    until(lambda: "money" in server.client.get(entry).json()["labels"], "was not reloaded")
    (found,) = server.client.post("/v1/predict/tiny", json={"text": REFUND}).json()["answers"]
    assert found["label"] == "money"


def test_a_broken_file_keeps_the_old_model_and_is_logged(
    kept: tuple[Running, Path], tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server, path = kept
    old = sha256(server)

    def refused() -> int:
        for line in server.client.get("/metrics").text.splitlines():
            if line.startswith('attar_reloads_total{model="tiny",outcome="refused"}'):
                return int(float(line.split()[-1]))
        return 0

    for number, content in enumerate((b"no bundle", tiny_bundle.read_bytes()[:-100], b""), 1):
        path.with_suffix(".new").write_bytes(content)
        os.replace(path.with_suffix(".new"), path)
        until(lambda number=number: refused() == number, "was not refused")  # type: ignore[misc]
        assert sha256(server) == old
        assert server.client.post("/v1/predict/tiny", json={"text": REFUND}).status_code == 200
    path.unlink()  # a file that is gone is no new one
    time.sleep(0.1)
    assert server.client.post("/v1/predict/tiny", json={"text": REFUND}).status_code == 200
    put(tiny_bundle, path)
    until(lambda: "reloaded" in capfd.readouterr().err, "was not reloaded after all")
    assert refused() == 3
    assert sha256(server) == old
