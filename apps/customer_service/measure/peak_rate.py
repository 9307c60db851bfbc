"""How many turns a second a desk takes before it becomes slow.

    python -m measure.peak_rate --understand FILE --help-pages FILE [--workers 1 --workers 2]

Customers who hardly wait come in steps, each twice as many as before, until the p99 of a turn is
over --limit in two steps one after the other (one may be somebody else's work on the machine). A
step before the first warms the desk up and is not counted. The customers run on the same machine
and take their share of it; how late their own clock is, is told beside each step.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from measure import peak_figures as figures
from measure.peak import ROWS
from measure.peak_desk import Running, databases, make_shop, running, write_settings
from measure.peak_run import Plan, plan, play
from measure.peak_scripts import Script, read_rows, scripts

TURNS = 4.0  # of a conversation, about
THINK_S = 0.4
WARMS_UP = 4.0  # turns a second


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--understand", required=True, type=click.Path(path_type=Path), help="A bundle.")
@click.option("--help-pages", required=True, type=click.Path(path_type=Path), help="A bundle.")
@click.option("--workers", default=(1, 2), multiple=True, type=click.IntRange(1, 64))
@click.option("--data", default="sqlite", help="sqlite, postgresql, redis or a URL.")
@click.option("--limit", default=50.0, help="Milliseconds, of a turn's p99.")
@click.option("--seconds", default=20.0, help="Of a step.")
@click.option("--most", default=128.0, help="Turns a second of the last step.")
@click.option("--out", default=Path(".bench/desk-peak-rate.json"), type=click.Path(path_type=Path))
def main(
    understand: Path, help_pages: Path, workers: tuple[int, ...], data: str, limit: float,
    seconds: float, most: float, out: Path,
) -> None:  # fmt: skip
    """Find the highest rate that a desk holds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for count in workers:
        folder = Path(tempfile.mkdtemp(prefix="desk-rate-"))
        try:
            climb = steps(seconds, most)
            with databases(folder, data) as urls:
                total = sum(len(step.arrivals) for step in climb)
                shop = make_shop(urls.shop, total)
                said = scripts(shop, read_rows(ROWS), total)
                shop.close()
                settings = write_settings(folder, urls, understand, help_pages)
                with running(settings, count, folder / "desk.log") as desk:
                    found[str(count)] = _climb(desk, climb, said, limit)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"cores": os.cpu_count(), "data": data, "workers": found}, indent=1))


def steps(seconds: float, most: float) -> list[Plan]:
    """The one that warms up; then from one turn a second on, each twice the one before."""
    made = [plan(WARMS_UP / TURNS * 3600, 1, 0, seconds, "none", seed=99)]
    rate = 1.0
    while rate <= most:
        made.append(plan(rate / TURNS * 3600, 1, 0, seconds, "none", seed=round(rate)))
        rate *= 2
    return made


def _climb(
    desk: Running, climb: list[Plan], said: list[Script], limit: float
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    over = 0
    for number, step in enumerate(climb):
        mine, said = said[: len(step.arrivals)], said[len(step.arrivals) :]
        day = asyncio.run(play(desk, mine, step, THINK_S, replays=0))
        sent = [one for one in figures.all_sent(day.talks) if one.reply and one.began <= step.ends]
        if number == 0:
            continue
        latency = figures.percentiles([one.latency_ms for one in sent])
        one = {
            "turns_a_second": round(len(sent) / step.ends, 1),
            "latency_ms": latency,
            "customers_late_ms": figures.percentiles(day.lag_ms),
            "load": round(max(day.load, default=0.0), 1),
            "faults": figures.faults(day.talks),
        }
        found.append(one)
        click.echo(json.dumps({"workers": len(desk.workers()), **one}))
        over = over + 1 if latency.get("p99", 0.0) > limit else 0
        if over == 2:
            break
    return found


if __name__ == "__main__":
    main()
