"""Finds in replies what belongs to somebody else: order numbers, names, e-mails, addresses,
tracking numbers.

What the customer has said in the conversation may be said back: that tells nothing new.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import select

from desk.shop import Shop, schema
from measure.play import Played

_NUMBER = re.compile(r"MF-\d{5}")
_TRACKING = re.compile(r"NW\d{10}GB")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NAME = re.compile(r"(?=\b([A-Z][\w'-]+ [A-Z][\w'-]+)\b)")


class Strangers:
    """Who owns what in the shop, read once after the orders are dealt out."""

    def __init__(self, shop: Shop) -> None:
        with shop.database.reads() as session:
            people = session.execute(
                select(
                    schema.Customer.id,
                    schema.Customer.name,
                    schema.Customer.email,
                    schema.Customer.address,
                )
            ).all()
            orders = session.execute(
                select(schema.Order.number, schema.Order.customer_id, schema.Order.address)
            ).all()
            parcels = session.execute(
                select(schema.Shipment.tracking, schema.Order.customer_id).join(
                    schema.Order, schema.Order.id == schema.Shipment.order_id
                )
            ).all()
        self._numbers = {number: owner for number, owner, _ in orders}
        self._tracking: dict[str, int] = {one.tracking: one.customer_id for one in parcels}
        self._names: dict[str, set[int]] = {}
        self._emails: dict[str, int] = {}
        self._addresses: dict[str, set[int]] = {}
        for owner, name, email, address in people:
            self._names.setdefault(name, set()).add(owner)
            self._emails[email] = owner
            self._addresses.setdefault(address, set()).add(owner)
        for _, owner, address in orders:
            self._addresses.setdefault(address, set()).add(owner)

    def leaked(self, played: Played) -> list[str]:
        """What of others' was said in the conversation, each once."""
        owner = played.scene.main.customer_id
        said = " ".join(one.text for one in played.said)
        found: list[str] = []
        for text in played.texts:
            found += self._in(text, owner)
        return [one for one in dict.fromkeys(found) if one.casefold() not in said.casefold()]

    def _in(self, text: str, owner: int) -> list[str]:
        found = [n for n in _NUMBER.findall(text) if self._numbers.get(n, owner) != owner]
        found += [n for n in _TRACKING.findall(text) if self._tracking.get(n, owner) != owner]
        found += [e for e in _EMAIL.findall(text) if self._emails.get(e.lower(), owner) != owner]
        found += self._of_others(_NAME.findall(text), self._names, owner)
        if re.search(r"\d", text):
            there = [address for address in self._addresses if address in text]
            found += self._of_others(there, self._addresses, owner)
        return found

    @staticmethod
    def _of_others(said: Sequence[str], owners: dict[str, set[int]], owner: int) -> list[str]:
        return [one for one in said if one in owners and owner not in owners[one]]
