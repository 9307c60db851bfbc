"""The chat that a shop's pages hold: /widget.js and the files that it loads.

    <script src="https://desk.example/widget.js" defer></script>

Plain JavaScript and CSS, read once; nothing is fetched from anywhere but this server. Optional
attributes of the tag: data-language, data-title, data-theme ("light", "dark"; else as the system
is), data-identity (a token in which the shop vouches for its customer, `channels.sessions`).
`/` shows a page that holds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

MEDIA = {"css": "text/css", "html": "text/html", "js": "text/javascript"}
SCRIPTS = ("chat.js", "client.js", "parts.js", "words.js", "style.css")
#: Every file by its path.
FILES = {
    "/": "demo.html",
    "/demo.css": "demo.css",
    "/widget.js": "widget.js",
    **{f"/widget/{name}": name for name in SCRIPTS},
}
#: What the page at / may do. A shop's page must allow its widget less: script-src and connect-src
#: of this server, with wss: too.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes() -> list[BaseRoute]:
    return [Route(path, _file(name), methods=["GET"]) for path, name in FILES.items()]


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = resources.files(__package__).joinpath(name).read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "content-type": f"{MEDIA[name.rpartition('.')[2]]}; charset=utf-8",
        # Asked for again at each visit, so that a new version is seen at once.
        "cache-control": "no-cache",
        "etag": etag,
        "x-content-type-options": "nosniff",
        "referrer-policy": "strict-origin",
    }
    if name.endswith(".html"):
        headers["content-security-policy"] = POLICY
    else:
        # Pages of shops load them, whatever those pages demand of what they load.
        headers["access-control-allow-origin"] = "*"
        headers["cross-origin-resource-policy"] = "cross-origin"

    async def answer(request: Request) -> Response:
        known = request.headers.get("if-none-match", "")
        if etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers)

    return answer
