"""attar report: what a bundle can be trusted with."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(short_help="Show the sealed report of a bundle.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
def report(bundle: Path, as_json: bool) -> None:
    """Show the report that was sealed into BUNDLE when it was built."""
    from attar.bundle import read_bundle
    from attar.evaluate.report import as_text, full_report

    found = full_report(read_bundle(bundle))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        click.echo(as_text(found))
