"""Where the arguments of a text's calls stand in it: from calls to a template and spans.

A value stands where the words are its own, in any case, or are read as it ("seven" for 7). What
stands nowhere becomes a constant of the template, or is shared with another call that has the
same value. Of several places those are taken that keep each call's arguments together. Every
annotation is proved: filled again, it gives the calls back; where no choice of places does,
all of the values are constants, which always do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from attar.tasks.annotations import Annotation, Span
from attar.tasks.calling import Part, alike, filled, name_of_template
from attar.tasks.functions import Argument, Functions, Value
from attar.tasks.normalize import canonical, fold, in_digits, normalized
from attar.tasks.words import Place, words_of

MAX_WORDS = 10  # of a number, a date, a duration
MAX_PLACES = 6  # of one value that are looked at
MAX_TRIED = 400  # choices of places a set of arguments
MAX_STEPS = 10_000  # towards such choices
MAX_VALUES = 64  # of a text that are looked for

GoldCall = tuple[str, Mapping[str, Any]]
_DIGITS = re.compile(r"\d+")


class Slot(NamedTuple):
    """An argument that stands in the text. places: of each of its values, one if it is no list."""

    call: int
    argument: Argument
    places: tuple[tuple[Place, ...], ...]


def aligned(
    text: str, calls: Sequence[GoldCall], functions: Functions, given: Sequence[Span] = ()
) -> Annotation:
    """The annotation of calls whose arguments are valid; its label is their template's name.

    given: spans labeled with arguments' names, which are asked first. Raises ValueError for
    values that JSON cannot carry exactly.
    """
    gold = [(name, _canonical(arguments, functions[name].arguments)) for name, arguments in calls]
    words = words_of(text)
    slots = [
        slot
        for i, (name, arguments) in enumerate(gold)
        for key, value in arguments.items()
        if (slot := _slot(i, functions[name].arguments[key], value, text, words, given))
    ]
    if sum(len(slot.places) for slot in slots) > MAX_VALUES:
        slots = []
    for kept, shared in _ways(slots, gold):
        held = {(slot.call, slot.argument.name) for slot in kept} | shared
        template = name_of_template([
            Part(
                name,
                {key: value for key, value in arguments.items() if (i, key) not in held},
                tuple(sorted(key for call, key in shared if call == i)),
            )
            for i, (name, arguments) in enumerate(gold)
        ])  # fmt: skip
        best: tuple[int, Annotation] | None = None
        owned: tuple[int, Annotation] | None = None
        for owners, spans, spread in islice(_placed(kept), MAX_TRIED):
            found = Annotation(template, spans)
            if (best is None or spread < best[0]) and _gives(found, text, gold, functions):
                best = (spread, found)
            if best is not None or list(owners) != sorted(owners):
                continue  # segments of words cannot say whose is what where calls are mixed
            found = Annotation(template, spans, owners=owners)
            if (owned is None or spread < owned[0]) and _gives(found, text, gold, functions):
                owned = (spread, found)
        for one in (best, owned):
            if one is not None:
                return one[1]
    return Annotation(name_of_template([Part(*call) for call in gold]))


def _canonical(arguments: Mapping[str, Any], known: Mapping[str, Argument]) -> dict[str, Any]:
    return {
        name: [canonical(item, known[name].value) for item in value]
        if isinstance(value, list)
        else canonical(value, known[name].value)
        for name, value in arguments.items()
    }


def _slot(
    call: int,
    argument: Argument,
    value: Any,
    text: str,
    words: Sequence[Place],
    given: Sequence[Span],
) -> Slot | None:
    values = value if argument.many else [value]
    if value is None or not values:
        return None
    said = [span for span in given if span.label == argument.name]
    places = []
    for one in values:
        told = tuple(
            (span.start, span.end)
            for span in said
            if _reads(text[span.start : span.end], argument.value, one)
        )
        places.append(told or _places(text, words, argument.value, one))
    return Slot(call, argument, tuple(places)) if all(places) else None


def _places(text: str, words: Sequence[Place], schema: Value, value: Any) -> tuple[Place, ...]:
    """The places that are read as the value, none of them around another: the shortest, but
    of times the longest, so that "9 am" is one like "9 pm"."""
    if schema.kind == "boolean":
        return ()  # "on" and "off" are said without meaning an argument
    lengths = range(1, MAX_WORDS + 1)
    if isinstance(value, str) and (schema.choices or schema.format is None):
        # Signs may stand in either: as many words that are letters, or more.
        own = len(words_of(value))
        letters = len(fold(value).split())
        lengths = range(max(1, letters), own + 3) if schema.choices else range(own, own + 1)
    found: list[Place] = []
    for length in reversed(lengths) if schema.format == "time" else lengths:
        for first in range(len(words) - length + 1):
            place = (words[first][0], words[first + length - 1][1])
            if any(place[0] < end and start < place[1] for start, end in found):
                continue
            part = text[place[0] : place[1]]
            if _may_read(part, schema, value) and _reads(part, schema, value):
                found.append(place)
    return tuple(sorted(found)[:MAX_PLACES])


def _reads(part: str, schema: Value, value: Any) -> bool:
    read = normalized(part, schema)
    if isinstance(read, str) and isinstance(value, str):
        return read.casefold() == " ".join(value.split()).casefold()
    return read is not None and bool(read == value)


def _may_read(part: str, schema: Value, value: Any) -> bool:
    """A quick look before dates are parsed, which takes a thousand times as long."""
    if schema.format not in ("date", "date-time") or not isinstance(value, str):
        return True
    numbers = [int(number) for number in _DIGITS.findall(value)[:3]]
    if len(numbers) < 3:  # "tomorrow": as it is written
        return part.casefold() == value.casefold()
    said = {int(number) for number in _DIGITS.findall(in_digits(part))}
    return (numbers[2] in said and bool({numbers[0], numbers[0] % 100} & said)) or value in part


def _ways(
    slots: Sequence[Slot], gold: Sequence[GoldCall]
) -> Iterator[tuple[list[Slot], frozenset[tuple[int, str]]]]:
    """Which arguments are spans, and which are shared, (call, name): the most spans first."""
    everything = list(slots)
    yield everything, frozenset()
    groups: dict[tuple[str, str], list[Slot]] = {}
    for slot in slots:
        value = repr(gold[slot.call][1][slot.argument.name]).casefold()
        groups.setdefault((slot.argument.name, value), []).append(slot)
    repeated = [group for group in groups.values() if len(group) > 1]
    for turn in range(max(map(len, repeated), default=0)):
        # The call that the span goes to may be any of those that share the value.
        holders = [group[turn % len(group)] for group in repeated]
        out = [slot for group in repeated for slot in group if slot not in holders]
        shared = frozenset((slot.call, slot.argument.name) for slot in out)
        yield [slot for slot in everything if slot not in out], shared
    for slot in slots:
        yield [other for other in everything if other is not slot], frozenset()


def _placed(
    slots: Sequence[Slot],
) -> Iterator[tuple[tuple[int, ...], tuple[Span, ...], int]]:
    """Spans that do not overlap, one a value: of each the number of its call, the spans, and how
    far those of each call spread, summed."""
    wanted = [(slot, places) for slot in slots for places in slot.places]
    steps = iter(range(MAX_STEPS))

    def choose(at: int, taken: tuple[Place, ...]) -> Iterator[tuple[Place, ...]]:
        if at == len(wanted):
            yield taken
            return
        for place in wanted[at][1]:
            if next(steps, None) is None:
                return
            if not any(place[0] < end and start < place[1] for start, end in taken):
                yield from choose(at + 1, (*taken, place))

    for places in choose(0, ()):
        found = zip(wanted, places, strict=True)
        spans = [(slot.call, Span(*place, slot.argument.name)) for (slot, _), place in found]
        spans.sort(key=lambda one: one[1])
        spread = 0
        for call in {call for call, _ in spans}:
            own = [span for number, span in spans if number == call]
            spread += max(s.end for s in own) - min(s.start for s in own)
        yield tuple(call for call, _ in spans), tuple(span for _, span in spans), spread


def _gives(
    annotation: Annotation, text: str, gold: Sequence[GoldCall], functions: Functions
) -> bool:
    found = filled(annotation.label, annotation.spans, text, functions, owners=annotation.owners)
    if not found.whole or len(found.calls) != len(gold):
        return False
    return all(alike(a[:2], b, functions) for a, b in zip(found.calls, gold, strict=True))
