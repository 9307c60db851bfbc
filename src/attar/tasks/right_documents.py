"""The ids of the documents that answer a query as one name, as label sets have one.

A row's label is a text everywhere. The label of a query with one right document is that
document's id; that of a query with several is their sorted JSON array, `["delay", "refund"]`.
No document has an id that reads as such an array: `data.documents` refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable


def documents_name(ids: Iterable[str]) -> str:
    """The label of a query that these documents answer, whatever their order; one at least."""
    kept = sorted(set(ids))
    assert kept
    return kept[0] if len(kept) == 1 else json.dumps(kept, ensure_ascii=False)


def documents_in(name: str | None) -> tuple[str, ...]:
    """The ids of a label that `documents_name` made; none where a row has no label."""
    if name is None:
        return ()
    if name.startswith('["'):
        try:
            found = json.loads(name)
        except (ValueError, RecursionError):
            return (name,)
        if len(found) > 1 and all(isinstance(one, str) for one in found):
            return tuple(found)
    return (name,)
