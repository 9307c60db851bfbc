"""Settings from TOML: secrets by name, mistakes named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")

from desk.channels.settings import Secret, SettingsError, Web, read_settings, settings_of

LONG = "s" * 40
ENVIRONMENT = {"DESK_SECRET": LONG, "DESK_BOT": "p", "SHORT": "x"}


def test_everything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "desk.toml"
    path.write_text(
        '[web]\nsecret_env = "DESK_SECRET"\norigins = ["https://shop.example"]\n'
        'keys = { shop = "ab" }\n[dialogflow]\nbasic_env = "DESK_SECRET"\nwithin_s = 2.0\n'
        '[bot]\napp_id = "a"\npassword_env = "DESK_BOT"\ndelivered = "sqlite:///x.db"\n'
    )
    found = read_settings(path)
    assert found.web.secret.reveal() == LONG and found.web.origins == ("https://shop.example",)
    assert found.dialogflow and found.dialogflow.within_s == 2.0
    assert found.bot and found.bot.password and found.bot.password.reveal() == "p"
    assert LONG not in repr(found)


def test_nothing_set_is_a_web_with_a_secret_of_its_own() -> None:
    one, other = settings_of({}), settings_of({})
    assert one.dialogflow is None and one.bot is None
    assert one.web.secret.reveal() != other.web.secret.reveal()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"wed": {}}, "there is no 'wed'; did you mean 'web'"),
        ({"web": {"orgins": []}}, "web: there is no 'orgins'; did you mean 'origins'"),
        ({"web": {"secret_env": "ABSENT"}}, "web.secret_env: the environment has no variable"),
        ({"web": {"secret_env": "SHORT"}}, "web.secret: a secret of at least 32 bytes"),
        ({"web": {"secret": LONG}}, "there is no 'secret'"),  # never in the file itself
        ({"web": {"lasts_s": 0}}, "web.lasts_s: at least 1"),
        ({"web": 5}, r"web: a table \[web\] is expected"),
        ({"bot": {"app_id": "a"}}, "give both or none"),
        ({"dialogflow": {}}, "nobody could call the webhooks"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_of(values, ENVIRONMENT)


def test_secrets_do_not_show() -> None:
    assert LONG not in f"{Web(secret=Secret(LONG))!r} {Secret(LONG)}"
