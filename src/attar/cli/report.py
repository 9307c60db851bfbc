"""attar report: what a bundle can be trusted with."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(short_help="Show the sealed report of a bundle.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option("--card", is_flag=True, help="Print the sealed model card (Markdown).")
@click.option("--data-card", is_flag=True, help="Print the data card (JSON).")
@click.option("--prices", type=click.Path(path_type=Path), help="Your own price table (JSON).")
@click.option("--html", type=click.Path(path_type=Path), help="Write it as one page to look at.")
@click.option("--force", is_flag=True, help="Replace the page if it exists.")
def report(
    bundle: Path,
    as_json: bool,
    card: bool,
    data_card: bool,
    prices: Path | None,
    html: Path | None,
    force: bool,
) -> None:
    """Show the report that was sealed into BUNDLE when it was built."""
    from attar.bundle import CARD, read_bundle
    from attar.evaluate.card import data_card as card_of_data
    from attar.evaluate.cost import load_prices
    from attar.evaluate.report import as_text, full_report

    opened = read_bundle(bundle)
    found = full_report(opened, load_prices(prices))
    if html is not None:
        from attar.errors import OutputError
        from attar.evaluate.page import as_html
        from attar.files import write_atomically

        if html.exists() and not force:
            raise OutputError(f"{html}: exists already. Pass --force to replace it.")
        write_atomically(html, as_html(found).encode())
        click.echo(f"wrote {html}", err=True)
    elif card:
        click.echo(opened.read(CARD).decode("utf-8"), nl=False)
    elif data_card:
        click.echo(json.dumps(card_of_data(found), ensure_ascii=False, indent=2))
    elif as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        click.echo(as_text(found))
