"""`attar mcp --http` before the protocol's own conformance tests, and before a client that is
not Python: `make check-mcp`.

The scenarios call tools by fixed names and without arguments, so tiny bundles bear these
names, and what is checked of `tools-call-simple-text` is the form of an error. What a call
with a text answers is asked by the TypeScript SDK's client, which also checks the answer
against the tool's output schema. Scenarios of what a server of classifiers does not have
(prompts, sampling, images, sessions, …) are left out.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attar.bundle import CARD, write_bundle
from conftest import tiny_manifest, tiny_onnx, tiny_tokenizer

TOOLS = ("test_simple_text", "test_error_handling")
SCENARIOS = (
    "server-initialize",
    "ping",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-error",
    "resources-list",
    "dns-rebinding-protection",
)
CLIENT = """
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from
    '@modelcontextprotocol/sdk/client/streamableHttp.js';
const client = new Client({ name: 'check', version: '1' });
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));
await client.listTools();
const ask = async (given) =>
    (await client.callTool({ name: 'test_simple_text', arguments: given })).structuredContent;
const refund = await ask({ text: 'i want my refund' });
const weather = await ask({ text: 'the weather now' });
const several = await ask({ texts: ['refund', 'parcel'] });
await client.close();
if (refund.label !== 'refund' || refund.abstained || !weather.abstained
    || several.answers[1].label !== 'delivery') {
  console.error(JSON.stringify({ refund, weather, several }));
  process.exit(1);
}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefix", type=Path, default=Path(".bench/mcp"))
    prefix = parser.parse_args().prefix.resolve()
    node = str(prefix / "node_modules/.bin/node")
    package = prefix / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    client = prefix / "client.mjs"  # beside the packages that it imports
    client.write_text(CLIENT, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        server, url = serve(Path(folder))
        try:
            failed = [name for name in SCENARIOS if not passes(name, [
                node, str(package), "server", "--url", url, "--scenario", name,
                "--output-dir", str(prefix / "results"),
            ])]  # fmt: skip
            if not passes("a TypeScript client", [node, str(client), url]):
                failed.append("client")
        finally:
            server.terminate()
            server.wait(20)
    print(f"{len(SCENARIOS) + 1 - len(failed)} of {len(SCENARIOS) + 1} pass")
    return 1 if failed else 0


def passes(name: str, command: list[str]) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    print(f"{'pass' if done.returncode == 0 else 'FAIL'}  {name}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr)
    return done.returncode == 0


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server of bundles that are named as the scenarios' tools; its process and URL."""
    files = {"model.onnx": tiny_onnx(), "tokenizer.json": tiny_tokenizer(), CARD: b"# tiny\n"}
    paths = [folder / f"{name}.attar" for name in TOOLS]
    for path in paths:
        write_bundle(path, {**tiny_manifest(), "name": path.stem}, files)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "attar.cli", "mcp", "--http", "--quiet"]
    server = subprocess.Popen([*command, "--port", str(port), *map(str, paths)])
    url = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            opener.open(f"{url}/readyz", timeout=5).close()
            return server, f"{url}/mcp"
        except urllib.error.URLError:
            time.sleep(0.1)
    server.terminate()
    raise SystemExit("attar mcp did not start")


if __name__ == "__main__":
    sys.exit(main())
