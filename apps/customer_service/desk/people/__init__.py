"""People: who takes over what the desk cannot resolve, what they correct, and how the desk does."""

from __future__ import annotations

from desk.people.database import PeopleDatabase
from desk.people.queue import Queue
from desk.people.recording import Recorder
from desk.people.routes import People

__all__ = ["People", "PeopleDatabase", "Queue", "Recorder"]
