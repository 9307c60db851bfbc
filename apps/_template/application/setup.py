"""The whole application from its settings file; `app` is what uvicorn starts in each worker."""

from __future__ import annotations

import os

from starlette.applications import Starlette

from application.channel import make_app
from application.database import open_engine
from application.service import Service
from application.settings import Settings, SettingsError, known, read_settings
from application.types import Understands
from application.understanding import ModelUnderstands

SETTINGS = f"{__package__.upper()}_SETTINGS"  # environment variable: path of the settings file


def service_of(settings: Settings, understands: Understands | None = None) -> Service:
    """Model and database, opened. Raises SettingsError, attar.AttarError for the bundle, and what
    a database raises that is not there."""
    understands = understands or ModelUnderstands(settings.model.bundle, settings.model.threads)
    for label in settings.policy.answers:
        known(label, understands.labels, "policy.answers")
    try:
        engine = open_engine(settings.data.url)
    except ValueError as error:
        raise SettingsError(f"data.url: {error}") from None
    return Service(understands, engine, settings.policy)


def app() -> Starlette:
    settings = read_settings(os.environ[SETTINGS])
    return make_app(service_of(settings), settings.keys)
