"""Middleware of every request: rate limit, timeout, metrics, log and headers."""

from __future__ import annotations

import asyncio
import time
import uuid

from fastapi import Request, Response
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp

from service.errors import error_response
from service.hosts import is_known
from service.limits import RateLimiter
from service.telemetry import LOGGER, Metrics, log_event

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class RequestMiddleware(BaseHTTPMiddleware):
    """Limit, time, count and log every request.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
    limiter : RateLimiter
        It applies to the paths below ``/v1/``.
    hosts : frozenset of str
        Names under which the service answers, see `service.hosts`.
    timeout_s : float
        Seconds until a request is answered with 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        limiter: RateLimiter,
        hosts: frozenset[str],
        timeout_s: float,
    ):
        super().__init__(app)
        self._metrics, self._limiter = metrics, limiter
        self._hosts, self._timeout_s = hosts, timeout_s

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Return the response of the application, or an error response in its place."""
        started, request_id = time.perf_counter(), uuid.uuid4().hex
        response = await self._respond(request, call_next, request_id)
        path = getattr(request.scope.get("route"), "path", "other")
        seconds = time.perf_counter() - started
        self._metrics.requests.labels(path, str(response.status_code)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        response.headers.update({**SECURITY_HEADERS, "x-request-id": request_id})
        log_event(
            "request",
            id=request_id,
            method=request.method,
            path=path,
            status=response.status_code,
            ms=round(1000 * seconds, 2),
        )
        return response

    async def _respond(
        self, request: Request, call_next: RequestResponseEndpoint, request_id: str
    ) -> Response:
        if not is_known(request.headers.get("host", ""), self._hosts):
            return error_response(
                400, "the header Host is not a name of this service; its option --allow-host adds a name"
            )
        client = request.client.host if request.client else ""
        if request.url.path.startswith("/v1/") and (wait_s := self._limiter.acquire(client)):
            return error_response(
                429, f"too many requests; try again in {wait_s:.0f} s", retry_after_s=wait_s
            )
        try:
            return await asyncio.wait_for(call_next(request), self._timeout_s)
        except TimeoutError:
            return error_response(
                503, f"no answer within {self._timeout_s:g} s; try again", retry_after_s=1.0
            )
        except Exception:
            LOGGER.exception("request failed", extra={"fields": {"id": request_id}})
            return error_response(
                500, f"an internal error occurred; try again, or report the request id {request_id}"
            )
