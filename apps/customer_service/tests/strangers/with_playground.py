"""Microsoft 365 Agents Playground (npm) talks to /api/messages, as a person at it would.

Started by `run.py`; needs node on the path. Twice: answers sent to the playground's own service
address, and answers in the response (expectReplies). Nothing leaves loopback: it has no telemetry
and no credentials.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

STARTS_S, ANSWERS_S = 60, 15
CLI = "node_modules/@microsoft/m365agentsplayground/cli.js"


@contextlib.contextmanager
def playground(prefix: Path, desk: str, mode: str) -> Iterator[str]:
    """The playground before a desk; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["node", prefix / CLI, "-e", f"{desk}/api/messages", "-c", "emulator"]
    command += ["--dt", "true", "-p", str(port), "--dm", mode]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as folder:  # it writes its log where it is started
        process = subprocess.Popen(command, cwd=folder, **quiet)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def config(url: str) -> dict[str, Any]:
    until = time.monotonic() + STARTS_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_internal/v1/config", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)["config"]
                return found
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


async def talk(url: str, mode: str) -> None:
    facts = await asyncio.to_thread(config, url)
    chat = facts["personalChat"]["id"]
    stream = f"{url.replace('http', 'ws', 1)}/_ws_conversation/v1/conversations/stream"
    async with connect(stream) as socket:
        for text, wanted in (
            ("hello", ["You said: hello"]),
            ("größer 👍🏽 <b>x</b>", ["You said: größer 👍🏽 <b>x</b>"]),
            ("cancel 48213", ["Done: MF-48213 is canceled."]),
            ("agent", ["A colleague takes over."]),
        ):
            await said(url, chat, facts["currentUser"]["id"], text)
            found = [(await heard(socket))["text"] for _ in wanted]
            assert found == wanted, f"{mode}: {found} instead of {wanted}"
        await said(url, chat, facts["currentUser"]["id"], "how do I return it")
        assert (await heard(socket))["text"] == "You have 30 days."
        last = await heard(socket)
        actions = last["suggestedActions"]["actions"]
        assert [action["value"] for action in actions] == ["Yes", "No"], last
        assert last["text"].endswith("From our help pages: Sending things back")
    print(f"playground, {mode}: 5 messages, 6 texts and their suggestions came through")


async def said(url: str, chat: str, who: str, text: str) -> None:
    content = json.dumps({"text": text, "textFormat": "plain", "from": {"id": who}}).encode()
    request = urllib.request.Request(
        f"{url}/_conversation/v1/conversations/{chat}/messages",
        data=content,
        headers={"content-type": "application/json"},
    )

    def post() -> None:
        with urllib.request.urlopen(request, timeout=ANSWERS_S) as answer:
            assert "messageId" in json.load(answer)

    await asyncio.to_thread(post)


async def heard(socket: ClientConnection) -> dict[str, Any]:
    while True:
        event = json.loads(await asyncio.wait_for(socket.recv(), ANSWERS_S))
        if event.get("action") == "createMessage":
            found: dict[str, Any] = event["message"]
            return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", type=Path, required=True)
    prefix = parser.parse_args().prefix
    facts = json.load(sys.stdin)
    for mode in ("default", "expectReplies"):
        with playground(prefix, facts["url"], mode) as url:
            asyncio.run(talk(url, mode))


if __name__ == "__main__":
    main()
