"""attar mcp: bundles as tools of the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

import click

from attar.errors import RecipeError


@click.command(short_help="Offer bundles to language models as tools (MCP).")
@click.argument(
    "bundles", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BUNDLE..."
)
@click.option("--embed", is_flag=True, help="Offer the models' embeddings as tools too.")
@click.option("--http", is_flag=True, help="Serve over HTTP, at /mcp, not standard input.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --http: address.")
@click.option("--port", default=8322, show_default=True, help="With --http: port.")
@click.option("--insecure", is_flag=True, help="With --http: let other machines in.")
@click.option("--quiet", is_flag=True, help="With --http: log no requests.")
def mcp(
    bundles: tuple[Path, ...],
    embed: bool,
    http: bool,
    host: str,
    port: int,
    insecure: bool,
    quiet: bool,
) -> None:
    """Offer each BUNDLE as a tool that answers, or says that it abstains.

    A client starts this command itself and talks to it over standard input and output.
    With --http it is a server until a signal ends it. It asks for no key: what other
    machines may ask is served by `attar serve`, which does.
    """
    from attar.cli.extras import need

    need("mcp", "attar mcp")
    need("serve", "attar mcp")
    import asyncio
    import signal

    import msgspec

    from attar.bundle import read_bundle
    from attar.serve.app import run
    from attar.serve.mcp import make_app, run_stdio
    from attar.serve.settings import Model, Settings, checked

    models: dict[str, Model] = {}
    for path in bundles:
        name = str(read_bundle(path).manifest["name"])
        if name in models:
            raise RecipeError(f"two bundles are named {name!r}; a tool is called by its name")
        models[name] = Model(path=str(path))
    settings = Settings(
        models=models, host=host, port=port, insecure=insecure, log_requests=not quiet
    )
    if not http:
        # Caught, an interrupt would wait for the thread that reads the input; nothing is lost.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        asyncio.run(run_stdio(settings, embed=embed))
        return
    if not settings.local and not insecure:
        raise RecipeError(
            f"attar mcp: binding to {host} lets other machines in, and attar mcp asks for no "
            "key. Pass --insecure where something else guards it"
        )
    try:
        settings = checked(msgspec.convert(msgspec.to_builtins(settings), Settings), "attar mcp")
    except msgspec.ValidationError as error:
        raise RecipeError(f"attar mcp: {error}") from None
    names = ", ".join(models)
    app = make_app(settings, embed=embed)
    run(settings, app, lambda address: click.echo(f"serving {names} on {address}/mcp", err=True))
