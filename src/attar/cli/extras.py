"""Says which command installs a missing extra, before any work is begun."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from attar.errors import MissingExtraError

PROBES = {
    "train": ("torch", "transformers", "onnx", "sklearn", "cleanlab", "rich"),
    "verify": ("scipy", "rich"),
    "serve": ("starlette", "uvicorn", "msgspec", "httpx", "prometheus_client"),
    "mcp": ("mcp",),
}


def need(extra: str, command: str) -> None:
    """Raise MissingExtraError unless the extra's packages are there; imports none."""
    if any(find_spec(package) is None for package in PROBES[extra]):
        raise MissingExtraError(extra, command)


def redactor() -> Callable[[str], str]:
    from attar.data.personal import find_personal_data, placeholders

    def redact(text: str) -> str:
        return placeholders(text, find_personal_data(text))

    redact("a first text, so that a missing extra is found now")
    return redact
