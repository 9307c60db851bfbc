"""What the pages are written with: elements, tables, numbers, and a whole document.

Every text of the user's is escaped: only `Html` passes into a page as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

Format = Callable[[float], str]
# The policy forbids the page any request at all, whatever a text in it may say.
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
"""


class Html(str):
    """A string that is markup already; any other string is escaped where it is used."""

    __slots__ = ()


def join(*children: object) -> Html:
    """The children one after another, escaped unless they are Html."""
    return Html("".join(c if isinstance(c, Html) else escape(_encodable(c)) for c in children))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element. Attributes that are None are left out; `aria_label` is aria-label."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_encodable(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def document(title: str, *body: Html) -> str:
    """A whole page in the style that all pages share."""
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    head = join(tag("title", title), tag("style", Html(style)))
    return f"{_HEAD}{head}</head>\n<body>{join(*body)}</body>\n</html>\n"


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    numeric: bool = True,
    style: str = "",
) -> Html:
    """Cells are escaped unless Html; "" without rows. numeric: all but the first column;
    a table of texts instead turns each row into a card on a narrow screen."""
    if not rows:
        return Html("")
    body = []
    for row in rows:
        cells = [tag("th", row[0], scope="row", dir="auto", data_name=head[0])]
        cells += [
            tag("td", cell, dir="auto", data_name=None if numeric else name)
            for name, cell in zip(head[1:], row[1:], strict=True)
        ]
        body.append(tag("tr", *cells))
    top = tag("thead", tag("tr", *[tag("th", name, scope="col") for name in head]))
    title = tag("caption", caption) if caption else Html("")
    kind = f"{'numbers' if numeric else 'texts'} {style}".strip()
    whole = tag("table", title, top, tag("tbody", *body), class_=kind)
    return tag("div", whole, class_="scroll")


def figure(drawing: Html, caption: str = "") -> Html:
    return tag("figure", drawing, tag("figcaption", caption) if caption else Html(""))


def breakable(name: object) -> Html:
    """A label that may be broken after its underscores. Its direction is its own: a label
    written from right to left does not turn the words around it."""
    first, *rest = str(name).split("_")
    return tag("bdi", first, *[join("_", Html("<wbr>"), part) for part in rest])


def details(summary: str, body: Html) -> Html:
    return tag("details", tag("summary", summary), body)


def paragraph(text: str) -> Html:
    return tag("p", text) if text else Html("")


def hidden(text: str) -> Html:
    """For screen readers only."""
    return tag("span", text, class_="unseen")


def dig(report: Mapping[str, Any], *keys: str) -> Any:
    """The value at the end of the keys, or None where the way ends early."""
    found: Any = report
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def records(parent: Mapping[str, Any], name: str, *needed: str) -> list[Mapping[str, Any]]:
    """The rows under a name that have all that is needed to show them."""
    rows = parent.get(name) or ()
    return [row for row in rows if all(dig(row, key) is not None for key in needed)]


def percent(share: float) -> str:
    return f"{share:.1%}"


def short_percent(share: float) -> str:
    """For axes: 95% rather than 95.0%."""
    return f"{share:.1%}".replace(".0%", "%")


def in_points(share: float) -> str:
    return f"{100 * share:+.1f} points".replace("-", "−")


def three_digits(value: float) -> str:
    return f"{value:.3f}"


def in_ms(value: float) -> str:
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"


def in_mb(value: float) -> str:
    return f"{value:.3g} MB" if value < 1000 else f"{value:,.0f} MB"


def file_size(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


def in_usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.2g}"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def plain(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _encodable(value: object) -> str:
    """Without the lone surrogates that JSON can hold and UTF-8 cannot."""
    return str(value).encode("utf-8", "replace").decode("utf-8")
