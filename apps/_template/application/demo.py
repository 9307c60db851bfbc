"""An application to look at, in a folder that is kept: settings, two keys, loans of readers."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select

from application.database import open_engine, writing
from application.settings import SettingsError, read_settings
from application.work import LOANS

READERS = ("r1", "r2", "r3")
_TITLES = ("Emma", "Dracula")
_SETTINGS = """# Made by the demo at each start; copy it for an application of your own.
[model]
bundle = "{bundle}"

[data]
url = "sqlite:///inquiries.db"

[keys.clients]
web = "{client}"

[keys.people]
ada = "{person}"

[policy]
handed = "I'm passing this on to a librarian, who will answer you."

[policy.answers]
opening_hours = "We are open Monday to Friday from 9 to 7 and Saturday from 10 to 4."
renew_loan = "Renewed until {{due}}: {{titles}}."
reserve_book = "Look the title up in the catalog and choose Reserve; we write when it is here."
library_card = "Bring a proof of address; lost cards are blocked and replaced at the desk."
fees = "A late item costs 20p a day, children's items nothing. Your account shows what is due."
"""


def make(folder: Path, bundle: Path) -> Path:
    """The settings of the folder's demo, made where it lacks. Raises SettingsError."""
    if not bundle.is_file():
        raise SettingsError(f"there is no bundle {bundle}; `attar build` makes it from recipe.toml")
    folder.mkdir(parents=True, exist_ok=True)
    digests = {
        name: hashlib.sha256(_key(folder / f"{name}-key").encode()).hexdigest()
        for name in ("client", "person")
    }
    relative = Path(os.path.relpath(bundle, folder)).as_posix()
    settings = folder / "settings.toml"
    settings.write_text(_SETTINGS.format(bundle=relative, **digests), encoding="utf-8")
    engine = open_engine(read_settings(settings).data.url)
    with writing(engine).begin() as connection:
        if connection.execute(select(LOANS)).first() is None:
            due = datetime.now(UTC).date() + timedelta(days=2)
            loans = [{"reader": r, "title": t, "due": due} for r in READERS for t in _TITLES]
            connection.execute(insert(LOANS), loans)
    engine.dispose()
    return settings


def guide(settings: Path, url: str) -> Iterator[str]:
    """What to try, line by line."""
    client, person = (_key(settings.parent / f"{name}-key") for name in ("client", "person"))
    body = f'{{"key": "1", "text": "please renew my books", "reader": "{READERS[0]}"}}'
    yield f"say       curl -H 'Authorization: Bearer {client}' {url}/v1/messages -d '{body}'"
    yield f"waiting   curl -H 'Authorization: Bearer {person}' {url}/people/cases"
    yield f"figures   curl -H 'Authorization: Bearer {person}' {url}/people/figures"
    yield "Ctrl-C ends it."


def _key(path: Path) -> str:
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(18))
    return path.read_text(encoding="utf-8")
