"""A sale day: ten times the customers of a normal hour, and a worker that dies among them.

    python -m measure.peak --understand FILE --help-pages FILE [--minutes 10] [--workers 2]
        [--data sqlite|postgresql|redis|URL] [--kill replaced|not-replaced|none]

Starts `python -m desk serve` over a fresh shop, talks to it over HTTP as many customers at once do,
kills a worker in the middle, and holds afterwards what the customers were told against the
databases. Ends with 1 where anything was lost or done twice. Writes report.txt, report.json and
plot.svg to --out.

A normal hour: 240 conversations. That is a shop of about 20,000 orders a day, one in ten of which
makes somebody write, with an eighth of the day's in its busiest hour. Customers wait about six
seconds before they write again.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import click

import attar
from measure import peak_figures as figures
from measure.peak_check import before, check
from measure.peak_desk import APPLICATION, databases, make_shop, running, write_settings
from measure.peak_run import Day, Kill, Plan, plan, play
from measure.peak_scripts import read_rows, scripts

ROWS = tuple(APPLICATION / "day" / f"day_{name}.jsonl" for name in "ab")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--understand", required=True, type=click.Path(path_type=Path), help="A bundle.")
@click.option("--help-pages", required=True, type=click.Path(path_type=Path), help="A bundle.")
@click.option("--minutes", default=10.0, help="Of the sale.")
@click.option("--usual-minutes", default=2.0, help="Of the normal rate before it.")
@click.option("--normal", default=240.0, help="Conversations an hour.")
@click.option("--times", default=10.0, help="As many in the sale.")
@click.option("--workers", default=2, type=click.IntRange(1, 64))
@click.option("--data", default="sqlite", help="sqlite, postgresql, redis or a URL.")
@click.option("--kill", default="replaced", type=click.Choice(get_args(Kill)))
@click.option("--think", default=6.0, help="Seconds before a customer writes again.")
@click.option("--out", default=Path(".bench/desk-peak"), type=click.Path(path_type=Path))
def main(
    understand: Path, help_pages: Path, minutes: float, usual_minutes: float, normal: float,
    times: float, workers: int, data: str, kill: Kill, think: float, out: Path,
) -> None:  # fmt: skip
    """Measure a desk on a sale day."""
    out.mkdir(parents=True, exist_ok=True)
    made = plan(normal, times, usual_minutes * 60, minutes * 60, kill)
    if workers == 1 and kill != "none":
        raise click.UsageError("--kill: with one worker nobody is left; say --kill none")
    folder = Path(tempfile.mkdtemp(prefix="desk-peak-"))
    try:
        with databases(folder, data) as urls:
            shop = make_shop(urls.shop, len(made.arrivals))
            said = scripts(shop, read_rows(ROWS), len(made.arrivals))
            was = before(shop)
            shop.close()
            settings = write_settings(folder, urls, understand, help_pages)
            click.echo(f"{len(said)} conversations; {made.ends / 60:g} minutes", err=True)
            with running(settings, workers, out / "desk.log") as desk:
                day = asyncio.run(play(desk, said, made, think))
            found = check(day.talks, urls, was)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found.problems += day.replies_differ
    report = {
        "settings": {
            "normal_an_hour": normal, "times": times, "minutes": minutes, "workers": workers,
            "data": data.partition(":")[0], "kill": kill, "think_s": think,
            "cores": os.cpu_count(), "understand": _named(understand), "help": _named(help_pages),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
        "check": {"problems": found.problems, "figures": found.figures},
        **_measured(day, made),
    }  # fmt: skip
    text = "\n".join(figures.lines(report)) + "\n"
    (out / "report.txt").write_text(text, encoding="utf-8")
    (out / "report.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    sent = figures.all_sent(day.talks)
    figures.draw(sent, day.talks, made.sale, day.killed_at, out / "plot.svg")
    click.echo(text)
    sys.exit(1 if found.problems else 0)


def _measured(day: Day, made: Plan) -> dict[str, Any]:
    sent = figures.all_sent(day.talks)
    return {
        "windows": figures.windows(sent, made.sale, day.killed_at, made.ends),
        "faults": figures.faults(day.talks),
        "longest_gap_s": figures.longest_gap_s(sent, made.sale, made.ends),
        "lag_ms": figures.percentiles(day.lag_ms),
        "load": {"least": min(day.load), "most": max(day.load)},
        "replayed": day.replayed,
        "killed_at_s": day.killed_at,
        "workers": figures.cost(day.samples, made.sale, made.ends),
        "samples": day.samples,
        "turns": [[round(s.began, 3), round(s.latency_ms, 1), len(s.tries)] for s in sent],
    }


def _named(bundle: Path) -> str:
    return f"{bundle.name}, {bundle.stat().st_size / 1e6:.1f} MB, attar {attar.__version__}"


if __name__ == "__main__":
    main()
