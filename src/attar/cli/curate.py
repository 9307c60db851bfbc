"""attar curate: what is kept, dropped and flagged, and why, without training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from attar.data.suspicious import Suspect
    from attar.recipe import Recipe
    from attar.types import Dataset, Progress

SHOWN = 10


@click.command(short_help="Show what curation keeps, drops and flags, without training.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@click.option("--labels", is_flag=True, help="Look for labels that look wrong (needs torch).")
@click.option(
    "--redact",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write all curated rows to OUT (JSONL), personal data replaced.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--seed", default=0, show_default=True, help="Seed of the splits.")
def curate(
    recipe: Path, as_json: bool, labels: bool, redact: Path | None, force: bool, seed: int
) -> None:
    """Read, clean and split the data of RECIPE, and show what was found.

    Dropped and flagged rows are written to dropped.jsonl and flagged.jsonl in .attar/
    beside the recipe, with --labels also suspicious.jsonl, the most suspicious first.
    """
    from attar.data.called import task_of
    from attar.data.curate import curate as run
    from attar.data.curate import save_dropped, save_rows, summary
    from attar.data.kept import kept_labels
    from attar.data.screen import save_redacted
    from attar.errors import OutputError
    from attar.recipe import read_recipe

    checked = read_recipe(recipe)
    task = task_of(checked)
    if labels:
        from attar.cli.extras import need
        from attar.data.suspicious import check_judgeable

        check_judgeable(task, "attar curate --labels")
        need("train", "attar curate --labels")
    if redact is not None and redact.exists() and not force:
        raise OutputError(f"{redact}: exists already. Pass --force to replace it.")
    with _progress() as progress:
        kept = kept_labels(checked)
        dataset = run(task, checked.data, known=kept, seed=seed, progress=progress)
        checked.work.mkdir(parents=True, exist_ok=True)
        save_dropped(dataset, checked.work / "dropped.jsonl")
        save_rows(dataset.flagged, checked.work / "flagged.jsonl")
        suspects = _suspects(checked, dataset, seed, progress) if labels else None
        if redact is not None:
            left_out = save_redacted(dataset, checked.data, task.gold_kind, redact, progress)
            if left_out:
                progress.say(
                    f"{left_out} rows left out: their calls take values that were replaced"
                )
    found = summary(dataset, task)
    if suspects is not None:
        found["suspicious_labels"] = len(suspects)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for line in [*_counts(found), *_balance(found["balance"])]:
        click.echo(line)
    if suspects is not None:
        for line in _labels(suspects, len(dataset.train)):
            click.echo(line)
    for note in found["notes"]:
        click.echo(f"note: {note}")
    written = {"dropped": dataset.dropped, "flagged": dataset.flagged, "suspicious": suspects}
    for name, rows in written.items():
        if rows:
            click.echo(f"{name} rows and why: {checked.work / name}.jsonl", err=True)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Bars where the package that draws them is installed."""
    from importlib.util import find_spec

    from attar.types import Silent

    if find_spec("rich") is None:
        yield Silent()
        return
    from attar.cli.progress import Bars

    with Bars() as bars:
        yield bars


def _suspects(recipe: Recipe, dataset: Dataset, seed: int, progress: Progress) -> list[Suspect]:
    from attar.data.called import task_of
    from attar.passes import Context
    from attar.plan.labels import look_at_labels
    from attar.plan.start import CACHE

    task, out_of_scope = task_of(recipe), recipe.data.out_of_scope
    columns = task.targets(dataset.train, out_of_scope)
    cache = recipe.work / CACHE
    context = Context(task, dataset, columns, cache, out_of_scope, seed, progress=progress)
    return look_at_labels(recipe, context)


def _counts(found: dict[str, Any]) -> Iterator[str]:
    for name, rows in found["rows"].items():
        yield f"{name:12} {rows:>9,} rows"
    for what in ("dropped", "flagged"):
        for reason, count in found[what].items():
            if count:
                yield f"{what:12} {count:>9,} {reason}"


def _balance(report: dict[str, Any]) -> Iterator[str]:
    if not report:  # rows of the task have no one label
        return
    labels = report["labels"]
    yield (
        f"labels       {labels['count']:>9,}, as diverse as {labels['effective_count']:g} of equal "
        f"size; the largest, {labels['largest']!r}, has {labels['largest_share']:.1%} of the rows, "
        f"{labels['ratio']:g} times the smallest"
    )
    yield f"lengths      {report['length']['explained']:>9.1%} of their variance goes with labels"
    if "group" in report:
        group = report["group"]
        yield (
            f"groups       {group['groups']:>9,}; association with the label "
            f"{group['cramers_v']:.2f} (Cramér's V, 0 to 1)"
        )
    words = [f"{g['word']!r} → {g['label']} ({g['texts']:,})" for g in report["giveaways"][:SHOWN]]
    if words:
        yield f"words that give a label away (texts): {', '.join(words)}"


def _labels(suspects: Sequence[Suspect], rows: int) -> Iterator[str]:
    yield f"{len(suspects):,} of {rows:,} train labels look wrong; the most suspicious:"
    for suspect in suspects[:SHOWN]:
        text = " ".join(suspect.row.text.split())
        yield f"  {suspect.row.place}: {text[:70]}{'…' if len(text) > 70 else ''}"
        yield (
            f"    is {suspect.row.label!r} ({suspect.given_probability:.2f}), "
            f"looks like {suspect.suggested!r} ({suspect.suggested_probability:.2f})"
        )
