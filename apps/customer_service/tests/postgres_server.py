"""Starts a PostgreSQL server on loopback for tests, where the machine has one, and ends it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_ports import free_port


def missing() -> str | None:
    """Why there can be no server; None where there can."""
    for name in ("postgres", "initdb"):
        if _program(name) is None:
            return f"no {name} on this machine: apt-get install postgresql"
    if os.getuid() == 0 and _other_user() is None:
        return "initdb refuses root, and there is no user postgres or nobody"
    return None


def _program(name: str) -> str | None:
    """On the path, or where Debian has it."""
    of_debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(of_debian[-1]) if of_debian else None)


@contextmanager
def running() -> Iterator[str]:
    """The URL of a new server's database, without its name: postgresql://desk@127.0.0.1:port/."""
    user = _other_user() if os.getuid() == 0 else None
    # Not below pytest's own folders: another user may not enter these. In memory where that goes.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="desk-postgres-", dir=memory))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        # --no-sync, fsync=off: a test's data need not outlive a power cut.
        make = [
            str(_program("initdb")),
            "-D",
            str(data),
            "-U",
            "desk",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        made = subprocess.run(
            [*make, "--locale=C"],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        port = free_port()
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [
                    str(_program("postgres")),
                    "-D",
                    str(data),
                    "-p",
                    str(port),
                    "-k",
                    "",
                    "-h",
                    "127.0.0.1",
                    "-c",
                    "fsync=off",
                    "-c",
                    "max_connections=60",
                    "-c",
                    "timezone=Asia/Tokyo",
                ],
                user=user,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
            try:
                _wait_for(server, port, folder / "log")
                yield f"postgresql://desk@127.0.0.1:{port}/"
            finally:
                server.send_signal(signal.SIGINT)  # fast shutdown, by its own process
                server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    until = time.monotonic() + 60
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            psycopg.connect(f"postgresql://desk@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
