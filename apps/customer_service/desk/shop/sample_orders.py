"""A year of invented orders, each in the state that its age gives it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from desk.shop import rules

Row = dict[str, Any]
_FREE_FROM = Decimal(50)
_NONE = Decimal("0.00")


class Orders:
    """Rows of the tables of orders, filled by `make`. All ids are given here, from 1."""

    def __init__(
        self,
        chance: random.Random,
        now: datetime,
        buyers: Sequence[Row],
        products: Sequence[Row],
        variants: Sequence[Row],
    ) -> None:
        self.chance = chance
        self.now = now
        self.buyers = buyers
        self.variants = variants
        self.products = {product["id"]: product for product in products}
        self.small = [v for v in variants if not self.products[v["product_id"]]["large"]]
        self.orders: list[Row] = []
        self.items: list[Row] = []
        self.shipments: list[Row] = []
        self.returns: list[Row] = []
        self.return_items: list[Row] = []
        self.refunds: list[Row] = []

    def make(self, count: int) -> None:
        """count: at most 80,000. Every customer has one before any has a second."""
        ages = sorted((self._age() for _ in range(count)), reverse=True)
        numbers = sorted(self.chance.sample(range(10_000, 100_000), count))
        turns = list(self.buyers) * (count // len(self.buyers) + 1)
        owners = turns[:count]
        self.chance.shuffle(owners)
        for age, number, owner in zip(ages, numbers, owners, strict=True):
            self._order(f"MF-{number}", owner, age)

    def _age(self) -> timedelta:
        share = self.chance.random()
        if share < 0.02:
            return timedelta(minutes=self.chance.randrange(2, 55))
        if share < 0.05:
            return timedelta(minutes=self.chance.randrange(60, 1_200))
        if share < 0.13:
            return timedelta(hours=self.chance.randrange(24, 72))
        # Growing: half of the year's orders are of the last three months.
        return timedelta(days=8 + 357 * self.chance.random() ** 2)

    def _order(self, number: str, owner: Row, age: timedelta) -> None:
        chance, placed = self.chance, self.now - age
        order_id = len(self.orders) + 1
        items = self._items(order_id, owner)
        goods = sum((i["price"] * i["quantity"] for i in items), _NONE)
        large = any(self._product(item)["large"] for item in items)
        delivery = Decimal("29.00") if large else _NONE if goods >= _FREE_FROM else Decimal("3.95")
        promo = "STUDENT12" if chance.random() < 0.05 else None
        discount = (goods * 12 / 100).quantize(Decimal("0.01")) if promo else _NONE
        total = goods + delivery - discount
        payments = ["card"] * 6 + ["paypal"] * 2 + ["gift_card"]
        if owner["country"] == "GB" and 60 <= total <= 800:
            payments.append("klarna")
        days = (7 + chance.randrange(4)) if large else (3 + chance.randrange(3))
        if owner["country"] != "GB":
            days += 4
        order = {
            "id": order_id,
            "number": number,
            "customer_id": owner["id"],
            "state": "processing",
            "placed": placed,
            "address": owner["address"],
            "country": owner["country"],
            "payment": chance.choice(payments),
            "delivery": delivery,
            "discount": discount,
            "total": total,
            "promo": promo,
            "expected": rules.working_days_after(placed.date(), days),
        }
        self.orders.append(order)
        self.items.extend(items)
        self._happen(order, items, age)

    def _items(self, order_id: int, owner: Row) -> list[Row]:
        chance = self.chance
        goods = self.variants if owner["country"] == "GB" else self.small
        rows: list[Row] = []
        for _ in range(chance.choices((1, 2, 3, 4), (5, 3, 1.5, 0.5))[0]):
            variant = chance.choice(goods)
            if any(row["variant_id"] == variant["id"] for row in rows):
                continue
            name = self.products[variant["product_id"]]["name"]
            can_embroider = any(word in name for word in ("scarf", "towel", "cushion"))
            rows.append(
                {
                    "id": len(self.items) + len(rows) + 1,
                    "order_id": order_id,
                    "variant_id": variant["id"],
                    "quantity": 1 if chance.random() < 0.88 else chance.randrange(2, 4),
                    "price": variant["price"],
                    "personalized": can_embroider and chance.random() < 0.2,
                    "registered": chance.random() < 0.2,
                }
            )
        return rows

    def _product(self, item: Row) -> Row:
        return self.products[self.variants[item["variant_id"] - 1]["product_id"]]

    def _happen(self, order: Row, items: list[Row], age: timedelta) -> None:
        """What has become of an order by now."""
        if age < timedelta(hours=24):
            return
        chance = self.chance
        if chance.random() < 0.03:
            order["state"] = "canceled"
            if order["payment"] != "card":
                self._refund(order, None, order["total"], order["placed"] + timedelta(hours=1))
            return
        order["state"] = "dispatched"
        sent = order["placed"] + timedelta(hours=chance.randrange(6, 23))
        shipment = {
            "id": len(self.shipments) + 1,
            "order_id": order["id"],
            "carrier": "Northway",
            "tracking": f"NW{chance.randrange(10**9, 10**10)}GB",
            "dispatched": sent,
            "delivered": None,
        }
        self.shipments.append(shipment)
        delivered = sent + timedelta(days=chance.randrange(2, 5), hours=chance.randrange(12))
        if order["expected"] > delivered.date() and self._product(items[0])["large"]:
            delivered += timedelta(days=5)
        lost = chance.random() < 0.01
        if lost or delivered > self.now:
            return
        shipment["delivered"] = delivered
        order["state"] = "delivered"
        if chance.random() < 0.16:
            self._send_back(order, items, delivered)

    def _send_back(self, order: Row, items: list[Row], delivered: datetime) -> None:
        """A return in some stage: announced, on the way, being checked, or paid back."""
        chance = self.chance
        announced = delivered + timedelta(days=chance.randrange(1, 20), hours=chance.randrange(9))
        if announced > self.now or self._product(items[0])["large"]:
            return
        back = items if chance.random() < 0.6 else items[:1]
        worth = sum((i["price"] * i["quantity"] for i in back), _NONE)
        cost = rules.return_cost("parcel_shop", order["country"], False)
        amount = max(worth - order["discount"] - cost, _NONE)
        made = {
            "id": len(self.returns) + 1,
            "reference": f"RT-{len(self.returns) + 1:06d}",
            "order_id": order["id"],
            "kind": "return",
            "state": "announced",
            "method": "parcel_shop",
            "reason": chance.choice(
                ("too small", "too big", "not as pictured", "", "changed mind")
            ),
            "faulty": False,
            "amount": amount,
            "cost": cost,
            "refund": "original",
            "announced": announced,
            "scanned": None,
            "arrived": None,
        }
        self.returns.append(made)
        self.return_items.extend(
            {"item_id": item["id"], "return_id": made["id"], "new_variant_id": None}
            for item in back
        )
        scanned = announced + timedelta(days=chance.randrange(1, 4))
        arrived = scanned + timedelta(days=chance.randrange(3, 8))
        paid = arrived + timedelta(days=chance.randrange(1, 6))
        if scanned < self.now:
            made |= {"state": "on_the_way", "scanned": scanned}
            order["state"] = "returned"
        if arrived < self.now:
            made |= {"state": "checking", "arrived": arrived}
        if paid < self.now:
            made["state"] = "closed"
            order["state"] = "refunded"
            self._refund(order, made["id"], amount, paid)

    def _refund(self, order: Row, return_id: int | None, amount: Decimal, sent: datetime) -> None:
        days = rules.PAYMENT_DAYS[order["payment"]]
        self.refunds.append(
            {
                "id": len(self.refunds) + 1,
                "order_id": order["id"],
                "return_id": return_id,
                "amount": amount,
                "payment": order["payment"],
                "sent": sent,
                "due": rules.working_days_after(sent.date(), days),
            }
        )
