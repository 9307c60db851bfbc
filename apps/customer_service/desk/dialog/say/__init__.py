"""Phrases: templates of a language, filled with facts. Nothing here is generated.

A language is a TOML file beside this one; names are sections and keys joined by a dot. A template's
placeholders name facts, with how to write them: `{expected:day}` an ISO date as a day soon or not
long ago, `{until:date}` one of any year, `{total:money}` pounds, `{products:list}` parts joined by
"and". Values are never read as templates, so what customers write cannot be one.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any

DEFAULT = "en"


class Phrases:
    """Those of one language. phrases(name, fact=value, …) fills a template."""

    def __init__(self, language: str, templates: Mapping[str, str]) -> None:
        self.language = language
        self.templates = dict(templates)
        self._formatter = _Formatter(self.templates)

    def __call__(self, name: str, /, **facts: object) -> str:
        """Raises KeyError where the template, or a fact that it states, is missing: mistakes of
        the program, which tests find."""
        said = self._formatter.vformat(self.templates[name], (), facts)
        # A product without a color leaves a gap.
        return re.sub(r" {2,}", " ", said).strip()

    def has(self, name: str) -> bool:
        return name in self.templates

    def placeholders(self, name: str) -> frozenset[str]:
        """What a template states: `{"number", "expected:day"}`."""
        found = string.Formatter().parse(self.templates[name])
        return frozenset(
            f"{field}:{spec}" if spec else field for _, field, spec, _ in found if field is not None
        )


class _Formatter(string.Formatter):
    def __init__(self, templates: Mapping[str, str]) -> None:
        self._templates = templates

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        # Plain names alone: no attributes, no indices.
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec in ("day", "date"):
            return self._day(value, self._templates[f"form.{format_spec}"])
        if format_spec == "money":
            return self._money(value)
        if format_spec == "list":
            parts = [part.strip() for part in str(value).split(",") if part.strip()]
            if len(parts) < 2:
                return "".join(parts)
            return f"{', '.join(parts[:-1])} {self._templates['form.and']} {parts[-1]}"
        return str(value)

    def _day(self, value: object, template: str) -> str:
        try:
            day = value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
        except ValueError:
            return str(value)
        names = self._templates["form.weekdays"].split()
        months = self._templates["form.months"].split()
        return template.format(
            weekday=names[day.weekday()], day=day.day, month=months[day.month - 1], year=day.year
        )

    def _money(self, value: object) -> str:
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            return str(value)
        shown = f"{abs(amount):,.2f}"
        if self._templates["form.decimal"] == ",":
            shown = shown.translate(str.maketrans(",.", ".,"))
        return f"{'-' if amount < 0 else ''}{self._templates['form.money'].format(amount=shown)}"


def languages() -> tuple[str, ...]:
    found = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


@cache
def phrases(language: str) -> Phrases:
    """Of a language ("de", "de-AT"), or English where there is no file for it."""
    short = language.lower().replace("_", "-").partition("-")[0]
    name = short if short in languages() else DEFAULT
    text = (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
    return Phrases(name, dict(_flat(tomllib.loads(text))))


def _flat(tables: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value)
