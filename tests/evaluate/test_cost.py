"""Cost: the formulas against hand calculation, and files of prices that are refused."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.errors import DataError
from attar.evaluate.cost import (
    HOURS_A_MONTH,
    PRICES,
    Machine,
    ModelPrice,
    Prices,
    cost,
    load_prices,
)

TABLE: dict[str, Any] = {
    "machine": {
        "name": "a machine", "usd_per_hour": 0.36, "cores": 2, "source": "a page",
        "date": "2026-01",
    },
    "models": [
        {"model": "large", "input": 3.0, "output": 15.0, "source": "a page", "date": "2026-01"},
        {"model": "small", "input": 0.1, "output": 0.4, "source": "a page", "date": "2026-02"},
    ],
}  # fmt: skip


def prices(**machine: Any) -> Prices:
    kept = Machine(**{**TABLE["machine"], **machine})
    return Prices(kept, tuple(ModelPrice(**entry) for entry in TABLE["models"]))


def write(path: Path, table: Any) -> Path:
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def test_by_hand() -> None:
    """0.36 USD an hour are 0.0001 a second; a million of 10 ms are 10,000 seconds of a
    core, half of it with two. 200 tokens at 3 and 10 at 15 USD are 750 USD a million."""
    found = cost(10.0, prices())
    assert found["machine"]["per_million_usd"] == pytest.approx(0.5)
    assert found["machine"]["requests_a_month"] == 2 * HOURS_A_MONTH * 3600 * 100
    small, large = found["models"]
    assert (small["model"], large["model"]) == ("small", "large")
    assert large["per_million_usd"] == 750.0
    assert large["times"] == 1500.0
    assert large["break_even_requests_a_month"] == 350_400  # 262.80 USD / 0.00075
    assert (large["source"], large["date"]) == ("a page", "2026-01")
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_assumptions_are_stated() -> None:
    found = cost(10.0, prices(), tokens_in=1000, tokens_out=0)
    assert found["assumptions"]["tokens_in"] == 1000
    assert "1,000 tokens and an answer of 0" in found["assumptions"]["note"]
    assert found["models"][1]["per_million_usd"] == 3000.0


def test_no_break_even_where_the_machine_is_dearer() -> None:
    """At 3 s a request the machine costs 150 USD a million, and small 24."""
    small, large = cost(3000.0, prices())["models"]
    assert small["break_even_requests_a_month"] is None and small["times"] < 1
    assert large["break_even_requests_a_month"] is not None


def test_nothing_is_divided_by_zero() -> None:
    free = cost(1.0, prices(), tokens_in=0, tokens_out=0)["models"][0]
    assert free["per_million_usd"] == 0 and free["break_even_requests_a_month"] is None
    own = cost(1.0, prices(usd_per_hour=0))
    assert own["machine"]["per_million_usd"] == 0
    assert own["models"][0]["times"] is None
    assert own["models"][0]["break_even_requests_a_month"] == 0
    no_models = cost(1.0, Prices(prices().machine, ()))
    assert no_models["models"] == []


@pytest.mark.parametrize("p50", [0.0, -1.0, float("nan"), float("inf")])
def test_a_latency_that_is_none(p50: float) -> None:
    with pytest.raises(ValueError, match="p50_ms"):
        cost(p50, prices())


def test_negative_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="tokens"):
        cost(1.0, prices(), tokens_in=-1)


@given(st.floats(1e-3, 1e4), st.integers(0, 10_000), st.integers(0, 10_000))
def test_at_break_even_both_bills_are_equal(p50: float, tokens_in: int, tokens_out: int) -> None:
    found = cost(p50, prices(), tokens_in=tokens_in, tokens_out=tokens_out)
    bill = found["machine"]["usd_per_hour"] * HOURS_A_MONTH
    for model in found["models"]:
        requests = model["break_even_requests_a_month"]
        if requests is None:
            full = found["machine"]["requests_a_month"] * model["per_million_usd"] / 1e6
            assert full <= bill * (1 + 1e-6)
        else:
            theirs = requests * model["per_million_usd"] / 1e6
            assert bill <= theirs * (1 + 1e-6)
            assert theirs - model["per_million_usd"] / 1e6 <= bill * (1 + 1e-6)


def test_the_prices_that_attar_brings() -> None:
    brought = load_prices()
    assert len(brought.models) >= 5
    assert len({price.model for price in brought.models}) == len(brought.models)
    for price in (brought.machine, *brought.models):
        assert re.fullmatch(r"20[0-9]{2}-[0-9]{2}", price.date)
        assert "http" not in price.source
    assert cost(1.0)["machine"]["name"] == brought.machine.name
    assert json.loads(PRICES.read_text())["about"]


def test_a_users_own_file(tmp_path: Path) -> None:
    path = write(tmp_path / "prices.json", {"about": "ours", **TABLE})
    assert load_prices(path) == prices()


def changed(where: tuple[str | int, ...], value: Any) -> Any:
    table = copy.deepcopy(TABLE)
    at: Any = table
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    return table


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("models", 1, "input"), -1, r"models, entry 2: input = -1: expected a number of USD"),
        (("models", 0, "output"), "15", r"models, entry 1: output = '15'"),
        (("models", 0, "output"), True, r"output = True"),
        (("models", 0, "output"), float("nan"), r"output = nan"),
        (("models", 0, "output"), float("inf"), r"output = inf"),
        (("models", 0, "model"), " ", r"model = ' ': expected a text"),
        (("models", 0, "date"), "2026-13", r"date = '2026-13': expected a month as YYYY-MM"),
        (("models", 0, "date"), 2026, r"date = 2026"),
        (("models", 0, "imput"), 1, r"models, entry 1: unknown key 'imput'. Did you mean 'input'"),
        (("models", 0), [], r"models, entry 1: expected a table"),
        (("models",), {}, r"models = {}: expected a list"),
        (("machine",), None, r"machine: expected a table, not None"),
        (("machine", "cores"), 0, r"machine: cores = 0: expected a whole number"),
        (("machine", "cores"), 1.5, r"machine: cores = 1.5"),
        (("machines",), {}, r"the file: unknown key 'machines'. Did you mean 'machine'"),
    ],
)
def test_refused(where: tuple[str | int, ...], value: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "mine.json", changed(where, value))
    with pytest.raises(DataError, match=message) as error:
        load_prices(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    table = copy.deepcopy(TABLE)
    del table["models"][1]["source"]
    with pytest.raises(DataError, match="models, entry 2: the field 'source' is missing"):
        load_prices(write(tmp_path / "mine.json", table))
    with pytest.raises(DataError, match="the field 'machine' is missing"):
        load_prices(write(tmp_path / "mine.json", {"models": []}))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"[" * 100_000])
def test_not_json(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(content)
    with pytest.raises(DataError, match="not valid JSON"):
        load_prices(tmp_path / "mine.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file of prices"):
        load_prices(tmp_path / "none.json")
    with pytest.raises(DataError, match="cannot read the prices"):
        load_prices(tmp_path)
    with pytest.raises(DataError, match="expected a table"):
        load_prices(write(tmp_path / "list.json", []))
