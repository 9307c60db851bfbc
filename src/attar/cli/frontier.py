"""attar frontier: what does each megabyte buy, on this data?"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click


def _sizes(context: click.Context, option: click.Parameter, value: str | None) -> list[float]:
    try:
        return [float(part) for part in (value or "").split(",") if part.strip()]
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected megabytes, such as 0.3,1,5") from None


@click.command(short_help="Measure accuracy against size, from 0.1 MB to the teacher.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--sizes", callback=_sizes, help="Megabytes, comma-separated (default: 0.1 to 20).")
@click.option("--minutes", type=click.FloatRange(min=0.1), help="At most so many, roughly.")
@click.option("--seed", default=0, show_default=True, help="Seed of every random choice.")
@click.option("--json", "as_json", is_flag=True, help="Print the measured points as JSON.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with a plot.")
@click.option("--force", is_flag=True, help="Replace the page if it exists.")
def frontier(
    recipe: Path,
    sizes: list[float],
    minutes: float | None,
    seed: int,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> int:
    """Measure candidates for RECIPE from 0.1 MB up to the teacher, on its select rows.

    Choose the budget with it: a build at one of these sizes reuses the trials. --minutes
    becomes a count of candidates before anything is measured, at the speed of a nominal
    machine, so that the same minutes give the same candidates everywhere. A killed run
    goes on where it was.
    """
    from attar.cli.extras import need
    from attar.errors import OutputError
    from attar.recipe import read_recipe

    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    checked = read_recipe(recipe)
    need("train", "attar frontier")
    if html is not None and html.exists() and not force:
        raise OutputError(f"{html}: exists already. Pass --force to replace it.")
    from attar.cli.progress import Bars
    from attar.evaluate.page.frontier import as_html, as_text
    from attar.files import write_atomically
    from attar.plan.frontier import SIZES
    from attar.plan.frontier import frontier as run

    with Bars() as progress:
        found = run(checked, sizes=sizes or SIZES, minutes=minutes, seed=seed, progress=progress)
    click.echo(json.dumps(found, indent=2) if as_json else as_text(found))
    if html is not None:
        write_atomically(html, as_html(found).encode())
        click.echo(f"wrote {html}", err=True)
    return 0
