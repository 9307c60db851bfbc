"""attar verify: is a bundle whole, and does it still answer as it did?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Check a bundle's hashes and replay its golden examples.")
@click.argument("bundle", type=click.Path(path_type=Path))
def verify(bundle: Path) -> None:
    """Check every hash in BUNDLE and replay its golden examples on this machine."""
    from attar.errors import BundleError
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
        f"content sha256 {predictor.content_sha256}"
    )
