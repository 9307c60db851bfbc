"""attar index: add documents to a bundle that ranks them, and take some out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from attar.types import Progress


@click.command(short_help="Add documents to a bundle, or remove some.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--add",
    type=click.Path(path_type=Path),
    multiple=True,
    help='Documents, JSON lines or CSV: {"id": "…", "text": "…", "title": "…"}.',
)
@click.option("--remove", multiple=True, metavar="ID", help="A document to take out.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="The bundle to write."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--threads", default=1, show_default=True, help="Threads of the engine.")
def index(
    bundle: Path, add: tuple[Path, ...], remove: tuple[str, ...], out: Path, force: bool,
    threads: int,
) -> None:  # fmt: skip
    """Write BUNDLE with other documents, without training.

    A document whose id is there already takes its place, one that equals another is one with
    it. The certificate stays that of the
    documents of the build, and the report says that they have changed since.
    """
    from attar.bundle import read_bundle
    from attar.data.documents import read_documents
    from attar.evaluate.report import changes
    from attar.runtime.reindex import CHANGED, reindex

    if threads < 1:
        raise click.BadParameter("threads must be at least 1")
    if not add and not remove:
        raise click.UsageError("nothing to do: give --add FILE or --remove ID")
    documents = read_documents(add) if add else []
    with _progress() as progress:
        made = reindex(
            read_bundle(bundle), out, documents, remove,
            force=force, threads=threads, progress=progress,
        )  # fmt: skip
    click.echo(f"{out}: {made.size_bytes / 1e6:.2f} MB", err=True)
    click.echo(f"note: {changes(made.manifest['build'][CHANGED])}", err=True)


def _progress() -> AbstractContextManager[Progress]:
    """Bars where they are installed: the command needs nothing but the base install."""
    from attar.types import Silent

    if find_spec("rich") is None:
        return nullcontext(Silent())
    from attar.cli.progress import Bars

    return Bars()
