"""What the model was made from, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attar.evaluate.page.markup import Html, details, join, plain, table, tag


def data(report: Mapping[str, Any]) -> Html:
    found = report.get("data") or {}
    splits = [[n, f"{c:,}"] for n, c in (found.get("rows") or {}).items() if c is not None]
    dropped = [
        [_spaced(reason), f"{c:,}"] for reason, c in (found.get("dropped") or {}).items() if c
    ]
    notes = [tag("li", note) for note in found.get("notes") or () if note]
    tables = [
        table("Rows by split", ("split", "rows"), splits),
        table("Dropped in curation", ("reason", "rows"), dropped),
    ]
    labels = [str(label) for label in report.get("labels") or () if label is not None]
    return join(
        tag("div", *tables, class_="pair") if any(tables) else Html(""),
        join(tag("h3", "Notes"), tag("ul", *notes)) if notes else Html(""),
        details(f"All {len(labels)} labels", tag("p", ", ".join(labels))) if labels else Html(""),
    )


def reproduce(report: Mapping[str, Any]) -> Html:
    seed, sha = report.get("seed"), report.get("content_sha256")
    build = "attar build RECIPE" + ("" if seed is None else f" --seed {seed}")
    lines = [
        f"{build}   # the same seed and machine give the same content",
        "attar verify FILE   # the file is whole and answers as it did",
        "attar verify FILE --data ROWS   # decides the claims again, on rows of your own",
    ]
    plan = [
        [key, plain(entry.get("value")), entry.get("reason") or ""]
        for key, entry in (report.get("plan") or {}).items()
        if isinstance(entry, Mapping)
    ]
    versions = [[name, v] for name, v in (report.get("versions") or {}).items() if v is not None]
    planned = table("", ("setting", "value", "reason"), plan, numeric=False)
    used = table("", ("package", "version"), versions)
    return join(
        tag("pre", "\n".join(lines)),
        tag("p", "content sha256 ", tag("code", sha), class_="hash") if sha else Html(""),
        details("The plan, each value with its reason", planned) if plan else Html(""),
        details("Versions", used) if versions else Html(""),
    )


def _spaced(key: object) -> str:
    return str(key).replace("_", " ")
