"""attar audit: are the certificates of this recipe's data to be believed?"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click


@click.command(short_help="Measure whether certificates on this data keep their promise.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--draws", default=2000, show_default=True, help="Samples for one fixed model.")
@click.option("--redraws", default=200, show_default=True, help="Full redraws of the splits.")
@click.option("--sample", default=1000, show_default=True, help="Rows of each sample.")
@click.option("--pool", default=12_000, show_default=True, help="Labeled rows used, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with a plot.")
@click.option("--force", is_flag=True, help="Replace the page if it exists.")
def audit(
    recipe: Path,
    draws: int,
    redraws: int,
    sample: int,
    pool: int,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> int:
    """Redraw samples and splits of RECIPE's rows and count broken promises.

    The exit code is 4 when a bound exceeds the truth more often than it may. A killed
    audit goes on where it was.
    """
    from attar.cli.extras import need
    from attar.errors import OutputError
    from attar.recipe import read_recipe

    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    checked = read_recipe(recipe)
    need("train", "attar audit")
    if html is not None and html.exists() and not force:
        raise OutputError(f"{html}: exists already. Pass --force to replace it.")
    from attar.audit import audit as run
    from attar.cli.progress import Bars
    from attar.evaluate.page.audit import as_html, as_text
    from attar.files import write_atomically

    with Bars() as progress:
        found: dict[str, Any] = run(
            checked, draws=draws, redraws=redraws, sample=sample, pool=pool, progress=progress
        )
    click.echo(json.dumps(found, indent=2) if as_json else as_text(found))
    if html is not None:
        write_atomically(html, as_html(found).encode())
        click.echo(f"wrote {html}", err=True)
    tables = (found["fixed_model"]["metrics"], found["redraws"]["metrics"])
    return 4 if any(row["kept"] is False for table in tables for row in table) else 0
