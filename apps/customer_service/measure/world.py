"""The invented shop in which a day is played: made once, copied for each run, orders dealt out.

Every conversation gets a customer of its own, with an order in the state that its row names, so
that no conversation changes what another one finds. Which order a row gets is drawn with a seed
and depends on the row's words alone.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy

from desk.shop import Shop, sample, sample_orders, schema
from desk.shop.database import Database
from measure.orders import Known, Line, read_orders
from measure.rows import Row
from measure.scene import Scene, filled
from measure.variations import fits, wanted

#: The moment at which all conversations take place: a Friday noon.
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
CUSTOMERS, ORDERS = 5_000, 20_000
#: Delivered orders are not older: they can be sent back and reported.
_RECENT = timedelta(days=13)
_ADDRESSES = (
    "7 Long Row, York YO1 9AA",
    "23 Chapel Street, Leeds LS6 4DE",
    "Flat 4, 118 Redland Road, Bristol BS6 6QP",
    "61 Kirkgate, Wakefield WF1 1HX",
    "9 Orchard Close, Harrogate HG2 7LN",
    "15a Albert Terrace, Hull HU5 3BN",
)


def make_sample(folder: Path) -> Path:
    """The filled database in `folder`, made where it lacks: some seconds. Its name changes with
    what makes it, so that an old one is never taken for a new one."""
    made_by = b"".join(
        Path(str(module.__file__)).read_bytes() for module in (sample, sample_orders, schema)
    )
    made_by += f"{NOW} {CUSTOMERS} {ORDERS}".encode()
    path = folder / f"shop-{hashlib.sha256(made_by).hexdigest()[:12]}.db"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as making:
        filled_one, whole = Path(making) / "filled.db", Path(making) / "whole.db"
        database = Database(f"sqlite:///{filled_one}")
        sample.fill(database, NOW, customers=CUSTOMERS, orders=ORDERS)
        database.close()
        with closing(sqlite3.connect(filled_one)) as connection:
            # One file with all that its log holds.
            connection.execute("VACUUM INTO ?", (str(whole),))
        whole.rename(path)
    return path


def open_copy(made: Path, run: Path) -> Shop:
    """The shop of one run, at its own copy, whose clock stands still."""
    shutil.copy(made, run)
    return Shop(f"sqlite:///{run}", clock=lambda: NOW)


def deal(
    rows: Sequence[Row],
    shop: Shop,
    seed: int = 3,
    pages: Mapping[str, frozenset[str]] | None = None,
) -> list[Scene]:
    """A scene for every row. pages: ids of help pages that answer, by the row's id. ValueError
    where the sample has too few orders of a state."""
    orders = read_orders(shop)
    chance = random.Random(seed)
    chance.shuffle(orders)
    dealer = _Dealer(orders, shop)
    scenes = [dealer.scene(row, chance) for row in rows]
    return [replace(scene, pages=(pages or {}).get(scene.row.id)) for scene in scenes]


class _Dealer:
    def __init__(self, orders: Sequence[Known], shop: Shop) -> None:
        self._shop = shop
        self._free = [one for one in orders if _plain(one)]
        self._taken: set[int] = set()  # customers
        self._used: set[str] = set()  # orders
        self._busy = _with_open_orders(orders)
        self._products = sorted({line.product for one in orders for line in one.lines})
        #: In stock in one variant of size M, so that "a medium" says all.
        self._one_medium = sorted(
            {
                line.product
                for one in orders
                for line in one.lines
                if sum(made.stock > 0 and made.size == "M" for made in line.made) == 1
            }
        )
        self._stocked = sorted(
            {
                line.product
                for one in orders
                for line in one.lines
                if sum(made.stock > 0 for made in line.made) > 1 and line.plain
            }
        )

    def scene(self, row: Row, chance: random.Random) -> Scene:
        main, line, fitting = self._main(row)
        other = self._other(row, main)
        foreign = None
        if any("{foreign_order}" in text for text in row.texts):
            foreign = self._take(row, "processing", lambda one: True)
        own = {line.product for line in main.lines}
        want = wanted(row)
        stocked = self._one_medium if want is not None and want.adds else self._stocked
        stocked = [name for name in stocked if name not in own]
        other_product = chance.choice(stocked)
        fill = {
            "order": main.number,
            "email": main.email,
            "product": line.product,
            "other_product": other_product,
            "amount": f"£{main.total:.2f}",
            "date": filled.day(main.placed, row.language),
            "address": chance.choice(_ADDRESSES),
        }
        if foreign is not None:
            fill["foreign_order"] = foreign.number
        if other is not None:
            fill["other_order"] = other.number
        return Scene(row, main, other, foreign, line, fill, fitting)

    def _main(self, row: Row) -> tuple[Known, Line, bool]:
        """The order, the item that {product} names, and whether they are all that the row needs."""
        want = wanted(row)
        state = row.order or "delivered"
        no_open = "delete_account" in row.all_wants and row.outcome == "action"

        def customer_fits(one: Known) -> bool:
            return not (no_open and one.customer_id in self._busy)

        def fitting(one: Known) -> Line | None:
            if want is None:
                return one.lines[0]
            for line in one.lines:
                # Two items of one product cannot be told apart by its name.
                twins = sum(other.product == line.product for other in one.lines)
                if twins == 1 and fits(want, line.made, line.now, line.quantity, len(one.lines)):
                    return line
            return None

        if want is not None and not (row.other_order and "exchange_item" in row.wants):
            for one in self._choices(row, state):
                if customer_fits(one) and (line := fitting(one)):
                    self._keep(one)
                    return one, line, True
        one = self._take(row, state, customer_fits)
        return one, one.lines[0], want is None or row.other_order is not None

    def _other(self, row: Row, main: Known) -> Known | None:
        if row.other_order is None:
            return None
        want = wanted(row) if "exchange_item" in row.wants else None

        def single(one: Known) -> bool:
            line = one.lines[0]
            return want is None or (
                len(one.lines) == 1 and fits(want, line.made, line.now, line.quantity, 1)
            )

        other = self._take(row, row.other_order, single)
        table = schema.Order
        change = sqlalchemy.update(table).where(table.number == other.number)
        with self._shop.database.writes() as session:
            session.execute(change.values(customer_id=main.customer_id))
        return other

    def _choices(self, row: Row, state: str) -> list[Known]:
        return [
            one
            for one in self._free
            if one.state == state
            and one.number not in self._used
            and one.customer_id not in self._taken
            and (state != "delivered" or not one.returns)
        ]

    def _take(self, row: Row, state: str, good: object) -> Known:
        assert callable(good)
        for one in self._choices(row, state):
            if good(one):
                self._keep(one)
                return one
        raise ValueError(
            f"conversation {row.id}: the sample has no order left in state {state!r} that fits; "
            "play fewer days at once"
        )

    def _keep(self, one: Known) -> None:
        self._used.add(one.number)
        self._taken.add(one.customer_id)


def _plain(one: Known) -> bool:
    """In Britain, recent, and of goods that nothing special is said about; paid by card where it
    may still be changed, for others may not be made dearer."""
    recent = one.delivered is None or one.delivered >= (NOW - _RECENT).date()
    kinds = {line.product for line in one.lines}
    return (
        one.country == "GB"
        and (one.payment == "card" or one.state != "processing")
        and (one.state != "delivered" or recent)
        and all(line.plain for line in one.lines)
        and len(kinds) == len(one.lines)
    )


def _with_open_orders(orders: Sequence[Known]) -> set[int]:
    """Customers with something on the way or coming back: their accounts cannot be deleted yet."""
    return {
        one.customer_id
        for one in orders
        if one.state in ("processing", "dispatched", "returned")
        or (one.returns and one.state == "delivered")
    }
