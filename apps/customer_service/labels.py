"""The desk's rows of calls as rows of one label each, for the first recipe, `recipe.toml`.

    python apps/customer_service/labels.py

Rows that ask for one thing keep its name, those that ask for nothing are out of scope. Left out are
rows with several requests, and turns that mean something only in a conversation: yes, no, hello,
thanks, and complaints beside another request's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT_OF_SCOPE = "oos"
OF_CONVERSATIONS = frozenset({"affirm", "complaint", "deny", "greeting", "thanks"})


def labeled(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            names = [call["name"] for call in row["calls"]]
            if len(names) > 1 or OF_CONVERSATIONS.intersection(names):
                continue
            yield {"text": row["text"], "label": names[0] if names else OUT_OF_SCOPE}


def lines(part: str) -> str:
    rows = labeled(HERE / "understand" / f"{part}.jsonl")
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    for part in ("train", "test"):
        (HERE / f"{part}.jsonl").write_text(lines(part), encoding="utf-8")
