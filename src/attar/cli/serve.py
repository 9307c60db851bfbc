"""attar serve: bundles behind HTTP."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import click

from attar.errors import RecipeError


@click.command(short_help="Serve bundles over HTTP, OpenAI-compatible.")
@click.argument("bundles", nargs=-1, type=click.Path(path_type=Path), metavar="BUNDLE...")
@click.option("--config", type=click.Path(path_type=Path), help="Settings in a TOML file.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8321]")
@click.option("--alias", multiple=True, metavar="NAME=MODEL", help="A further name of a model.")
@click.option("--fallback", metavar="URL", help="OpenAI-compatible endpoint for abstentions.")
@click.option("--fallback-model", metavar="NAME", help="The model to ask there.")
@click.option("--fallback-key-env", metavar="VARIABLE", help="Environment variable of its key.")
@click.option("--person", metavar="URL", help="Webhook that takes abstentions to a person.")
@click.option("--capture", metavar="FILE", help="Write requests and answers as JSON lines.")
@click.option("--redact", is_flag=True, help="Replace personal data in the capture file.")
@click.option("--mcp", is_flag=True, help="Offer the models as tools at /mcp.")
@click.option(
    "--threads",
    type=int,
    help="Of the engine, for one call.  [default: 1, or all where that is slow]",
)
@click.option("--workers", type=int, help="Calls at once for each model.")
@click.option("--insecure", is_flag=True, help="Listen to other machines without a key.")
@click.option("--quiet", is_flag=True, help="Log no requests.")
@click.option("--new-key", metavar="NAME", help="Print a new key and its settings, and end.")
def serve(
    bundles: tuple[Path, ...],
    config: Path | None,
    alias: tuple[str, ...],
    new_key: str | None,
    **flags: Any,
) -> None:
    """Serve each BUNDLE under its name until a signal ends it.

    The page is at /, the description of the API at /openapi.json. What the flags do not
    cover (keys, limits, TLS, several fallbacks' settings) stands in the --config file.
    """
    from attar.cli.extras import need, redactor

    if new_key is not None:
        _print_key(new_key)
        return
    need("serve", "attar serve")
    from attar.serve.app import make_app, run
    from attar.serve.settings import checked

    settings = checked(_settings(bundles, config, alias, flags), str(config or "attar serve"))
    hidden = settings.capture is not None and settings.capture.redact
    redact = redactor() if hidden else None
    names = ", ".join(settings.models)
    app = make_app(settings, redact)
    run(settings, app, lambda address: click.echo(f"serving {names} on {address}", err=True))


def _settings(
    bundles: tuple[Path, ...],
    config: Path | None,
    aliases: tuple[str, ...],
    flags: dict[str, Any],
) -> Any:
    """Flags over the file over defaults."""
    import msgspec

    from attar.serve.settings import Capture, Fallback, Model, Person, Settings, parse_settings

    settings = parse_settings(config) if config is not None else Settings()
    models = dict(settings.models)
    for path in bundles:
        name = _name_of(path)
        if name in models:
            raise RecipeError(f"two bundles are named {name!r}; name them in a --config file")
        models[name] = Model(path=str(path))
    for pair in aliases:
        other, _, name = pair.partition("=")
        if not other or name not in models:
            raise RecipeError(
                f"--alias {pair}: expected NAME=MODEL, the model one of {', '.join(models)}"
            )
        known = models[name]
        models[name] = msgspec.structs.replace(known, aliases=(*known.aliases, other))
    changed: dict[str, Any] = {}
    for name in ("host", "port", "threads", "workers"):
        if flags[name] is not None:
            changed[name] = flags[name]
    if flags["fallback"]:
        if not flags["fallback_model"]:
            raise RecipeError("--fallback needs --fallback-model: the name to ask there")
        changed["fallback"] = Fallback(
            url=flags["fallback"],
            model=flags["fallback_model"],
            api_key_env=flags["fallback_key_env"],
        )
    elif flags["fallback_model"] or flags["fallback_key_env"]:
        raise RecipeError("--fallback-model and --fallback-key-env need --fallback")
    if flags["person"]:
        changed["person"] = Person(url=flags["person"])
    if flags["fallback"] and flags["person"]:
        raise RecipeError("--fallback and --person: who gets the abstentions? Name one of them")
    follows = "fallback" if flags["fallback"] else "person" if flags["person"] else None
    if follows:
        models = {
            name: msgspec.structs.replace(model, on_abstain=follows)
            for name, model in models.items()
        }
    if flags["capture"]:
        changed["capture"] = Capture(path=flags["capture"], redact=flags["redact"])
    elif flags["redact"]:
        if settings.capture is None:
            raise RecipeError("--redact needs --capture: what should be redacted?")
        changed["capture"] = msgspec.structs.replace(settings.capture, redact=True)
    for name in ("insecure", "mcp"):
        if flags[name]:
            changed[name] = True
    if flags["quiet"]:
        changed["log_requests"] = False
    # Through the checks of the types, which replacing passes by.
    made = msgspec.structs.replace(settings, models=models, **changed)
    try:
        return msgspec.convert(msgspec.to_builtins(made), Settings)
    except msgspec.ValidationError as error:
        raise RecipeError(f"attar serve: {error}") from None


def _name_of(path: Path) -> str:
    from attar.bundle import read_bundle

    return str(read_bundle(path).manifest["name"])


def _print_key(name: str) -> None:
    key = f"attar-{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    click.echo(f"{key}\n", err=False)
    click.echo(
        "That is the key; it is shown once. In the --config file, where its hash suffices:\n\n"
        f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n',
        err=True,
    )
