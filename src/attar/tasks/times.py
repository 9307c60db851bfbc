"""Times of day and durations, from English whose numbers are digits already.

Times are `HH:MM`, with seconds only where there are some; durations are ISO 8601 (`PT1H30M`).
A time without "am", "pm" or a part of the day is read as it stands: "8" is 08:00.
"""

from __future__ import annotations

import re

_PART = r"(?: (?:in the )?(?P<part>morning|afternoon|evening)| (?:at )?(?P<night>night))?"
_HALF_DAY = r"(?: ?(?P<half>[ap])\.? ?m\.?)?"
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?:(?: ?[:.h] ?| )(?P<minute>\d{2})(?: ?: ?(?P<second>\d{2}))?)?"
    r"(?: ?o ?['’]? ?clock)?" + _HALF_DAY + _PART
)
_OH = re.compile(r"(\d{1,2}) (?:oh|o) (\d)\b")
_RELATIVE = re.compile(
    r"(?P<minute>half|(?:a )?quarter|\d{1,2})(?: minutes?)? (?P<way>past|after|to|before|till) "
    r"(?P<hour>\d{1,2}|noon|midnight)(?: ?o ?['’]? ?clock)?" + _HALF_DAY + _PART
)
_NAMED = {"noon": 12, "midday": 12, "midnight": 0}

_UNITS = {
    "y": 12,
    "yr": 12,
    "yrs": 12,
    "year": 12,
    "years": 12,
    "month": 1,
    "months": 1,
}  # in months; fmt: skip
_SECONDS = {
    "w": 604_800, "week": 604_800, "weeks": 604_800, "d": 86_400, "day": 86_400, "days": 86_400,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
}  # fmt: skip
_QUANTITY = r"(?:\d+(?:[.,]\d+)?|half an?|an?|half)"
_STEP = re.compile(
    rf"(?P<count>{_QUANTITY}(?: and (?:a )?half)?)[ -]?(?P<unit>[a-z]+)(?P<half> and a half)?"
)
_BETWEEN = re.compile(r"(?:\s*(?:,|and|&)?\s*)")
_ISO = re.compile(
    r"p(?:(\d+)y)?(?:(\d+)m)?(?:(\d+)w)?(?:(\d+)d)?(?:t(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?)?"
)


def time_in(text: str) -> str | None:
    """The time that a lower-case text states, None where it states none."""
    text = _OH.sub(r"\1 0\2", text.strip())
    if text in _NAMED:
        return f"{_NAMED[text]:02}:00"
    relative = _RELATIVE.fullmatch(text)
    if relative:
        named = relative["minute"]
        minutes = 30 if named == "half" else 15 if named.endswith("quarter") else int(named)
        hour = _NAMED.get(relative["hour"])
        hour = _hour(relative) if hour is None else hour
        if hour is None or minutes > 59:
            return None
        before = relative["way"] in ("to", "before", "till")
        total = (hour * 60 + (-minutes if before else minutes)) % 1440
        return f"{total // 60:02}:{total % 60:02}"
    clock = _CLOCK.fullmatch(text)
    hour = _hour(clock) if clock else None
    if clock is None or hour is None:
        return None
    minute, second = int(clock["minute"] or 0), int(clock["second"] or 0)
    if minute > 59 or second > 59:
        return None
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def _hour(match: re.Match[str]) -> int | None:
    hour = int(match["hour"])
    late = match["half"] == "p" or match["part"] in ("afternoon", "evening")
    if match["night"]:
        late = 6 <= hour < 12
    if hour > 24 or (match["half"] and not 1 <= hour <= 12):
        return None
    if late and hour < 12:
        hour += 12
    elif hour == 12 and (match["half"] == "a" or match["night"] or match["part"] == "morning"):
        hour = 0
    return hour % 24


def duration_in(text: str) -> str | None:
    """The duration that a lower-case text states, in ISO 8601, None where it states none."""
    iso = _ISO.fullmatch(text.strip())
    if iso and any(iso.groups()):
        y, m, weeks, days, hours, minutes, s = (int(group or 0) for group in iso.groups())
        total = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + s
        return _iso(y * 12 + m, total)
    months, seconds, at, unit = 0.0, 0.0, 0, ""
    text = text.strip()
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:  # "1 hour 30", "1h30": minutes after hours need no unit
            bare = re.compile(r"(\d{1,2})$").match(text, at)
            if bare is None or _SECONDS.get(unit) != 3600:
                return None
            seconds += 60 * int(bare[1])
            break
        unit = step["unit"]
        count = _count(step["count"]) + (0.5 if step["half"] else 0.0)
        if unit in _UNITS:
            months += count * _UNITS[unit]
        elif unit in _SECONDS:
            seconds += count * _SECONDS[unit]
        else:
            return None
        between = _BETWEEN.match(text, step.end())
        at = between.end() if between else step.end()
    if not (months or seconds) or not months.is_integer() or not seconds.is_integer():
        return None
    return _iso(int(months), int(seconds))


def _count(text: str) -> float:
    whole, _, half = text.partition(" and ")
    if whole.startswith("half"):
        return 0.5
    number = 1.0 if whole in ("a", "an") else float(whole.replace(",", "."))
    return number + (0.5 if half else 0.0)


def _iso(months: int, seconds: int) -> str | None:
    years, months = divmod(months, 12)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    day = "".join(f"{n}{u}" for n, u in ((years, "Y"), (months, "M"), (days, "D")) if n)
    time = "".join(f"{n}{u}" for n, u in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    return f"P{day}T{time}" if time else f"P{day}" if day else None
