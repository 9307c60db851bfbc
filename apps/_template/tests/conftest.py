"""Puts the application on the path, as `python -m application` has it; what its tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

with suppress(ImportError):  # without SQLAlchemy the tests are skipped
    from application.database import open_engine
    from application.service import Service
    from application_made import POLICY, Keywords


@pytest.fixture
def service_at() -> Iterator[Callable[[Path], Service]]:
    """Services over a database file: each as another process would have it."""
    made: list[Service] = []

    def at(path: Path) -> Service:
        made.append(Service(Keywords(), open_engine(f"sqlite:///{path}"), POLICY))
        return made[-1]

    yield at
    for service in made:
        service.engine.dispose()


@pytest.fixture
def service(service_at: Callable[[Path], Service], tmp_path: Path) -> Service:
    return service_at(tmp_path / "inquiries.db")
