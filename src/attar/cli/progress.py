"""Progress bars on standard error, with the time left. Plain lines where nobody watches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from attar.types import Item


class Bars:
    """One bar at a time; a finished one leaves a line behind."""

    def __init__(self) -> None:
        _quiet_libraries()
        self._console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def track(self, items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
        task = self._bars.add_task(what, total=total)
        try:
            for item in items:
                yield item
                self._bars.advance(task)
        finally:
            seconds = self._bars.tasks[-1].elapsed or 0.0
            self._bars.remove_task(task)
            if seconds >= 1:
                self._console.print(f"  {what}: {seconds:.0f} s", style="dim", markup=False)

    def say(self, message: str) -> None:
        self._console.print(message, markup=False)


def _quiet_libraries() -> None:
    """transformers draws bars of its own, which would fight with these."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
