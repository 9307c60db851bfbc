"""Function calls of a text: what its label and its spans come to, and the way back.

A text's label is the *template* of its calls: their names in order, each with the arguments whose
values do not stand in the text, as canonical JSON; `[]` for none of the functions. What stands
in the text is a span labeled with the argument's name. Filling the template with the spans'
values gives the calls.

Nothing here looks for values in texts: `data.aligned` does, and proves by `filled` that its
annotation gives the calls back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from attar.canonical import canonical_json
from attar.tasks.annotations import Span
from attar.tasks.functions import Functions
from attar.tasks.normalize import normalized, same

MAX_CALLS = 16  # in one template


class Part(NamedTuple):
    """One call of a template. arguments: the constant ones. shared: those whose value is that
    of another call of the template, which is said once ("the lamp and the fan in the hall")."""

    name: str
    arguments: Mapping[str, Any]
    shared: tuple[str, ...] = ()


class FilledCall(NamedTuple):
    """spans: the numbers of those that its arguments came from. part: that of the template."""

    name: str
    arguments: Mapping[str, Any]
    spans: tuple[int, ...] = ()
    part: int = 0


class Filled(NamedTuple):
    """calls: the valid ones, in order. whole: every call is valid and every span was used."""

    calls: tuple[FilledCall, ...]
    whole: bool


def name_of_template(parts: Sequence[Part]) -> str:
    """The template's one name. Raises ValueError for values that JSON cannot carry exactly."""
    content = [
        {
            "name": part.name,
            **({"arguments": part.arguments} if part.arguments else {}),
            **({"shared": sorted(part.shared)} if part.shared else {}),
        }
        for part in parts
    ]
    return canonical_json(content).decode()


@lru_cache(maxsize=10_000)
def template_in(name: str) -> tuple[Part, ...]:
    """The template of a name that `name_of_template` made. Raises ValueError for another text."""
    try:
        content = json.loads(name)
        parts = tuple(
            Part(one["name"], one.get("arguments", {}), tuple(one.get("shared", ())))
            for one in content
        )
        well_made = (
            len(parts) <= MAX_CALLS
            and all(isinstance(part.name, str) for part in parts)
            and all(isinstance(part.arguments, dict) for part in parts)
            and all(isinstance(one, str) for part in parts for one in part.shared)
            and name_of_template(parts) == name
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        well_made = False
    if not well_made:
        raise ValueError(f"{name[:60]!r} is no template of calls")
    return parts


def check_template(name: str, functions: Functions) -> None:
    """Raise ValueError where a template calls what these functions do not know."""
    for part in template_in(name):
        if part.name not in functions:
            raise ValueError(f"there is no function {part.name[:60]!r}")
        arguments = functions[part.name].arguments
        missing = [one for one in (*part.arguments, *part.shared) if one not in arguments]
        if missing:
            raise ValueError(f"{part.name!r} has no argument {missing[0][:60]!r}")


def filled(
    template: str | None,
    spans: Sequence[Span | tuple[int, int, str]],
    text: str,
    functions: Functions,
    reference: date | None = None,
    owners: Sequence[int] | None = None,
) -> Filled:
    """The calls of a text. spans: in the order of the text. reference: see `normalized`. owners:
    the number of the call that each span goes to.

    Without owners a span goes to the call that took the last one, if it has that argument and
    lacks it yet; else to the next call that does, else to one before: arguments of a call stand
    together.
    """
    parts = () if template is None else template_in(template)
    made = [_Making(part, functions) for part in parts]
    at, whole = 0, True
    for number, (start, end, label) in enumerate(spans):
        order = [*range(at, len(made)), *range(at - 1, -1, -1)]
        if owners is not None:
            order = [owners[number]]
        taker = next((i for i in order if made[i].lacks(label)), None)
        if taker is None:
            whole = False
            continue
        at = taker
        made[taker].take(label, text[start:end], number, reference)
    for i, one in enumerate(made):
        nearest = sorted((abs(j - i), j) for j in range(len(made)))
        for label in one.part.shared:
            holder = next((made[j] for _, j in nearest if label in made[j].own()), None)
            if holder is None:
                one.broken = True
                continue
            one.arguments[label] = _own(holder.arguments[label])
            one.spans += [n for n in holder.spans if spans[n][2] == label]
    calls = [
        FilledCall(one.part.name, one.arguments, tuple(one.spans), number)
        for number, one in enumerate(made)
        if one.valid()
    ]
    return Filled(tuple(calls), whole and len(calls) == len(made))


class _Making:
    """A call that is being filled."""

    def __init__(self, part: Part, functions: Functions) -> None:
        self.part, self.function = part, functions[part.name]
        self.arguments = {name: _own(value) for name, value in part.arguments.items()}
        self.spans: list[int] = []
        self.broken = False

    def lacks(self, label: str) -> bool:
        argument = self.function.arguments.get(label)
        if argument is None or label in self.part.arguments or label in self.part.shared:
            return False
        return argument.many or label not in self.arguments

    def take(self, label: str, words: str, number: int, reference: date | None) -> None:
        argument = self.function.arguments[label]
        value = normalized(words, argument.value, reference)
        if value is None:
            self.broken = True
        if argument.many:
            self.arguments.setdefault(label, []).append(value)
        else:
            self.arguments[label] = value
        self.spans.append(number)

    def own(self) -> dict[str, Any]:
        return {k: v for k, v in self.arguments.items() if k not in self.part.shared}

    def valid(self) -> bool:
        return not self.broken and self.function.problem(self.arguments) is None


def _own(value: Any) -> Any:
    """The value, for an answer to keep: a template is remembered, and its lists stay its own."""
    return list(value) if isinstance(value, list) else value


def alike(
    one: tuple[str, Mapping[str, Any]], other: tuple[str, Mapping[str, Any]], functions: Functions
) -> bool:
    """Whether two calls, (name, canonical arguments) each, are the same."""
    if one[0] != other[0] or one[1].keys() != other[1].keys():
        return False
    known = functions[one[0]].arguments
    return all(same(value, other[1][name], known[name]) for name, value in one[1].items())
