"""Pages of `statewright ui` that lead from a flow run to MLflow.

::

    /statewright/ui                        repository of this server
    /statewright/runs/ID                   run in MLflow of the flow run with this id
    /statewright/runs/ID?stage=S&file=F    file of one of its stages

MLflow is asked through its REST API, so any store will do. A run that is not there yet, because it is
written after its end, gets a page that tries again.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from statewright.environment import PASSWORD, USER
from statewright.running.mlflow_pages import Mlflow, find_run_page
from statewright.running.prefect_links import BASE, repository_digest

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

SETTING = "STATEWRIGHT_UI"
"""Variable of the server: repository, and addresses of MLflow, as JSON."""
AGAIN_S = 3

_RUN = re.compile(rf"{BASE}/runs/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})")


@dataclass(frozen=True)
class RunPages:
    """An ASGI application that answers these pages, and passes other requests on."""

    app: App
    root: Path
    mlflow: Mlflow | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{BASE}/"):
            await self.app(scope, receive, send)
            return
        if scope["path"] == f"{BASE}/ui":
            named = {"name": self.root.name, "repository": repository_digest(self.root)}
            await _answer(send, 200, json.dumps(named), "application/json")
        elif (match := _RUN.fullmatch(scope["path"])) and self.mlflow:
            query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
            wanted = match[1], query.get("stage", ""), query.get("file", "")
            page = await asyncio.to_thread(find_run_page, self.mlflow, *wanted)
            if page:
                await _answer(send, 302, "", "text/plain", (b"location", page.encode()))
            else:
                text = "This run is not in MLflow yet. It is written when the run has ended."
                await _answer(send, 404, text, "text/plain", (b"refresh", b"%d" % AGAIN_S))
        else:
            await _answer(send, 404, "There is no such page.", "text/plain")


def wrap(app: App, setting: str | None) -> App:
    """Return the application with these pages, on a server of `statewright ui`."""
    if not setting:
        return app
    values: dict[str, Any] = json.loads(setting)
    password = os.environ.get(PASSWORD, "")
    credentials = f"{USER}:{password}" if password else ""
    mlflow = Mlflow(**values["mlflow"], credentials=credentials) if values["mlflow"] else None
    return RunPages(app, Path(values["root"]), mlflow)


async def _answer(send: Send, status: int, text: str, kind: str, *more: tuple[bytes, bytes]) -> None:
    content = text.encode()
    headers = [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": content})
