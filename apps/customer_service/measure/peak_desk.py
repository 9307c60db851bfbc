"""A desk for the sale day: a fresh shop, its settings, `python -m desk serve`, and what its workers
cost. One of them can be killed, and its supervisor kept from replacing it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
from sqlalchemy import create_engine, text

from desk.shop.database import Database
from desk.shop.sample import fill

APPLICATION = Path(__file__).parents[1]
LEAST_ORDERS, MOST_ORDERS = 6_000, 60_000
SERVER_KEY = "key-of-the-shops-own-server"


@dataclass(frozen=True, slots=True)
class Data:
    """URLs of the databases."""

    shop: str
    conversations: str
    people: str


@contextlib.contextmanager
def databases(folder: Path, kind: str) -> Iterator[Data]:
    """Fresh databases. kind: sqlite; postgresql (all three) or redis (the conversations), a server
    that is started here; or a URL, of the conversations alone."""
    files = [f"sqlite:///{folder / name}.db" for name in ("shop", "conversations", "people")]
    if kind == "sqlite":
        yield Data(*files)
    elif kind == "postgresql":
        sys.path.append(str(APPLICATION / "tests"))
        postgres_server = importlib.import_module("postgres_server")
        if why := postgres_server.missing():
            raise ValueError(f"--data: {why}")
        with postgres_server.running() as server:
            names = ("shop", "conversations", "people")
            where = server.replace("postgresql:", "postgresql+psycopg:") + "postgres"
            engine = create_engine(where, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                for name in names:
                    connection.execute(text(f"CREATE DATABASE {name}"))
            engine.dispose()
            yield Data(*(f"{server}{name}" for name in names))
    elif kind == "redis":
        with _redis(folder) as url:
            yield Data(files[0], url, files[2])
    elif "://" in kind:
        yield Data(files[0], kind, files[2])
    else:
        raise ValueError(f"--data: sqlite, postgresql, redis or a URL is expected, not {kind!r}")


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise ValueError("--data: there is no redis-server on this machine")
    port = free_port()
    server = subprocess.Popen(
        [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
            "--save",
            "",
            "--dir",
            str(folder),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(15)


def make_shop(url: str, conversations: int) -> Database:
    """A shop that is large enough for that many conversations, none of them about the same
    order."""
    orders = min(MOST_ORDERS, max(LEAST_ORDERS, 40 * conversations))
    database = Database(url)
    fill(database, datetime.now(UTC), customers=orders // 3, orders=orders)
    return database


def write_settings(folder: Path, data: Data, understand: Path, help_pages: Path) -> Path:
    path = folder / "desk.toml"
    digest = hashlib.sha256(SERVER_KEY.encode()).hexdigest()
    path.write_text(
        f'[models]\nunderstand = "{understand.resolve()}"\nhelp = "{help_pages.resolve()}"\n'
        f'[data]\nshop = "{data.shop}"\nconversations = "{data.conversations}"\n'
        f'people = "{data.people}"\n[web]\nkeys = {{ shop = "{digest}" }}\n',
        encoding="utf-8",
    )
    return path


@contextlib.contextmanager
def running(settings: Path, workers: int, log: Path) -> Iterator[Running]:
    """`python -m desk serve`, ended by its process id. log: gets what it says."""
    port = free_port()
    path = os.pathsep.join([str(APPLICATION), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "desk", "serve", str(settings), "--port", str(port)]
    with log.open("a") as said:
        process = subprocess.Popen(
            [*command, "--workers", str(workers)],
            env={**os.environ, "PYTHONPATH": path}, stdout=said, stderr=subprocess.STDOUT,
            start_new_session=True,  # where a scheduler gives each session its share
        )  # fmt: skip
    desk = Running(process, f"http://127.0.0.1:{port}", workers)
    try:
        desk.wait(log)
        yield desk
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class Running:
    """url: of the desk; process: the first one, which watches over the workers where there are
    several."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, workers: int) -> None:
        self.process, self.url, self._count = process, url, workers

    def wait(self, log: Path, within_s: float = 180) -> None:
        until = time.monotonic() + within_s
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/healthz", trust_env=False, timeout=30).is_success:
                    break
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the desk did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        # The first answers; the others load their models a moment longer.
        time.sleep(3.0 if self._count > 1 else 0.0)

    def workers(self) -> list[psutil.Process]:
        if self._count == 1:
            return [psutil.Process(self.process.pid)]
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if any("spawn_main" in word for word in child.cmdline()):
                    found.append(child)
        return found

    def kill_busiest(self, *, replaced: bool) -> int:
        """SIGKILL to the worker that has worked most; gives its process id. replaced: False stops
        the process that would start a new one, as a machine without a supervisor."""
        if not replaced:
            self.process.send_signal(signal.SIGSTOP)
        victim = max(self.workers(), key=lambda one: sum(one.cpu_times()[:2]))
        os.kill(victim.pid, signal.SIGKILL)
        return int(victim.pid)

    def sample(self) -> list[dict[str, Any]]:
        """What each worker takes now: bytes of its own, and seconds of CPU so far."""
        found = []
        for worker in self.workers():
            with contextlib.suppress(psutil.Error):
                used = worker.memory_full_info()
                seconds = sum(worker.cpu_times()[:2])
                one = {"pid": worker.pid, "own": used.uss, "rss": used.rss, "cpu_s": seconds}
                found.append(one)
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
