"""The tasks, by name. One file a task; nothing is imported until a task is asked for."""

from __future__ import annotations

from attar.registry import Registry
from attar.types import Task

TASKS: Registry[Task] = Registry(
    "tasks",
    {
        "classify": "attar.tasks.classify:CLASSIFY",
        "extract": "attar.tasks.extract:EXTRACT",
        "multilabel": "attar.tasks.multilabel:MULTILABEL",
        "summarize": "attar.tasks.summarize:SUMMARIZE",
    },
    noun="task",
)
