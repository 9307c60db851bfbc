"""The application's settings: one TOML file, checked where it is read.

A field of text may come from the environment: `url_env = "NAME"` instead of `url`. Paths count from
the settings file. What a field means stands at its class.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_origin, get_type_hints

_DIGEST = re.compile(r"[0-9a-f]{64}")


class SettingsError(Exception):
    """Settings that cannot be meant. The message names the field and what it expects."""


@dataclass(frozen=True, slots=True)
class Model:
    """bundle: a file that `attar build` made; threads: of each worker."""

    bundle: str
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Data:
    """url: sqlite:///path or postgresql://user:password@host/name."""

    url: str = "sqlite:///inquiries.db"


@dataclass(frozen=True, slots=True)
class Keys:
    """Name -> SHA-256 of an API key. clients: servers that hand messages in and say who asks;
    people: those who answer what is handed over."""

    clients: Mapping[str, str]
    people: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """handed: what is said when a person takes over. answers: label -> text; one for what is done
    may name its facts in braces. person: the label that asks for a person."""

    handed: str
    answers: Mapping[str, str]
    person: str = "person"


@dataclass(frozen=True, slots=True)
class Settings:
    model: Model
    keys: Keys
    policy: Policy
    data: Data = field(default_factory=Data)


def read_settings(path: Path | str) -> Settings:
    """The settings of a file. Raises SettingsError, naming the file and the field."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _settings(tomllib.load(file), path.resolve().parent)
    except (OSError, UnicodeError, tomllib.TOMLDecodeError, SettingsError) as error:
        raise SettingsError(f"{path}: {error}") from None


def known(key: str, names: Any, where: str) -> None:
    """Raises SettingsError, with the name that may be meant, for a key that is none of them."""
    if key not in names:
        near = get_close_matches(key, list(names), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"
        raise SettingsError(f"{where}: there is no {key!r}; {hint}")


def _settings(values: Mapping[str, Any], folder: Path) -> Settings:
    tables = get_type_hints(Settings)
    for name in values:
        known(name, tables, "the settings")
    made = {name: _table(kind, name, values.get(name, {})) for name, kind in tables.items()}
    bundle, url = folder / made["model"].bundle, made["data"].url
    if not bundle.is_file():
        raise SettingsError(f"model.bundle: there is no file {bundle}; `attar build` makes one")
    if made["model"].threads < 1:
        raise SettingsError("model.threads: at least 1 is expected")
    for kind in ("clients", "people"):
        for name, digest in getattr(made["keys"], kind).items():
            if not (0 < len(name) <= 60 and _DIGEST.fullmatch(digest)):
                raise SettingsError(
                    f"keys.{kind}: {name!r}: expected a name and the SHA-256 of its key, 64 signs "
                    "in hex: printf %s KEY | sha256sum"
                )
    scheme, mark, place = url.partition(":///")
    if mark and scheme.startswith("sqlite") and place and place != ":memory:":
        url = f"{scheme}:///{folder / place}"
    model = Model(str(bundle), made["model"].threads)
    return Settings(model, made["keys"], made["policy"], Data(url))


def _table(kind: type[Any], name: str, values: Any) -> Any:
    """A table of the settings as one of the data classes."""
    if not isinstance(values, Mapping):
        raise SettingsError(f"{name}: a table [{name}] is expected")
    hints = get_type_hints(kind)
    made: dict[str, Any] = {}
    for key, value in values.items():
        plain = key.removesuffix("_env")
        if key != plain and hints.get(plain) is str:
            if (value := os.environ.get(str(value))) is None:
                raise SettingsError(f"{name}.{key}: the environment has no such variable")
        else:
            known(plain := key, hints, name)
        _check(f"{name}.{plain}", value, hints[plain])
        made[plain] = value
    for one in fields(kind):
        if one.name not in made and one.default is one.default_factory is MISSING:
            raise SettingsError(f"{name}: expected also {one.name!r}")
    return kind(**made)


def _check(name: str, value: Any, hint: Any) -> None:
    if get_origin(hint) is Mapping:
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise SettingsError(f"{name}: a table [{name}] of texts is expected")
    elif type(value) is not hint:
        raise SettingsError(f"{name}: expected {hint.__name__}; got {value!r}")
