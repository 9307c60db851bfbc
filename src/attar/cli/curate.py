"""attar curate: what is kept, dropped and why, without training."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(short_help="Show what curation keeps and drops, without training.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@click.option("--seed", default=0, show_default=True, help="Seed of the splits.")
def curate(recipe: Path, as_json: bool, seed: int) -> None:
    """Read, clean and split the data of RECIPE and save the dropped rows.

    Dropped rows are written to .attar/dropped.jsonl beside the recipe.
    """
    from attar.data.curate import curate as run
    from attar.data.curate import save_dropped, summary
    from attar.recipe import read_recipe
    from attar.tasks import TASKS

    checked = read_recipe(recipe)
    task = TASKS.get(checked.task)
    dataset = run(task, checked.data, seed=seed)
    path = checked.work / "dropped.jsonl"
    checked.work.mkdir(parents=True, exist_ok=True)
    save_dropped(dataset, path)
    found = summary(dataset, task)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for name, rows in found["rows"].items():
        click.echo(f"{name:12} {rows:>9,} rows")
    for reason, count in found["dropped"].items():
        if count:
            click.echo(f"dropped      {count:>9,} {reason}")
    for note in found["notes"]:
        click.echo(f"note: {note}")
    if dataset.dropped:
        click.echo(f"dropped rows and why: {path}", err=True)
