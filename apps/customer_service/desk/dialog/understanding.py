"""What a message asks for, by the model of one bundle: `extract` with function calls.

Each of the desk's intents is a function, its slots are arguments; a text that calls none is out of
scope. A bundle of `extract` without functions gives one intent a text, the text's label.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import attar
from desk.dialog.reading import LONGEST
from desk.types import Request, Slot, Understood

_LOG = logging.getLogger(__name__)
_SLOTS: tuple[Slot, ...] = get_args(Slot)
OUT_OF_SCOPE = "oos"


class ModelUnderstands:
    """Raises attar.AttarError, when it is made, for a file that is no bundle of `extract`."""

    def __init__(self, bundle: str | Path, threads: int = 1) -> None:
        self._predictor = attar.load(bundle, threads=threads)
        if "spans" not in self._predictor.capabilities:
            raise attar.AttarError(
                f"{bundle}: the desk needs a model of the task extract, which marks spans; "
                f"this one can: {', '.join(self._predictor.capabilities)}"
            )

    @property
    def lists(self) -> tuple[Slot, ...]:
        """Slots of which a request may have several values."""
        functions = self._predictor.manifest["task_settings"].get("functions") or ()
        arguments = [one["parameters"].get("properties", {}) for one in functions]
        return tuple(
            slot
            for slot in _SLOTS
            if any(each.get(slot, {}).get("type") == "array" for each in arguments)
        )

    def __call__(self, text: str) -> Understood:
        try:
            found: Any = self._predictor(text[:LONGEST])
        except attar.AttarError:
            # No text may stop the desk: what cannot be read is not understood.
            _LOG.exception("a message could not be read by the model")
            return Understood((), abstained=True)
        if found.calls is not None:
            requests = tuple(
                Request(call.name, _slots(call.arguments, text), float(call.score))
                for call in found.calls
                if call.name != OUT_OF_SCOPE
            )
            others = _intents(found.alternatives)
            return Understood(requests, found.abstained, others)
        if found.text_label in (None, OUT_OF_SCOPE):
            return Understood((), found.abstained)
        marked: dict[str, list[str]] = {}
        for span in found.spans:
            marked.setdefault(span.label, []).append(text[span.start : span.end])
        request = Request(
            found.text_label, _slots(marked, text), float(found.text_score or found.score)
        )
        others = tuple((one.label, float(one.score)) for one in found.alternatives)
        return Understood((request,), found.abstained, others)


def _intents(alternatives: Sequence[Any]) -> tuple[tuple[str, float], ...]:
    """Of the next best calls, whose labels are JSON: a list with the name of a function."""
    found: dict[str, float] = {}
    for one in alternatives:
        for call in json.loads(one.label):
            found.setdefault(call["name"], float(one.score))
    return tuple(found.items())


def _slots(arguments: Mapping[str, Any], text: str) -> dict[Slot, tuple[str, ...]]:
    """Arguments as slots: a value or a list of them, whatever their type, as words. Two of a kind
    that stand side by side in the text are one that the model has cut ("glass", "teapot")."""
    found: dict[Slot, tuple[str, ...]] = {}
    for name in _SLOTS:
        given = arguments.get(name)
        values = given if isinstance(given, list | tuple) else [] if given is None else [given]
        said: list[str] = []
        for value in (str(one) for one in values if str(one).strip()):
            if said and (whole := f"{said[-1]} {value}") in text:
                said[-1] = whole
            else:
                said.append(value)
        if said:
            found[name] = tuple(said)
    return found


def tools_of(model: ModelUnderstands) -> list[dict[str, Any]]:
    """The functions that a model knows, as OpenAI's `tools`."""
    functions = model._predictor.manifest["task_settings"].get("functions") or ()
    return [
        {"type": "function", "function": {"name": one["name"], "parameters": one["parameters"]}}
        for one in functions
    ]
