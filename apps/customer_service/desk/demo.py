"""A desk to look at: a made-up shop in a folder, its settings, and what to try.

The folder is kept: a second start finds its orders and conversations again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from desk.channels.settings import SettingsError
from desk.shop.database import Database
from desk.shop.sample import fill
from desk.shop.schema import Order

AGENT = "demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """settings: the file. key: of the agent. shop: URL of its database."""

    settings: Path
    key: str
    shop: str


def make(folder: Path, understand: Path, help_pages: Path, topics: Path | None = None) -> Demo:
    """The folder's demo, made where it lacks. Raises SettingsError for bundles that lack."""
    for bundle in (understand, help_pages):
        if not bundle.is_file():
            raise SettingsError(f"there is no bundle {bundle}; `make customer-service` builds both")
    folder.mkdir(parents=True, exist_ok=True)
    shop = folder / "shop.db"
    if not shop.exists():
        _fill(shop)
    key = _key(folder / "agent-key")
    settings = folder / "desk.toml"
    models = {"understand": understand, "help": help_pages}
    if topics is not None:
        models["topics"] = topics
    _write(settings, _toml(folder, models, key))
    return Demo(settings, key, f"sqlite:///{shop}")


def guide(demo: Demo, url: str) -> Iterator[str]:
    """What to look at, line by line."""
    yield f"chat        {url}/"
    yield f"agents      {url}/people/          key: {demo.key}"
    yield f"figures     {url}/people/figures"
    yield "orders to ask about, with the e-mail that the desk wants to hear:"
    for number, state, email in _orders(demo.shop):
        yield f"  {number}  {state:<10} {email}"
    yield "say: where is my order, cancel it, a size larger please, do you ship to Spain, agent"
    yield "Ctrl-C ends it."


def _fill(path: Path) -> None:
    """Beside and then renamed: a start that was cut off leaves no half shop."""
    beside = path.with_name(f"{path.name}.new")
    for left in path.parent.glob(f"{beside.name}*"):
        left.unlink()
    database = Database(f"sqlite:///{beside}")
    fill(database, datetime.now(UTC))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    beside.rename(path)


def _key(path: Path) -> str:
    if not path.exists():
        _write(path, secrets.token_urlsafe(18) + "\n", mode=0o600)
    return path.read_text(encoding="utf-8").strip()


def _toml(folder: Path, models: Mapping[str, Path], key: str) -> str:
    def from_folder(path: Path) -> str:
        return Path(os.path.relpath(path, folder)).as_posix()

    return (
        "# Made by `python -m desk demo` at each start; copy it for a desk of your own.\n"
        "[models]\n"
        + "".join(f'{name} = "{from_folder(path)}"\n' for name, path in models.items())
        + '\n[data]\nshop = "sqlite:///shop.db"\nconversations = "sqlite:///desk.db"\n'
        'people = "sqlite:///desk.db"\n'
        f'\n[people.keys]\n{AGENT} = "{hashlib.sha256(key.encode()).hexdigest()}"\n'
    )


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    beside.rename(path)


def _orders(url: str) -> list[tuple[str, str, str]]:
    """The newest in each state that a customer writes about."""
    database = Database(url)
    with database.reads() as session:
        found = []
        for state in ("processing", "dispatched", "delivered"):
            order = session.scalars(
                select(Order).where(Order.state == state).order_by(Order.placed.desc()).limit(1)
            ).first()
            if order is not None:
                found.append((order.number, order.state, order.customer.email))
    database.close()
    return found
