"""What a recorded data set has so far, what it still lacks, and the recipe that reads it.

It counts; it never shows a text or a label, because its lines go to a log.
"""

from __future__ import annotations

import json
from collections import Counter
from glob import escape
from pathlib import Path

from attar.runtime.capture import beside

MOST_LABELS = 10_000  # that are counted
LEAST_A_LABEL = 20  # rows, below which a build has little to learn and to certify from


class Tally:
    """Kept by one thread. path: of the rows with a label; None where none are written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._labels: Counter[str] = Counter()
        self._several = False  # labels a row
        self.rows = self.labeled = 0

    def add(self, label: str | list[str] | None) -> None:
        self.rows += 1
        if label is None:
            return
        self.labeled += 1
        self._several = self._several or isinstance(label, list)
        for name in [label] if isinstance(label, str) else label:
            if name in self._labels or len(self._labels) < MOST_LABELS:
                self._labels[name] += 1

    def line(self) -> str:
        labels = len(self._labels)
        head = f"{self.rows:,} rows, {self.labeled:,} of them with one of {labels:,} labels: "
        if self.labeled == 0:
            return f"{head}no answer was a label. What is one, --label-from says."
        if labels > 20 and labels > self.labeled / 3:
            return (
                f"{head}most of them once or twice, as answers are and labels are not. Choose "
                "with --label-from or --system-contains."
            )
        few = sum(count < LEAST_A_LABEL for count in self._labels.values())
        if few:
            return f"{head}{few:,} of these under {LEAST_A_LABEL} rows, which is little to build on"
        if labels < 2:
            return f"{head}there is nothing to tell it from yet"
        return f"{head}each at least {LEAST_A_LABEL} times, enough for a first `attar build`"

    def recipe(self) -> str:
        if self._path is None or self.labeled == 0:
            return "no recipe yet: a build needs rows with labels"
        task = "multilabel" if self._several else "classify"
        lines = [f'task = "{task}"', "", "[data]", f"train = {_written(self._path)}"]
        if (unlabeled := _written(beside(self._path))) != "[]":
            lines.append(f"unlabeled = {unlabeled}")
        return "\n".join([f"a recipe, to be written beside {self._path}:", "", *lines, ""])


def _written(path: Path) -> str:
    """The file and what was rotated out of it, without empty ones, as a list in TOML."""
    older = path.parent.glob(f"{escape(path.stem)}.[0-9]*{path.suffix}")
    names = [one.name for one in (path, *sorted(older)) if one.is_file() and one.stat().st_size]
    return json.dumps(names, ensure_ascii=False)
