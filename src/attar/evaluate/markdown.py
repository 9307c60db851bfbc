"""Markdown made of texts that may hold anything: escaped, so that labels stay labels.

It writes the few blocks that cards need, and quoted texts for their YAML front matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

MARKUP = re.compile(r"([\\`*_\[\]<>|#~$&])")
#: What a quoted YAML text may not hold (YAML 1.2, §5.1), beyond what JSON escapes anyway.
UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def escaped(value: object) -> str:
    """One line, with what Markdown or HTML would read as markup escaped."""
    return MARKUP.sub(r"\\\1", " ".join(str(value).split()))


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table of escaped cells."""
    lines = [[escaped(cell) for cell in row] for row in (head, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def yaml_text(text: str) -> str:
    """A quoted text: JSON's quoting, with what YAML does not take as it is escaped."""
    quoted = json.dumps(text, ensure_ascii=False).encode("utf-8", "replace").decode()
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
