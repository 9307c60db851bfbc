"""What a million requests cost: on a rented machine, and at large models' list prices.

Prices come from a file with their dates (`prices.json` beside this one, or a user's own).
They are never looked up on the network, and they are no claim: what is certified is what
was measured.

| figure | formula |
|---|---|
| machine, a million requests | USD an hour / 3600 x p50 in seconds x 10^6 / cores |
| large model, a million requests | tokens in x input price + tokens out x output price |
| times | large model / machine |
| break-even, requests a month | USD an hour x 730 / USD a request of the large model |

The machine's million assumes that every core is busy; a real machine waits most of the
time. Break-even does not: it asks from how many requests a month on the machine, always
on and paid whether busy or not, costs less than the bill of the API. It is None where
that many do not fit on the machine, for then every further machine is dearer as well.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from attar.errors import DataError
from attar.registry import did_you_mean

PRICES = Path(__file__).with_name("prices.json")
TOKENS_IN = 200
TOKENS_OUT = 10
HOURS_A_MONTH = 730  # 365 x 24 / 12
DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Machine:
    """cores: how many requests it answers at once at the measured speed. date: YYYY-MM."""

    name: str
    usd_per_hour: float
    cores: int
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """input, output: USD a million tokens. source: the name of the price page."""

    model: str
    input: float
    output: float
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class Prices:
    machine: Machine
    models: tuple[ModelPrice, ...]


def load_prices(path: Path | None = None) -> Prices:
    """Read a file of prices; without a path, the one that attar brings.

    Raises DataError naming the file and the field.
    """
    path = Path(path) if path is not None else PRICES
    try:
        table = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file of prices") from None
    except OSError as error:
        raise DataError(f"{path}: cannot read the prices: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    try:
        return _parse(table)
    except DataError as error:
        raise DataError(f"{path}: {error}. See {PRICES} for an example.") from None


def cost(
    p50_ms: float,
    prices: Prices | None = None,
    *,
    tokens_in: int = TOKENS_IN,
    tokens_out: int = TOKENS_OUT,
) -> dict[str, Any]:
    """The cost of a million requests beside large models', cheapest first; ready for JSON.

    p50_ms: the median latency of one request on one core. tokens_in: of the prompt, with
    its instructions, labels and text. tokens_out: of the answer, without any thinking.
    """
    if not (math.isfinite(p50_ms) and p50_ms > 0):
        raise ValueError(f"p50_ms = {p50_ms}: expected a number over 0")
    if min(tokens_in, tokens_out) < 0:
        raise ValueError(f"{tokens_in} and {tokens_out} tokens: expected 0 or more")
    prices = prices or load_prices()
    machine = prices.machine
    a_million = machine.usd_per_hour / 3600 * p50_ms * 1e3 / machine.cores
    a_month = machine.usd_per_hour * HOURS_A_MONTH
    capacity = machine.cores * HOURS_A_MONTH * 3600e3 / p50_ms
    models = []
    for price in prices.models:
        theirs = tokens_in * price.input + tokens_out * price.output
        even = a_month / theirs * 1e6 if theirs else math.inf
        models.append(
            {
                "model": price.model,
                "per_million_usd": round(theirs, 6),
                "times": _figures(theirs / a_million) if a_million else None,
                "break_even_requests_a_month": math.ceil(even) if even <= capacity else None,
                "source": price.source,
                "date": price.date,
            }
        )
    return {
        "machine": {
            "name": machine.name,
            "usd_per_hour": machine.usd_per_hour,
            "cores": machine.cores,
            "source": machine.source,
            "date": machine.date,
            "per_million_usd": _figures(a_million),
            "requests_a_month": int(capacity),
        },
        "assumptions": {
            "p50_ms": p50_ms,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "hours_a_month": HOURS_A_MONTH,
            "note": (
                f"a prompt of {tokens_in:,} tokens and an answer of {tokens_out:,}, without "
                "thinking, caching or batch discounts; the machine's million at full use, at "
                "the latency measured here; break-even with the machine always on"
            ),
        },
        "models": sorted(models, key=lambda entry: entry["per_million_usd"]),
    }


def _figures(value: float) -> float:
    """Six significant figures: a millionth of a cent is not zero."""
    return float(f"{value:.6g}")


def _parse(table: Any) -> Prices:
    _known(table, "the file", ("machine", "models"), optional=("about",))
    machine = _checked(table["machine"], "machine", Machine)
    if not isinstance(table["models"], list):
        raise DataError(f"models = {_short(table['models'])}: expected a list of tables")
    entries = enumerate(table["models"], 1)
    models = [_checked(entry, f"models, entry {n}", ModelPrice) for n, entry in entries]
    return Prices(Machine(**machine), tuple(ModelPrice(**entry) for entry in models))


def _checked(table: Any, where: str, kind: type[Machine] | type[ModelPrice]) -> dict[str, Any]:
    """The fields of `kind`, each of its type and in its range."""
    _known(table, where, [field.name for field in fields(kind)])
    found: dict[str, Any] = {}
    for field in fields(kind):
        value = table[field.name]
        if field.name == "date":
            good, wanted = _is_date(value), "a month as YYYY-MM"
        elif field.name == "cores":
            good, wanted = (
                _is_number(value) and isinstance(value, int) and value > 0,
                "a whole number over 0",
            )
        elif field.type == "float":
            good, wanted = _is_number(value) and value >= 0, "a number of USD, 0 or more"
        else:
            good, wanted = isinstance(value, str) and bool(value.strip()), "a text"
        if not good:
            raise DataError(f"{where}: {field.name} = {_short(value)}: expected {wanted}")
        found[field.name] = value
    return found


def _known(
    table: Any, where: str, required: Sequence[str], optional: Sequence[str] = ()
) -> Mapping[str, Any]:
    if not isinstance(table, dict):
        raise DataError(f"{where}: expected a table, not {_short(table)}")
    known = (*required, *optional)
    for key in table:
        if key not in known:
            raise DataError(
                f"{where}: unknown key {_short(key)}.{did_you_mean(key, known)} "
                f"Known: {', '.join(known)}"
            )
    for key in required:
        if key not in table:
            raise DataError(f"{where}: the field {key!r} is missing")
    return table


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= 1e12  # NaN and infinity, which Python's JSON reads, are not


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and DATE.fullmatch(value) is not None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
