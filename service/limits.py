"""Bounds on what a client may send: bytes of a body, and requests a minute."""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_CLIENTS = 10_000


class TooLarge(Exception):  # noqa: N818 -- a state to be told of, no fault
    """A body is larger than may be."""


class BodyLimit:
    """ASGI middleware: a body over `most_bytes` ends with 413, whatever length its header claims.

    Parameters
    ----------
    app : ASGI application
    most_bytes : int
    """

    def __init__(self, app: ASGIApp, most_bytes: int):
        self.app, self.most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks for it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        claimed = dict(scope["headers"]).get(b"content-length", b"0")
        if claimed.isdigit() and int(claimed) > self.most_bytes:
            await self._refuse(send)
            return
        taken, refused = 0, False

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most_bytes:
                raise TooLarge
            return message

        # The framework answers a body that breaks off by 400; what went wrong here is its size.
        async def watched(message: Message) -> None:
            nonlocal refused
            if taken <= self.most_bytes:
                await send(message)
            elif not refused:
                refused = True
                await self._refuse(send)

        try:
            await self.app(scope, bounded, watched)
        except TooLarge:
            if not refused:
                await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        text = f"the request has more than {self.most_bytes:,} bytes; send a smaller photograph"
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": text}).encode()})


class Rate:
    """A token bucket a client: `a_minute` requests on average, as many at once, but at least one.

    Parameters
    ----------
    a_minute : float
        Above 0; infinity for no bound.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, a_minute: float, clock: Callable[[], float] = time.monotonic):
        if not a_minute > 0:
            raise ValueError(f"a_minute is {a_minute}; expected above 0, infinity for no bound")
        self.rate, self.most, self._clock = a_minute / 60, max(1.0, a_minute), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds that `client` must wait: 0 if it may go on, which takes one token."""
        if math.isinf(self.most):
            return 0.0
        now = self._clock()
        tokens, then = self._buckets.pop(client, (self.most, now))
        tokens = min(self.most, tokens + (now - then) * self.rate)
        may = tokens >= 1
        self._buckets[client] = (tokens - may, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if may else (1 - tokens) / self.rate
