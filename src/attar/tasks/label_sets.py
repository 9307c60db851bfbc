"""The labels of one row as one name, so that nothing but the task needs to know of sets.

A row's label is a text everywhere: curation finds duplicates and conflicts by it, the
examination compares it with the answer's. A set of labels is therefore named by its
sorted JSON array, `["fees", "liability"]`; a text that no label fits has the label `[]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable


def name_of(labels: Iterable[str]) -> str:
    """The set's one name, whatever the order of its labels and however often they are given."""
    return json.dumps(sorted(set(labels)), ensure_ascii=False)


def labels_in(name: str | None) -> tuple[str, ...]:
    """The labels, sorted, of a name that `name_of` made; none where a row has no label."""
    return tuple(json.loads(name)) if name is not None else ()
