"""A whole desk from one settings file: models, databases, people, channels.

[models]
understand = "understand.attar"       # of the task extract; paths count from the settings file
help = "help.attar"                   # of the task rank
topics = "topics.toml"                # optional: intent = [ids of the help pages about it]
threads = 1                           # of each model, in each worker

[data]                                # sqlite:///path or postgresql://user:password@host/name
shop = "sqlite:///shop.db"
conversations = "sqlite:///desk.db"   # or redis://host:port/0
people = "sqlite:///people.db"

[people.keys]                         # agents: name = "<sha256 of the key>"
alice = "…"

and the tables of channels and of the large model, as `channels.settings` and CHANNELS.md tell.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from desk.app import make_app
from desk.channels.settings import Settings, SettingsError, known, section, settings_of
from desk.dialog import ServiceDesk, open_store
from desk.dialog.knowledge import PagesKnow, read_topics
from desk.dialog.large import LargeUnderstands
from desk.dialog.understanding import ModelUnderstands, tools_of
from desk.people import People, PeopleDatabase, Queue, Recorder
from desk.shop import Shop
from desk.types import Understands


@dataclass(frozen=True, slots=True)
class Models:
    """Bundles, the threads that each may use, and a file of the topics of help pages."""

    understand: str
    help: str
    threads: int = 1
    topics: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """Databases by URL; they may be one and the same."""

    shop: str
    conversations: str
    people: str


@dataclass(frozen=True, slots=True)
class Staff:
    """keys: name of an agent -> SHA-256 of the API key, in hex."""

    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setup:
    models: Models
    data: Data
    people: Staff
    channels: Settings


def read_setup(path: Path | str) -> Setup:
    """The settings of a TOML file. Raises SettingsError, naming the file and the field."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
        return _setup(values, path.resolve().parent, os.environ)
    except (OSError, UnicodeError, tomllib.TOMLDecodeError, SettingsError) as error:
        raise SettingsError(f"{path}: {error}") from None


def _setup(values: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> Setup:
    own: dict[str, type[Any]] = {"models": Models, "data": Data, "people": Staff}
    channels = ("web", "dialogflow", "bot", "email", "large")
    for name in values:
        known(name, [*own, *channels], "the settings")
    made: dict[str, Any] = {}
    for name, kind in own.items():
        if name not in values and name != "people":
            raise SettingsError(f"there is no table [{name}]")
        try:
            made[name] = section(kind, name, values.get(name, {}), environment)
        except TypeError as error:  # a field that has no default is missing
            missing = str(error).rpartition(": ")[2]
            raise SettingsError(f"{name}: expected also {missing}") from None
    models, data = made["models"], made["data"]
    files = {"understand": models.understand, "help": models.help, "topics": models.topics}
    for name, value in files.items():
        if value is not None and not (folder / str(value)).is_file():
            raise SettingsError(f"models.{name}: there is no file {folder / str(value)}")
    if not (isinstance(models.threads, int) and models.threads >= 1):
        raise SettingsError("models.threads: at least 1 is expected")
    return Setup(
        Models(
            str(folder / models.understand),
            str(folder / models.help),
            models.threads,
            None if models.topics is None else str(folder / models.topics),
        ),
        Data(*(_placed(str(url), folder) for url in (data.shop, data.conversations, data.people))),
        made["people"],
        settings_of(
            {k: _all_placed(v, folder) for k, v in values.items() if k in channels}, environment
        ),
    )


def _all_placed(table: Any, folder: Path) -> Any:
    if not isinstance(table, Mapping):
        return table
    return {k: _placed(v, folder) if isinstance(v, str) else v for k, v in table.items()}


def _placed(url: str, folder: Path) -> str:
    """A relative SQLite path counts from the settings file, wherever the desk is started."""
    scheme, mark, path = url.partition(":///")
    if mark and scheme.startswith("sqlite") and path and path != ":memory:":
        return f"{scheme}:///{folder / path}"
    return url


@contextmanager
def opened(setup: Setup) -> Iterator[Starlette]:
    """The application of one worker, its databases and models open until the end. Raises
    SettingsError, attar.AttarError for a model, and what a database raises that is not there."""
    with ExitStack() as stack:
        try:
            people = PeopleDatabase(setup.data.people)
            stack.callback(people.close)
            shop = Shop(setup.data.shop)
            stack.callback(shop.close)
            store = open_store(setup.data.conversations)
            stack.callback(store.close)
        except ValueError as error:
            raise SettingsError(f"data: {error}") from None
        queue, recorder = Queue(people), Recorder(people)
        stack.callback(recorder.close)
        try:
            named = setup.models.topics
            topics = {} if named is None else read_topics(Path(named))
            pages = PagesKnow(setup.models.help, setup.models.threads, topics)
        except ValueError as error:
            raise SettingsError(f"models.topics: {error}") from None
        model = ModelUnderstands(setup.models.understand, setup.models.threads)
        understands: Understands = model
        if setup.channels.large is not None:
            understands = large = LargeUnderstands(model, setup.channels.large, tools_of(model))
            stack.callback(large.close)
        desk = ServiceDesk(
            recorder.understands(understands), pages, shop, store, on_handed=queue.open
        )
        try:
            staff = People(
                desk,
                people,
                setup.people.keys,
                queue=queue,
                knows=pages,
                documents=pages.titles,
                lists=model.lists,
            )
        except ValueError as error:
            raise SettingsError(str(error)) from None
        yield make_app(recorder.desk(desk), setup.channels, also=staff.routes())
