"""attar predict: answer texts with a bundle."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from attar.data.read import InputKind
    from attar.predictions import Ranking, Summary

SHOWN_DOCUMENTS = 3
SHOWN_CHARACTERS = 300


@click.command(short_help="Answer texts with a bundle.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    "--input",
    "kind",
    type=click.Choice(["auto", "jsonl", "csv", "lines"]),
    default="auto",
    show_default=True,
    help="What standard input holds, when no TEXT is given.",
)
@click.option("--text", "field", default="text", show_default=True, help="Field of the text.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help='The day that "tomorrow" in a call is counted from; without it such words stay.',
)
@click.option(
    "--words",
    type=click.IntRange(1),
    help="Length of a summary, in words; by default what the build found best.",
)
@click.option("--threads", default=1, show_default=True, help="Threads of the engine.")
def predict(
    bundle: Path,
    texts: tuple[str, ...],
    kind: str,
    field: str,
    as_json: bool,
    today: datetime | None,
    words: int | None,
    threads: int,
) -> None:
    """Answer each TEXT, or each row of standard input, in order.

    Standard input takes JSON lines ({"text": ...}, or {"tokens": [...]} for a model that
    marks spans), CSV with a header that has a column "text" (--text names another), or plain lines.
    """
    from attar.data.read import read_texts
    from attar.errors import DataError
    from attar.predictions import Ranking, Summary
    from attar.runtime.predictor import load
    from attar.tasks import TASKS
    from attar.tasks.call_answers import on_day

    if threads < 1:
        raise click.BadParameter("threads must be at least 1")
    predictor = load(bundle, threads=threads)
    if words is not None:
        predictor = predictor.asked(words=words)
    if today is not None and "calls" not in predictor.capabilities:
        raise DataError(
            f"{bundle}: calls no functions, and --today is for their dates. It can: "
            f"{', '.join(predictor.capabilities)}."
        )
    source: Iterable[str] = texts
    if not texts:
        if sys.stdin.isatty():
            raise DataError(
                "no text: give it as an argument or on standard input\n"
                f'hint: attar predict {bundle} "where is my order?"'
            )
        gold_kind = TASKS.get(predictor.manifest["task"]).gold_kind
        form = cast("InputKind", kind)
        source = read_texts(sys.stdin.buffer, form, field, gold_kind=gold_kind)
    shown = list(texts)
    for number, answer in enumerate(predictor.stream(source)):
        if today is not None:
            answer = on_day(answer, predictor.manifest["task_settings"], today.date())
        if as_json:
            click.echo(json.dumps(answer.to_json(), ensure_ascii=False))
            continue
        mark = "  (abstains: out of scope or unsure)" if answer.abstained else ""
        text = f"  {shown[number]}" if shown else ""
        if isinstance(answer, Ranking):
            click.echo(_ranked(answer, mark))
            continue
        if isinstance(answer, Summary):
            click.echo(_summarized(answer))
            continue
        nothing = "(no call)" if "calls" in predictor.capabilities else "(none)"
        named = ", ".join(answer.named) or nothing
        click.echo(f"{named:24} {answer.score:6.1%}{text}{mark}")


def _summarized(answer: Summary) -> str:
    """The summary, of several sections each after its name; a blank line after it."""
    lines = [f"{name}: {said}" for name, said in answer.sections.items()]
    if not answer.several:
        lines = [answer.prose or "(none)"]
    return "\n".join(" ".join(line.split()) for line in lines or ["(none)"]) + "\n"


def _ranked(answer: Ranking, mark: str) -> str:
    """The best documents, the first with how likely it is the right one, and with the sentence
    that fits best."""
    lines = [f"right with {answer.score:.1%}{mark}" if answer.documents else "no documents"]
    for place, found in enumerate(answer.documents[:SHOWN_DOCUMENTS], 1):
        title = f"  {found.title}" if found.title else ""
        start, end = found.passage or (0, len(found.text))
        text = " ".join(found.text[start:end].split())
        shown = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
        lines += [f"{place}. {found.id}  {found.score:.3f}{title}", f"   {shown}"]
    return "\n".join(lines)
