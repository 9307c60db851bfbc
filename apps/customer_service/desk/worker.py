"""One worker's application, made where uvicorn starts the worker: settings come by environment."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from desk.setup import opened, read_setup

SETTINGS = "DESK_SETTINGS"  # path of the settings file


def log() -> None:
    """What every process of the desk writes, to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def app() -> Starlette:
    """The factory that uvicorn calls."""
    log()
    stack = contextlib.ExitStack()
    made = stack.enter_context(opened(read_setup(os.environ[SETTINGS])))
    inner = made.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Closed in the thread that serves, after the last answer.
        with stack:
            async with inner(app):
                yield

    made.router.lifespan_context = lifespan
    return made
