"""The tasks, by name. One file a task; nothing is imported until a task is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attar.registry import Registry
from attar.types import Task

TASKS: Registry[Task] = Registry(
    "tasks",
    {
        "classify": "attar.tasks.classify:CLASSIFY",
        "extract": "attar.tasks.extract:EXTRACT",
        "multilabel": "attar.tasks.multilabel:MULTILABEL",
        "rank": "attar.tasks.rank:RANK",
        "summarize": "attar.tasks.summarize:SUMMARIZE",
    },
    noun="task",
)


def task_in(manifest: Mapping[str, Any]) -> Task:
    """The task of a bundle whose manifest was checked, with the functions that its model calls."""
    task = TASKS.get(manifest["task"])
    functions = manifest["task_settings"].get("functions")
    if functions is None or manifest["task"] != "extract":
        return task
    from attar.tasks.extract import Extract
    from attar.tasks.functions import known_functions

    return Extract(known_functions(functions))
