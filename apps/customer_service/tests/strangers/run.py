"""Programs that others wrote, each in an environment of its own, against the desk's channels.

    python apps/customer_service/tests/strangers/run.py [NAME ...]

    dialogflow     Google's own messages, parsed strictly, and its check of ID tokens
    botframework   Microsoft's check of tokens, on the same tokens as ours
    playground     Microsoft 365 Agents Playground (npm), which talks to /api/messages
    axe            axe-core (npm), which looks for what keeps people out of the widget

Not tests that pytest collects: installing takes longer than the tests do. Environments are kept
(`.venv-NAME`, `.bench/NAME`) and made anew when their pins change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
STRANGERS = ("dialogflow", "botframework", "playground", "axe")
#: Those of npm: what is installed, and run by this environment's Python.
PACKAGES = {
    "playground": "@microsoft/m365agentsplayground@0.2.28",
    "axe": "axe-core@4.14.1",
}
QUIET = ("--quiet", "--disable-pip-version-check")
RUNS_S = 240


def environment(name: str) -> Path:
    """The Python of a stranger's environment."""
    pins = HERE / f"requirements-{name}.txt"
    folder = ROOT / f".venv-{name}"
    stamp = folder / "pins.sha256"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    python = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", *QUIET, "-r", pins], check=True)
        stamp.write_text(wanted)
    return python


def from_npm(name: str) -> Path:
    """The folder in which npm has installed a package."""
    folder = ROOT / ".bench" / name
    package, _, _ = PACKAGES[name].rpartition("@")
    if not (folder / "node_modules" / package).exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is missing: install Debian's packages nodejs and npm")
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder]
        subprocess.run([*command, PACKAGES[name]], check=True)
    return folder


def check(name: str) -> bool:
    """Run a stranger's program; what it prints is what it found."""
    if name in PACKAGES:
        python, arguments = Path(sys.executable), ["--prefix", str(from_npm(name))]
    else:
        python, arguments = environment(name), []
    command = [sys.executable, HERE / "desk_server.py"]
    command += ["--playground"] if name == "playground" else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        try:
            return bool(line) and _run(
                python, HERE / f"with_{name}.py", json.loads(line), arguments
            )
        finally:
            assert server.stdin is not None
            server.stdin.close()


def _run(python: Path, program: Path, facts: dict[str, Any], arguments: Sequence[str]) -> bool:
    # No proxy may stand between, and nothing of the developer's own may be sent.
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TMPDIR") if k in os.environ}
    process = subprocess.Popen(
        [python, program, *arguments],
        stdin=subprocess.PIPE,
        env=kept | {"NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
        start_new_session=True,
    )
    try:
        process.communicate(json.dumps(facts), timeout=RUNS_S)
    except subprocess.TimeoutExpired:
        print(f"{program.name}: not done after {RUNS_S} s", flush=True)
        # With what it started: a browser or a node server would go on for ever.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(STRANGERS)}")
    names = parser.parse_args().names or STRANGERS
    if unknown := set(names) - set(STRANGERS):
        parser.error(f"no such stranger: {', '.join(sorted(unknown))}")
    failed = []
    for name in names:
        started = time.perf_counter()
        passed = check(name)
        print(
            f"{name}: {'passed' if passed else 'FAILED'} in {time.perf_counter() - started:.1f} s"
        )
        failed += [] if passed else [name]
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
