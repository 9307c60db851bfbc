"""The settings' file: what is read, and that a mistake is named by its field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")

from application.settings import SettingsError, read_settings
from application.setup import service_of
from application_made import Keywords

GOOD = f"""
[model]
bundle = "some.attar"
[data]
url = "sqlite:///inquiries.db"
[keys.clients]
web = "{"0" * 64}"
[policy]
handed = "Somebody will answer."
[policy.answers]
opening_hours = "From 9 to 7."
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "some.attar").touch()
    return tmp_path / "settings.toml"


def test_paths_count_from_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(GOOD)
    monkeypatch.chdir("/")
    settings = read_settings(path)
    assert settings.model.bundle == str(path.parent / "some.attar")
    assert settings.data.url == f"sqlite:///{path.parent / 'inquiries.db'}"
    assert settings.policy.person == "person"


def test_text_from_the_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(GOOD.replace('url = "sqlite:///inquiries.db"', 'url_env = "SOME_URL"'))
    with pytest.raises(SettingsError, match=r"data\.url_env: the environment"):
        read_settings(path)
    monkeypatch.setenv("SOME_URL", "postgresql://u:p@h/n")
    assert read_settings(path).data.url == "postgresql://u:p@h/n"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("some.attar", "other.attar"), "model.bundle: there is no file"),
        (("[model]", "[modle]"), "did you mean 'model'"),
        (('bundle = "some.attar"', ""), "model: expected also 'bundle'"),
        (('bundle = "some.attar"', "bundle = 1"), "model.bundle: expected str; got 1"),
        (("[data]", "threads = true\n[data]"), "model.threads: expected int; got True"),
        (("[data]", "threads = 0\n[data]"), "model.threads: at least 1"),
        (("0" * 64, "abc"), "keys.clients: 'web'"),
        (("[keys.clients]", "[clients]"), "the settings: there is no 'clients'"),
        (("handed =", "handde ="), "policy: there is no 'handde'; did you mean 'handed'"),
        (('"From 9 to 7."', "9"), "policy.answers: a table [policy.answers] of texts"),
        (("opening_hours", "opening_hour"), "did you mean 'opening_hours'"),
        (("sqlite:///inquiries.db", "mysql://h/n"), "data.url: 'mysql://h/n' cannot be used"),
        (("sqlite:///inquiries.db", "inquiries.db"), "data.url: 'inquiries.db' is no URL"),
        (("[policy]", "[policy"), "settings.toml"),
    ],
)
def test_mistakes_are_named(path: Path, change: tuple[str, str], named: str) -> None:
    path.write_text(GOOD.replace(*change))
    with pytest.raises(SettingsError, match=re.escape(named)):
        service_of(read_settings(path), Keywords())
