"""Programs that others wrote, each in an environment of its own, against `attar serve`.

    python tests/serve/strangers/run.py [NAME ...]

Serves the tiny bundles of the tests, one of labels and one of spans, on loopback, with keys,
in a process of its own. The environments are kept under `.bench/strangers`, and made anew when
their pinned versions change. Not a test that pytest collects: installing takes longer than the
tests do.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from attar.bundle import write_bundle

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
HOME = ROOT / ".bench" / "strangers"
STRANGERS = ("openai", "litellm", "langchain", "schemathesis")
MODEL, SPANS = "tiny", "things"
STARTS_S, ENDS_S = 30, 30


class Server(NamedTuple):
    url: str
    key: str
    limited_key: str


class NotServingError(Exception):
    """The server did not start, or ended otherwise than asked. The message has its log."""


class Outcome(NamedTuple):
    name: str
    passed: bool
    said: str
    installed_s: float
    took_s: float


def environment(name: str) -> tuple[Path, float]:
    """The Python of a stranger's environment, and the seconds that making it took."""
    started = time.perf_counter()
    pins = HERE / f"requirements-{name}.txt"
    folder = HOME / name
    python = folder / "bin" / "python"
    stamp = folder / "pins.sha256"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", pins], check=True)
        stamp.write_text(wanted)
    return python, time.perf_counter() - started


def tiny_bundle(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT / "tests"))
    from conftest import tiny_manifest, tiny_onnx, tiny_tokenizer

    path = folder / "tiny.attar"
    files = {"model.onnx": tiny_onnx(), "tokenizer.json": tiny_tokenizer()}
    write_bundle(path, tiny_manifest(), files)
    return path


def spans_bundle(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT / "tests"))
    from tiny_spans import write_spans_bundle

    return write_spans_bundle(folder / "things.attar")


def settings(folder: Path, server: Server) -> Path:
    """Two keys, the second of which may ask twice and then once a minute."""
    path = folder / "serve.toml"
    lines = [
        f'[models.{MODEL}]\npath = "{tiny_bundle(folder)}"',
        f'[models.{SPANS}]\npath = "{spans_bundle(folder)}"',
        f'[capture]\npath = "{folder / "captured.jsonl"}"',
    ]
    for name, key, rate in (
        ("strangers", server.key, ""),
        ("limited", server.limited_key, "requests_per_second = 0.0166\nburst = 2\n"),
    ):
        digest = hashlib.sha256(key.encode()).hexdigest()
        lines.append(f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n{rate}')
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@contextlib.contextmanager
def serving(folder: Path, log: Path) -> Iterator[Server]:
    """`attar serve` until the block ends, whatever happens in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", secrets.token_hex(16), secrets.token_hex(16))
    config = settings(folder, server)
    command = [sys.executable, "-m", "attar.cli", "serve", "--config", config, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _until_ready(server.url, process, log)
            yield server
        finally:
            process.terminate()
            try:
                code = process.wait(ENDS_S)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
    if code != 0:
        raise NotServingError(f"the server ended with {code}:\n{_end_of(log)}")


def _until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=2):
            return
        if process.poll() is not None or time.monotonic() > until:
            raise NotServingError(f"the server did not start:\n{_end_of(log)}")
        time.sleep(0.05)


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3_000:]


def check(name: str) -> Outcome:
    python, installed_s = environment(name)
    started = time.perf_counter()
    log = HOME / f"{name}-server.log"
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), log) as server:
        # No proxy may stand between, and no key of the developer's own may be sent.
        kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TMPDIR") if k in os.environ}
        done = subprocess.run(
            [
                python, HERE / f"with_{name}.py", "--url", server.url, "--model", MODEL,
                "--spans-model", SPANS,
                "--key", server.key, "--limited-key", server.limited_key,
            ],
            env=kept | {"NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )  # fmt: skip
    passed = done.returncode == 0
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    if not passed:
        print(f"--- {name}\n{done.stdout}--- its server, at the end\n{_end_of(log)}", flush=True)
    return Outcome(name, passed, last, installed_s, time.perf_counter() - started)


def outcome(name: str) -> Outcome:
    try:
        return check(name)
    except (NotServingError, subprocess.CalledProcessError) as error:
        print(f"--- {name}\n{error}", flush=True)
        return Outcome(name, False, "could not be tried", 0.0, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(STRANGERS)}")
    names = parser.parse_args().names or STRANGERS
    if unknown := set(names) - set(STRANGERS):
        parser.error(f"no such stranger: {', '.join(sorted(unknown))}")
    HOME.mkdir(parents=True, exist_ok=True)
    found = [outcome(name) for name in names]
    print(f"{'stranger':<14}{'':<8}{'install':>8}{'run':>8}  what it says")
    for one in found:
        word = "passed" if one.passed else "FAILED"
        print(f"{one.name:<14}{word:<8}{one.installed_s:>6.1f} s{one.took_s:>6.1f} s  {one.said}")
    sys.exit(not all(one.passed for one in found))


if __name__ == "__main__":
    main()
