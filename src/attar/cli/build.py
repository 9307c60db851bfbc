"""attar build: a recipe in, a bundle out."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command(short_help="Build the model of a recipe.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--seed", default=0, show_default=True, help="Seed of every random choice.")
@click.option(
    "--minutes", type=click.FloatRange(min=0.1), help="Of the search among shapes, roughly."
)
def build(recipe: Path, out: Path | None, force: bool, seed: int, minutes: float | None) -> int:
    """Build the model of RECIPE and print its report.

    Writes NAME.attar in the current folder unless -o names another file. Work is kept
    in .attar/ beside the recipe: a killed build goes on where it was, a second build
    reuses what did not change.
    """
    from attar.cli.extras import need
    from attar.recipe import read_recipe

    # Threads that spin long at barriers make training ten times slower as soon as
    # anything else uses a core; a short spin costs a tenth. Read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    checked = read_recipe(recipe)
    need("train", "attar build")
    from attar.build import build as run
    from attar.cli.progress import Bars
    from attar.evaluate.report import as_text, exit_code

    out = out or Path(f"{checked.name}.attar")
    with Bars() as progress:
        report = run(checked, out, force=force, seed=seed, minutes=minutes, progress=progress)
    click.echo(as_text(report))
    click.echo(f"\nwrote {out} ({report['size_bytes'] / 1e6:.2f} MB)", err=True)
    code = exit_code(report)
    if code:
        click.echo("hint: a claim is not met; `attar report` shows its bounds", err=True)
    return code
