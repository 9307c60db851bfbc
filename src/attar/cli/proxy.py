"""attar proxy: an existing large model's traffic as a data set."""

from __future__ import annotations

from typing import Any

import click

from attar.errors import RecipeError


@click.command(short_help="Record a large model's traffic; compare a bundle with it.")
@click.option("--upstream", required=True, metavar="URL", help="OpenAI-compatible endpoint.")
@click.option("--capture", metavar="FILE", help="Write texts and labels there, as JSON lines.")
@click.option("--label-from", default="auto", show_default=True, metavar="WHERE",
              help="auto, content, json:FIELD or tool:FIELD.")  # fmt: skip
@click.option("--keep-answers", is_flag=True, help="Write answers that are no label too.")
@click.option("--system-contains", metavar="TEXT", help="Only where the instructions hold TEXT.")
@click.option("--sample", type=float, default=1.0, show_default=True, help="Share recorded.")
@click.option("--redact", is_flag=True, help="Replace personal data in what is written.")
@click.option("--megabytes", type=float, default=100, show_default=True,
              help="Size of a file, after which the next is begun.")  # fmt: skip
@click.option("--files", type=int, default=10, show_default=True, help="Newest files kept.")
@click.option("--report-every", type=int, default=1_000, show_default=True, metavar="ROWS",
              help="Rows between two lines on what there is.")  # fmt: skip
@click.option("--shadow", metavar="BUNDLE", help="Ask this model too, and compare.")
@click.option("--input-usd", type=float, default=0.0, help="A million tokens of the upstream.")
@click.option("--output-usd", type=float, default=0.0, help="The same, of its answers.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8323, show_default=True, help="Port to listen on.")
@click.option("--timeout", type=float, default=600.0, show_default=True, metavar="SECONDS",
              help="Between two pieces of an answer, at most.")  # fmt: skip
@click.option("--body-megabytes", type=float, default=50, show_default=True,
              help="Of a request, at most.")  # fmt: skip
@click.option("--insecure", is_flag=True, help="Listen to other machines, without a key.")
def proxy(upstream: str, redact: bool, **flags: Any) -> None:
    """Stand between an application and the endpoint at URL until a signal ends it.

    Everything passes unchanged, the application's own key with it, which is never written.
    What the user said and what the answer named as a label become rows that `attar build`
    reads: those with a label in FILE, the others beside it, in FILE's name with
    ".unlabeled". With --shadow a bundle answers too, silently: its figures are at
    /_attar/shadow, for Prometheus at /_attar/metrics.
    """
    from attar.cli.extras import need, redactor

    need("serve", "attar proxy")
    import msgspec

    from attar.serve.proxy import ProxySettings, checked, run

    recording = {
        "path": flags.pop("capture"),
        "megabytes": flags.pop("megabytes"),
        "files": flags.pop("files"),
        **{
            key: flags.pop(key)
            for key in ("label_from", "keep_answers", "system_contains", "sample", "report_every")
        },
    }
    flags["timeout_s"] = flags.pop("timeout")
    flags["body_bytes"] = int(1_000_000 * flags.pop("body_megabytes"))
    try:
        settings = msgspec.convert(
            {"upstream": upstream, "recording": recording, **flags}, ProxySettings
        )
    except msgspec.ValidationError as error:
        raise RecipeError(f"attar proxy: {error}") from None
    run(
        checked(settings),  # first: what is wrong with it is told before an extra is missed
        redactor() if redact else None,
        lambda address: click.echo(
            f"passing on to {upstream}; give the application {address} as its base URL", err=True
        ),
    )
