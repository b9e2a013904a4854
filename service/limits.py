"""Limits of a client: size of a request body, and requests per minute."""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_CLIENTS = 10_000
"""Largest number of clients whose token buckets are held in memory."""


class BodyTooLargeError(Exception):
    """A request body exceeds the limit."""


class BodySizeLimitMiddleware:
    """ASGI middleware that rejects a large request body with 413.

    It counts the bytes that arrive, so a false ``Content-Length`` header does not bypass the limit.

    Parameters
    ----------
    app : ASGI application
    max_bytes : int
        Largest size of a request body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int):
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        content_length = dict(scope["headers"]).get(b"content-length", b"0")
        if content_length.isdigit() and int(content_length) > self.max_bytes:
            await self._reject(send)
            return
        received, rejected = 0, False

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise BodyTooLargeError
            return message

        # The framework answers an interrupted body with 400. The correct status here is 413.
        async def send_unless_rejected(message: Message) -> None:
            nonlocal rejected
            if received <= self.max_bytes:
                await send(message)
            elif not rejected:
                rejected = True
                await self._reject(send)

        try:
            await self.app(scope, receive_limited, send_unless_rejected)
        except BodyTooLargeError:
            if not rejected:
                await self._reject(send)

    async def _reject(self, send: Send) -> None:
        text = f"the request body exceeds {self.max_bytes:,} bytes; send a smaller photograph"
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": text}).encode()})


class RateLimiter:
    """A token bucket for each client.

    A bucket holds as many tokens as a client may send requests per minute, but at least one. It refills at
    that rate.

    Parameters
    ----------
    requests_per_minute : float
        Above 0; infinity for no limit.
    clock : callable
        A monotonic clock in seconds.

    Raises
    ------
    ValueError
        If `requests_per_minute` is not above 0.
    """

    def __init__(self, requests_per_minute: float, clock: Callable[[], float] = time.monotonic):
        if not requests_per_minute > 0:
            raise ValueError(
                f"requests_per_minute is {requests_per_minute}; "
                "expected a number above 0, or infinity for no limit"
            )
        self._rate, self._clock = requests_per_minute / 60, clock
        self._capacity = max(1.0, requests_per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def acquire(self, client: str) -> float:
        """Take one token and return 0, or return the seconds until there is one."""
        if math.isinf(self._capacity):
            return 0.0
        now = self._clock()
        tokens, updated = self._buckets.pop(client, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - updated) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate
