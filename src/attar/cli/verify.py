"""attar verify: is a bundle whole, does it still answer as it did, do its claims hold?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from attar.recipe import DataSection
    from attar.runtime.predictor import Predictor


@click.command(short_help="Check a bundle, and re-test its claims on new rows.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Labeled rows to re-test on.")
@click.option("--text", default="text", show_default=True, help="Field of the text.")
@click.option("--label", default="label", show_default=True, help="Field of the label.")
@click.option("--group", help="Field of rows that belong together.")
@click.option("--label-separator", default="|", help="Between several labels in one text.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def verify(
    bundle: Path,
    data: Path | None,
    text: str,
    label: str,
    group: str | None,
    label_separator: str,
    as_json: bool,
) -> int:
    """Check every hash in BUNDLE and replay its golden examples on this machine.

    With --data, every claim is decided again on those rows; the exit code is 4 when one
    is broken.
    """
    from attar.errors import BundleError
    from attar.recipe import DataSection
    from attar.runtime.predictor import load

    predictor = load(bundle)  # checks sizes and hashes
    failures = predictor.verify()
    if failures:
        raise BundleError(
            f"{bundle}: {len(failures)} of {len(predictor.golden)} golden examples differ here:\n"
            + "\n".join(f"  {failure}" for failure in failures)
            + "\nhint: rebuild on this kind of processor, or report the two processors"
        )
    click.echo(
        f"{bundle}: all hashes agree, {len(predictor.golden)} golden examples answered as sealed\n"
        f"content sha256 {predictor.content_sha256}",
        err=as_json,
    )
    if data is None:
        return 0
    fields = DataSection(
        (data,), text=text, label=label, group=group, label_separator=label_separator
    )
    verdicts = _retest(predictor, data, fields)
    if as_json:
        click.echo(json.dumps(verdicts, ensure_ascii=False, indent=2))
    else:
        _print(verdicts)
    return 4 if any(claim["verdict"] == "broken" for claim in verdicts) else 0


def _retest(predictor: Predictor, data: Path, fields: DataSection) -> list[dict[str, Any]]:
    from attar.cli.extras import need

    need("verify", "attar verify --data")
    from attar.cli.progress import Bars
    from attar.data.documents import naming
    from attar.data.read import read_rows
    from attar.data.split import in_order
    from attar.evaluate.retest import retest
    from attar.tasks import TASKS
    from attar.tasks.functions import known_functions

    task = TASKS.get(predictor.manifest["task"])
    tools = predictor.manifest["task_settings"].get("functions")
    functions = None if tools is None else known_functions(tools)
    rows, _ = read_rows(
        (data,), fields, labeled=True, strict=True, kind=task.gold_kind, functions=functions
    )
    if task.gold_kind == "document":
        scope = predictor.manifest["task_settings"]["out_of_scope"]
        rows = naming(rows, predictor.documents, scope)
    with Bars() as progress:
        # Which row of a group counts must not depend on the order in the file.
        return retest(predictor, in_order(rows), progress)


def _print(verdicts: list[dict[str, Any]]) -> None:
    from attar.evaluate.claims import in_words

    if not verdicts:
        click.echo("its report makes no claim about answers: there is nothing to re-test")
    for claim in verdicts:
        if claim["verdict"] == "not re-testable":
            click.echo(f"not re-testable without the teacher: {claim['metric']}")
            continue
        click.echo(f"{claim['verdict']}: {in_words(claim)} (sealed as {claim['sealed']})")
