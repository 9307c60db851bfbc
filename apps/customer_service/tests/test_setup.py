"""A whole desk from one file, as a new user starts it: `python -m desk`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

import httpx

import attar
from desk.channels.settings import SettingsError
from desk.setup import opened, read_setup
from free_ports import free_port

APPLICATION, ROOT = Path(__file__).parents[1], Path(__file__).parents[3]
MAKE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tiny_ranking import write_ranking_bundle
from tiny_spans import write_spans_bundle
write_spans_bundle(Path(sys.argv[2], "understand.attar"))
write_ranking_bundle(Path(sys.argv[2], "help.attar"))
"""
GOOD = """
[models]
understand = "understand.attar"
help = "help.attar"
[data]
shop = "sqlite:///shop.db"
conversations = "sqlite:///desk.db"
people = "sqlite:///desk.db"
"""


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="makes the bundles")
    folder = tmp_path_factory.mktemp("bundles")
    subprocess.run([sys.executable, "-c", MAKE, ROOT / "tests", folder], check=True)
    return folder


@pytest.fixture
def folder(bundles: Path, tmp_path: Path) -> Path:
    for name in ("understand.attar", "help.attar"):
        (tmp_path / name).symlink_to(bundles / name)
    return tmp_path


def test_one_file_makes_a_whole_desk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from starlette.testclient import TestClient

    (folder / "desk.toml").write_text(GOOD)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with opened(read_setup(folder / "desk.toml")) as app, TestClient(app) as client:
        begun = client.post("/v1/conversations", json={}).json()
        reply = client.post(
            f"/v1/conversations/{begun['conversation']}/messages",
            json={"key": "1", "text": "hello"},
            headers={"Authorization": f"Bearer {begun['token']}"},
        )
        assert reply.status_code == 200 and reply.json()["texts"]
        assert client.get("/people/").status_code == 200
        assert client.get("/people/api/me").status_code == 401
    assert (folder / "shop.db").is_file() and (folder / "desk.db").is_file()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('"help.attar"', '"helf.attar"'), "models.help: there is no file"),
        (("[models]", "[model]"), "did you mean 'models'"),
        (('understand = "understand.attar"\n', ""), "models: expected also 'understand'"),
        (("[data]", "[web]\nsecret = 1\n[data]"), "web: there is no 'secret'"),
        (("sqlite:///shop.db", "mysql://host/shop"), "the shop's database"),
        (("sqlite:///shop.db", "shop.db"), "is no URL"),
        (("[data]", "[people.keys]\nann = 'abc'\n[data]"), "people.keys: 'ann'"),
        (("[models]", "[models]\nthreads = 0"), "models.threads"),
        (("[models]", "[models"), "desk.toml"),
    ],
)
def test_mistakes_are_named(folder: Path, change: tuple[str, str], named: str) -> None:
    (folder / "desk.toml").write_text(GOOD.replace(*change))
    with pytest.raises(SettingsError, match=re.escape(named)):  # noqa: SIM117
        with opened(read_setup(folder / "desk.toml")):
            pass


def test_models_of_other_tasks_are_refused(folder: Path) -> None:
    (folder / "desk.toml").write_text(GOOD.replace('help = "help', 'help = "understand'))
    with pytest.raises(attar.AttarError, match="rank"), opened(read_setup(folder / "desk.toml")):
        pass


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "desk", *map(str, arguments)]


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(APPLICATION), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command on a free port, ended by its process id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        command(*arguments, "--port", port),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/healthz", trust_env=False).status_code == 200:
                    break
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until, "the desk did not start"
            time.sleep(0.05)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        assert "Traceback" not in said, said


def test_the_demo_is_kept_between_starts(bundles: Path, tmp_path: Path) -> None:
    given = (
        "demo", "--folder", tmp_path / "d", "--understand", bundles / "understand.attar",
        "--help-pages", bundles / "help.attar",
    )  # fmt: skip
    key = None
    for _ in range(2):
        with running(*given) as (url, _):
            key = key or (tmp_path / "d" / "agent-key").read_text().strip()
            headers = {"Authorization": f"Bearer {key}"}
            me = httpx.get(f"{url}/people/api/me", headers=headers, trust_env=False)
            assert me.json()["agent"] == "demo"
            assert "chat" in httpx.get(f"{url}/", trust_env=False).text.lower()
    assert (tmp_path / "d" / "agent-key").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_worker_is_replaced_and_its_conversations_go_on(folder: Path) -> None:
    (folder / "desk.toml").write_text(GOOD)
    with (
        running("serve", folder / "desk.toml", "--workers", "2") as (url, process),
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        begun = client.post("/v1/conversations", json={}).json()
        headers = {"Authorization": f"Bearer {begun['token']}", "Connection": "close"}
        path = f"/v1/conversations/{begun['conversation']}"

        def say(key: int) -> None:
            until = time.monotonic() + 30
            while True:
                with contextlib.suppress(httpx.TransportError):
                    body = {"key": str(key), "text": "hello"}
                    said = client.post(f"{path}/messages", json=body, headers=headers)
                    assert said.status_code == 200, said.text
                    return
                assert time.monotonic() < until

        for key in range(4):
            say(key)
        children = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        for child in children[-1:]:
            os.kill(int(child), signal.SIGKILL)
        for key in range(8):  # four are repeats
            say(key)
        turns = client.get(f"{path}/turns", headers=headers).json()["turns"]
        assert len(turns) == 16


def test_a_worker_writes_its_log_as_the_first_process_does(folder: Path) -> None:
    (folder / "desk.toml").write_text(GOOD)
    program = "import logging, desk.worker as w; w.app(); logging.getLogger('desk').info('said')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment(), "DESK_SETTINGS": str(folder / "desk.toml")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"^20\d\d-\S+ \S+ INFO desk said$", done.stderr, re.M), done.stderr


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        command("serve", tmp_path / "none.toml"),
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_bundles_read_what_attackers_write(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    from starlette.testclient import TestClient

    from hostile_desk import HOSTILE

    texts = [*HOSTILE.values(), "\u0301" * 4_000, "a" * 4_000, "👩‍👩‍👧" * 500, "\ufffe\U0010ffff"]
    (folder / "desk.toml").write_text(GOOD)
    with opened(read_setup(folder / "desk.toml")) as app, TestClient(app) as client:
        said = []
        for number, text in enumerate(texts):
            if number % 10 == 0:  # as many as a minute allows at once
                begun = client.post("/v1/conversations", json={}).json()
                headers = {"Authorization": f"Bearer {begun['token']}"}
                path = f"/v1/conversations/{begun['conversation']}/messages"
            content = json.dumps({"key": str(number), "text": text}).encode()
            said.append(client.post(path, content=content, headers=headers))
    assert {one.status_code for one in said} <= {200, 400}
    assert sum(one.status_code == 200 for one in said) == len(texts) - 1  # the half of a pair
    assert [r.getMessage() for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")] == []
