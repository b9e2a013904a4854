"""Prefect's server, which refuses requests of other web pages.

Prefect 3.8 answers requests of any origin and any host name. A page that the user visits could then
create flow runs at ``http://127.0.0.1:4200``, and a worker would run their commands. Here a request
must name this machine (a page cannot make its own name point to it, "DNS rebinding"), and a browser's
request must come from a page of the same server. The rule covers WebSockets, to which browsers apply
no rule of their own. Clients that are not browsers send no ``Origin`` and are not affected. A server beyond
loopback has further names, see `access.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from statewright.running.run_pages import SETTING, App, Receive, Scope, Send, wrap

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
NAMES = "STATEWRIGHT_UI_NAMES"
"""Variable of the server: further names, separated by commas."""


def create_app() -> App:
    """Return Prefect's server behind the guard, for ``uvicorn --factory``."""
    from prefect.server.api.server import create_app

    names = filter(None, os.environ.get(NAMES, "").split(","))
    return OwnOrigin(wrap(create_app(), os.environ.get(SETTING)), LOOPBACK | frozenset(names))


@dataclass(frozen=True)
class OwnOrigin:
    """An ASGI application that refuses requests of other origins with status 403."""

    app: App
    names: frozenset[str] = LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            own = headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")
            problem = fault(*own, names=self.names)
            if problem:
                await _refuse(scope["type"], problem, send)
                return
        await self.app(scope, receive, send)


def fault(
    host: str, origin: str | None, site: str | None = None, names: frozenset[str] = LOOPBACK
) -> str | None:
    """Return why a request is refused, or None.

    Parameters
    ----------
    host : str
        Header `Host`: the address that the browser believes to talk to.
    origin : str or None
        Header `Origin`: the page that sends the request. Browsers send it with every request that
        changes something, and with WebSockets.
    site : str or None
        Header `Sec-Fetch-Site`, which browsers also send where they send no `Origin`.
    names : frozenset of str
        Names of the server.
    """
    name, port = _address(f"http://{host}")
    if name not in names:
        further = "; `statewright ui --allow-host NAME` adds a name" if names != LOOPBACK else ""
        return f"this server answers to {' and '.join(sorted(names - {'::1'}))}, not to '{host}'{further}"
    if origin is not None:
        page, page_port = _address(origin)
        if page not in names or page_port != port:
            return f"this server answers its own pages, not those of '{origin}'"
    elif site == "cross-site":
        return "this server answers its own pages, not those of another site"
    return None


def _address(url: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None, None


async def _refuse(kind: str, problem: str, send: Send) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "origin"})  # uvicorn answers 403
        return
    content = f"403: {problem}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": content})
