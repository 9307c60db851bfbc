"""The command line: commands parse, call one library function and print.

Data goes to standard output, everything else to standard error. Exit codes: 0 done
and claims met (or none made), 2 input, 3 budget infeasible, 4 built but a claim is
unmet or undecided.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from attar.cli.audit import audit
from attar.cli.build import build
from attar.cli.curate import curate
from attar.cli.frontier import frontier
from attar.cli.index import index
from attar.cli.mcp import mcp
from attar.cli.predict import predict
from attar.cli.proxy import proxy
from attar.cli.report import report
from attar.cli.serve import serve
from attar.cli.verify import verify
from attar.errors import AttarError
from attar.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 90})
@click.version_option(__version__, prog_name="attar")
def commands() -> None:
    """Turn a task, your data and a budget into a small language model you own."""


for _command in (
    *(build, predict, serve, proxy, mcp, report, verify, index, curate, frontier, audit),
):
    commands.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `attar` command: errors become one message and an exit code."""
    try:
        code = commands.main(arguments, prog_name="attar", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted; finished work is kept, the same command goes on", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except AttarError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `attar predict … | head`
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
