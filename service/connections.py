"""HTTP connections with a time limit for the header of a request.

The server waits without limit for the header of a request. A client that opens many connections and sends
nothing, or one byte at a time, can so use all of them. Here a connection without a request

- closes after `HEADER_TIMEOUT_S`, however many bytes of a header arrive, and
- closes earlier if there are more than `MAX_CONNECTIONS` and it has waited longest.

The second rule keeps a place for a new client while the others wait. A connection with a request in progress
is never closed: the body and the answer have the time limit of `service.middleware`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_S = 10.0
MAX_CONNECTIONS = 384
MAX_CONCURRENCY = 512
"""Connections or requests above which a request is answered with 503; above `MAX_CONNECTIONS`."""


class TimedConnection(H11Protocol):
    """A connection that closes if no request arrives in time.

    Its class attributes are the limits, so that a subclass can have others.
    """

    header_timeout_s = HEADER_TIMEOUT_S
    max_connections = MAX_CONNECTIONS

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer, and make room if there are too many connections."""
        super().connection_made(transport)
        self._update_timer()
        if len(self.connections) > self.max_connections:
            self._close_longest_waiting()

    def data_received(self, data: bytes) -> None:
        """Handle a part of a request; stop the timer if its header is complete."""
        super().data_received(data)
        self._update_timer()

    def on_response_complete(self) -> None:
        """Start the timer of the next request."""
        super().on_response_complete()
        self._update_timer()

    def connection_lost(self, error: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(error)

    def _update_timer(self) -> None:
        in_progress = self.cycle is not None and not self.cycle.response_complete
        if in_progress or self.transport.is_closing():
            self._stop_timer()
        elif self._timer is None:
            self._waiting_since = self.loop.time()
            self._timer = self.loop.call_later(self.header_timeout_s, self._close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._waiting_since = None

    def _close(self) -> None:
        self._stop_timer()
        # Not `close`, which waits until the client has read what was written to it.
        self.transport.abort()

    def _close_longest_waiting(self) -> None:
        others = [other for other in self.connections if isinstance(other, TimedConnection)]
        waiting = [(other._waiting_since, other) for other in others if other._waiting_since is not None]
        if waiting:
            min(waiting, key=lambda pair: pair[0])[1]._close()
