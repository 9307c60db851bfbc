"""Rows whose texts ask for function calls: which forms of record there are.

A record has a text and `calls`, or the `messages` of a fine-tuning file in OpenAI's form. The
calls become an annotation (`data.aligned`). It reads the functions too; what they may be is
for `tasks.functions` to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attar.data.aligned import GoldCall, aligned
from attar.data.annotated import CALLS, MESSAGES, SPAN_FIELDS, spans_in
from attar.data.lines import opened
from attar.data.records import short
from attar.errors import DataError, RecipeError
from attar.recipe import Recipe
from attar.tasks import TASKS
from attar.tasks.annotations import name_of
from attar.tasks.calling import MAX_CALLS
from attar.tasks.extract import Extract
from attar.tasks.functions import Functions, functions_in
from attar.tasks.normalize import need_extra
from attar.types import Task

_EXAMPLE = '{"text": "…", "calls": [{"name": "set_timer", "arguments": {"minutes": 5}}]}'


def task_of(recipe: Recipe) -> Task:
    """The task of a recipe; where it names functions, the task that calls them."""
    task = TASKS.get(recipe.task)
    if recipe.data.functions is None:
        return task
    if not isinstance(task, Extract):
        raise RecipeError(
            f"[data] functions: the task {recipe.task!r} calls none; write "
            'task = "extract", or take functions out'
        )
    return task.with_functions(read_functions(recipe.data.functions))


def read_functions(path: Path) -> Functions:
    """The functions of a JSON file. Raises DataError naming the file and the entry, and
    MissingExtraError where their values cannot be read with what is installed."""
    with opened(path) as stream:
        content = stream.read()
    try:
        functions = functions_in(json.loads(content))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            f"{path}: not valid JSON ({error}). Expected a list of functions."
        ) from None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    need_extra(functions.values())
    return functions


def with_message(values: Mapping[str, Any], text_field: str) -> Mapping[str, Any]:
    """The record with a text: that of its last user message, where it has messages alone."""
    messages = values.get(MESSAGES)
    if values.get(text_field) is not None or not isinstance(messages, list):
        return values
    asked = _last_user(messages)
    return values if asked is None else {**values, text_field: _said(messages[asked])}


def annotation_of(values: Mapping[str, Any], text: str, functions: Functions, place: str) -> str:
    """The name of the annotation that a record's calls come to.

    Raises DataError for a record without calls, and for calls that no function takes.
    """
    calls = [
        _call(call, functions, f"{place}: call {number}")
        for number, call in enumerate(_given(values, place), 1)
    ]
    if len(calls) > MAX_CALLS:
        raise DataError(f"{place}: {len(calls)} calls, at most {MAX_CALLS} a text are taken")
    has_spans = any(values.get(field) is not None for field in SPAN_FIELDS)
    given = spans_in(values, text, place) if has_spans else ()
    try:
        return name_of(*aligned(text, calls, functions, given))
    except ValueError as error:
        raise DataError(f"{place}: {error}. Mend the value.") from None


def _given(values: Mapping[str, Any], place: str) -> Sequence[Any]:
    calls = values.get(CALLS)
    if isinstance(calls, str):  # a column of a table
        calls = _parsed(calls, f"{place}: the field {CALLS!r}")
    if isinstance(calls, list):
        return calls
    messages = values.get(MESSAGES)
    if calls is None and isinstance(messages, list):
        return _tool_calls(messages)
    raise DataError(
        f"{place}: there are no calls. Expected the field 'calls' ([] for none of the functions), "
        f"as in {_EXAMPLE}, or 'messages' of which the last of the assistant has 'tool_calls'."
    )


def _call(call: Any, functions: Functions, where: str) -> GoldCall:
    if isinstance(call, dict) and isinstance(call.get("function"), dict):
        call = call["function"]
    name = call.get("name") if isinstance(call, dict) else None
    if not isinstance(name, str):
        raise DataError(f"{where} has no name. Expected an object as in {_EXAMPLE}.")
    if name not in functions:
        known = ", ".join(map(repr, list(functions)[:20]))
        raise DataError(f"{where}: there is no function {short(name)}. There are: {known}.")
    arguments = call.get("arguments") or {}
    if isinstance(arguments, str):
        arguments = _parsed(arguments, f"{where}: its arguments")
    if not isinstance(arguments, dict):
        raise DataError(f"{where}: the arguments are no object. Expected one, as in {_EXAMPLE}.")
    known_arguments = functions[name].arguments
    # Tables fill columns up with nulls, and so do models that are asked for strict JSON.
    arguments = {
        key: value
        for key, value in arguments.items()
        if value is not None or (key in known_arguments and known_arguments[key].nullable)
    }
    problem = functions[name].problem(arguments)
    if problem:
        raise DataError(f"{where}: {problem}. Mend the row, or the schema.")
    return name, arguments


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({error}).") from None


def _last_user(messages: Sequence[Any]) -> int | None:
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    return max((i for i, role in enumerate(roles) if role == "user"), default=None)


def _said(message: Mapping[str, Any]) -> Any:
    """The text of a message, whose content may be a list of parts."""
    content = message.get("content")
    if not isinstance(content, list):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))


def _tool_calls(messages: Sequence[Any]) -> Sequence[Any]:
    """The calls with which the assistant answered the last message of the user."""
    asked = _last_user(messages)
    for message in messages[(asked or 0) + 1 :]:
        if isinstance(message, dict) and message.get("role") == "assistant":
            calls = message.get("tool_calls") or []
            return calls if isinstance(calls, list) else []
    return []
