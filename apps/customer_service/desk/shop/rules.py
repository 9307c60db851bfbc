"""The shop's rules, as its help pages state them: how long, how much, which goods, which places.

Days of work are Monday to Friday; bank holidays are not counted out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

MOST_PIECES = 5  # of one thing in an order
RETURN_DAYS = 30
LATE_DAYS = 45  # until then unworn goods, for a gift card
WHOLE_ORDER_DAYS = 14  # until then the delivery charge comes back too
REPORT_DAYS = 14
REPORT_DAYS_LARGE = 3
CODE_DAYS = 10  # that a return code lives
KEEP_UNDER = Decimal(15)
LARGE_CANCEL_DAYS = 2
RESET_MINUTES = 30
RESETS_AN_HOUR = 3
ERASE_DAYS = 30
#: Wrong tries an hour, over all conversations, before the right answer is refused too.
IDENTITY_TRIES = 20
PIN_TRIES = 10
DOUBLE_DAYS = 7  # of work, after which a pending double is gone
REPAIR_DAYS = 15  # of work
GIFT_CARD_MONTHS = 24
STANDARD_DELIVERY = Decimal("3.95")
#: Days of work at most, once the money is on its way.
PAYMENT_DAYS = {"card": 5, "paypal": 2, "klarna": 7, "gift_card": 0}
ON_THE_WAY_DAYS = 7
ON_THE_WAY_DAYS_ABROAD = 12
CHECKING_DAYS = 5
CANCELED_DAYS = 2  # of work, until money of a canceled order is back
LATE_PARCEL_DAYS = 2  # of work after the promised day
#: Days of work until the staff answers, by the kind of ticket.
ANSWER_DAYS = {
    "damaged": 1,
    "wrong": 1,
    "missing": 2,
    "lost": 3,
    "double_charge": 2,
    "complaint": 5,
    "warranty": 2,
}
COUNTRIES = {
    "united kingdom": "GB", "uk": "GB", "great britain": "GB", "england": "GB", "scotland": "GB",
    "wales": "GB", "northern ireland": "GB", "ireland": "IE", "france": "FR", "germany": "DE",
    "deutschland": "DE", "netherlands": "NL", "belgium": "BE", "luxembourg": "LU", "spain": "ES",
    "italy": "IT", "portugal": "PT", "austria": "AT", "österreich": "AT", "denmark": "DK",
    "poland": "PL", "polska": "PL", "czech republic": "CZ", "czechia": "CZ", "sweden": "SE",
    "finland": "FI", "norway": "NO", "switzerland": "CH", "schweiz": "CH", "usa": "US",
    "united states": "US", "canada": "CA", "australia": "AU",
}  # fmt: skip
_POSTCODE = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rules:
    """change_window: how long after it was placed an order may be canceled or changed; None: as
    long as it is processing, which is what the desk can do for a customer who writes."""

    change_window: timedelta | None = None


def working_days_after(day: date, days: int) -> date:
    """The day that many days of work later; 0: the day itself."""
    for _ in range(days):
        day += timedelta(days=1)
        while day.weekday() > 4:
            day += timedelta(days=1)
    return day


def last_return_day(placed: date, delivered: date) -> date:
    """The last day to hand a return in; bought 1 November to 24 December: 31 January at least."""
    last = delivered + timedelta(days=RETURN_DAYS)
    if placed.month == 11 or (placed.month == 12 and placed.day <= 24):
        last = max(last, date(placed.year + 1, 1, 31))
    return last


def return_cost(method: str, country: str, faulty: bool) -> Decimal:
    """What a return code costs, in pounds. Norway and Switzerland arrange the way themselves."""
    if faulty or method == "store" or country in ("NO", "CH"):
        return Decimal("0.00")
    if country != "GB":
        return Decimal("6.95")
    return Decimal("3.95") if method == "pick_up" else Decimal("1.95")


def refund_due(announced: date, payment: str, country: str) -> date:
    """The last day by which the money of a return is there: way, check, bank."""
    way = ON_THE_WAY_DAYS if country == "GB" else ON_THE_WAY_DAYS_ABROAD
    return working_days_after(announced, way + CHECKING_DAYS + PAYMENT_DAYS[payment])


def years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def country_of(address: str) -> str | None:
    """The country that an address names or whose postcode it has; None where it does not say."""
    last = re.split(r"[,\n]", address.strip(" .\n,"))[-1].strip().casefold()
    for name, code in COUNTRIES.items():
        if last == name or last.endswith(" " + name):
            return code
    return "GB" if _POSTCODE.search(address) else None


def is_address(address: str) -> bool:
    """Whether a parcel could go there: a house or street and a number or postcode."""
    words = re.findall(r"[^\W\d_]{2,}", _POSTCODE.sub(" ", address))
    return bool(words) and bool(re.search(r"\d", address)) and 8 <= len(address) <= 300


def masked(email: str) -> str:
    """An e-mail that only its owner recognizes: "a…@mail.example"."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}"
