"""The desk's commands.

python -m desk serve desk.toml       the desk, with all channels that the settings name
python -m desk demo                  the same with a made-up shop, and where to look at it
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Any

import click
import uvicorn

import attar
from desk import demo as sample
from desk import worker
from desk.channels.settings import MADE_SECRET, SettingsError
from desk.channels.wire import MOST_BYTES
from desk.setup import opened, read_setup

_host = click.option("--host", default="127.0.0.1", show_default=True)
_port = click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535))
_workers = click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64),
    help="Processes; one that dies is started anew.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A customer-service desk over small models of your own."""
    worker.log()


@main.command()
@click.argument("settings", type=click.Path(path_type=Path))
@_host
@_port
@_workers
def serve(settings: Path, host: str, port: int, workers: int) -> None:
    """Serve the desk of a SETTINGS file (TOML)."""
    _serve(settings, host, port, workers)


@main.command()
@click.option(
    "--folder", default="desk-demo", show_default=True, type=click.Path(path_type=Path),
    help="Where its databases and settings are; kept between runs.",
)  # fmt: skip
@click.option("--understand", required=True, type=click.Path(path_type=Path), help="A bundle.")
@click.option("--help-pages", required=True, type=click.Path(path_type=Path), help="A bundle.")
@click.option("--topics", type=click.Path(path_type=Path), help="Of the pages, TOML.")
@_host
@_port
@_workers
def demo(
    folder: Path,
    understand: Path,
    help_pages: Path,
    topics: Path | None,
    host: str,
    port: int,
    workers: int,
) -> None:
    """Serve a desk over a made-up shop of 2,000 customers and 6,000 orders."""
    made = sample.make(folder, understand, help_pages, topics)
    url = f"http://{host}:{port}"
    for line in sample.guide(made, url):
        click.echo(line)
    _serve(made.settings, host, port, workers)


def _serve(settings: Path, host: str, port: int, workers: int) -> None:
    setup = read_setup(settings)
    more: Any = {"host": host, "port": port, "ws_max_size": MOST_BYTES, "server_header": False}
    if workers == 1:
        with opened(setup) as app:
            uvicorn.run(app, log_level="warning", **more)
        return
    os.environ[worker.SETTINGS] = str(settings.resolve())
    # Each worker would make a secret of its own, and refuse the others' conversations.
    os.environ.setdefault(MADE_SECRET, secrets.token_urlsafe(32))
    uvicorn.run("desk.worker:app", factory=True, workers=workers, log_level="warning", **more)


if __name__ == "__main__":
    try:
        main()
    except (SettingsError, attar.AttarError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
