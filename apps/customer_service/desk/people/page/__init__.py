"""The agents' page and the dashboard: plain HTML, CSS and JavaScript, read once.

They hold nothing: what they show they fetch with the API key that is typed in, which the browser
keeps as long as its tab is open. Parts come from the widget (`/widget/parts.js`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

MEDIA = {"css": "text/css", "html": "text/html", "js": "text/javascript"}
SCRIPTS = ("agents.js", "talk.js", "figures.js", "plots.js", "api.js", "style.css", "figures.css")
FILES = {
    "/people/": "agents.html",
    "/people/figures": "figures.html",
    **{f"/people/page/{name}": name for name in SCRIPTS},
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes() -> list[BaseRoute]:
    there = [Route(path, _file(name), methods=["GET"]) for path, name in FILES.items()]
    return [*there, Route("/people", _there, methods=["GET"])]


async def _there(request: Request) -> Response:
    return RedirectResponse("/people/")


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = resources.files(__package__).joinpath(name).read_bytes()
    headers = {
        "content-type": f"{MEDIA[name.rpartition('.')[2]]}; charset=utf-8",
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }

    async def answer(request: Request) -> Response:
        return Response(content, headers=headers)

    return answer
