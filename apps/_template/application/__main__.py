"""The application's commands.

python -m application serve settings.toml     the application, in several processes if wanted
python -m application demo --bundle FILE      the same with made-up loans, and what to try
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click
import uvicorn

import attar
from application import demo as sample
from application import setup
from application.settings import SettingsError, read_settings

_host = click.option("--host", default="127.0.0.1", show_default=True)
_port = click.option("--port", default=8200, show_default=True, type=click.IntRange(1, 65535))
_workers = click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64),
    help="Processes; one that dies is started anew.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A library's inquiries: answered by a small model of your own, or handed to a person."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


@main.command()
@click.argument("settings", type=click.Path(path_type=Path))
@_host
@_port
@_workers
def serve(settings: Path, host: str, port: int, workers: int) -> None:
    """Serve the application of a SETTINGS file (TOML)."""
    # Mistakes are told here, once, and not by every worker; the tables are made before they start.
    setup.service_of(read_settings(settings)).engine.dispose()
    os.environ[setup.SETTINGS] = str(settings.resolve())
    uvicorn.run(
        f"{setup.__name__}:app", factory=True, workers=workers, host=host, port=port,
        log_level="warning", server_header=False,
    )  # fmt: skip


@main.command()
@click.option("--folder", default="application-demo", show_default=True,
              type=click.Path(path_type=Path), help="Kept between runs.")  # fmt: skip
@click.option("--bundle", required=True, type=click.Path(path_type=Path))
@_host
@_port
@_workers
@click.pass_context
def demo(
    context: click.Context, folder: Path, bundle: Path, host: str, port: int, workers: int
) -> None:
    """Serve it with loans of a made-up reader."""
    made = sample.make(folder, bundle)
    for line in sample.guide(made, f"http://{host}:{port}"):
        click.echo(line)
    context.invoke(serve, settings=made, host=host, port=port, workers=workers)


if __name__ == "__main__":
    try:
        main()
    except (SettingsError, attar.AttarError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
