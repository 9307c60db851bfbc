"""A day of written messages before the application, whole: what it did beside what was wanted.

    python -m application.measure day.jsonl --bundle FILE

A line of the day has `text`, `wants` (a label, or the out-of-scope one) and, where the client knows
who asks, `reader`. The day is never trained on; whoever writes it has not seen the model.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from application import demo
from application.figures import figures
from application.policy import why_handed
from application.service import Service
from application.settings import read_settings
from application.setup import service_of
from application.types import Message, Understood
from application.work import WORK


def measured(service: Service, day: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts of outcomes, the figures, and every message that was answered wrongly."""
    outcomes: Counter[str] = Counter()
    wrong = []
    for number, row in enumerate(day):
        message = Message("day", str(number), row["text"], row.get("reader"))
        reply = service.take(message)
        if reply.handed is None:
            outcome = "answered right" if reply.label == row["wants"] else "answered wrong"
        elif _must_be_handed(service, message, row["wants"]):
            outcome = "handed over, as a person must answer"
        else:
            outcome = f"handed over needlessly ({reply.handed})"
        outcomes[outcome] += 1
        if outcome == "answered wrong":
            wrong.append({**row, "taken_for": reply.label})
    return {
        "messages": len(day),
        "outcomes": dict(outcomes.most_common()),
        "figures": figures(service.engine)["all"],
        "wrong": wrong,
    }


def _must_be_handed(service: Service, message: Message, wants: str) -> bool:
    """Whether a model that is always right would have handed it over too."""
    right = Understood(wants, 1.0, abstained=False)
    return why_handed(message, right, service.policy, WORK.keys()) is not None


@click.command()
@click.argument("day", type=click.Path(exists=True, path_type=Path))
@click.option("--bundle", required=True, type=click.Path(exists=True, path_type=Path))
def main(day: Path, bundle: Path) -> None:
    """Print what the demo's application does with a DAY (JSON lines), as JSON."""
    rows = [json.loads(line) for line in day.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        service = service_of(read_settings(demo.make(Path(folder), bundle)))
        click.echo(json.dumps(measured(service, rows), indent=2, ensure_ascii=False))
        service.engine.dispose()


if __name__ == "__main__":
    main()
