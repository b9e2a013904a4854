"""What happens to every request: counted, timed, logged, bounded; and how a refusal is worded."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from methods.serving.batching import Overloaded
from methods.vision.pictures import PictureError
from service.limits import Rate
from service.telemetry import LOGGER, Figures, log

HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def watch(app: FastAPI, figures: Figures, rate: Rate, grace_s: float) -> None:
    """Count, time, log and bound every request."""

    @app.middleware("http")
    async def watched(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        started, request_id = time.perf_counter(), uuid.uuid4().hex
        client = request.client.host if request.client else ""
        if request.url.path.startswith("/v1/") and (wait := rate.wait(client)):
            response: Response = _problem(429, f"too many requests; wait {wait:.0f} s", retry=wait)
        else:
            response = await _bounded(request, go_on, request_id, grace_s)
        path = getattr(request.scope.get("route"), "path", "other")
        seconds = time.perf_counter() - started
        figures.requests.labels(path, str(response.status_code)).inc()
        figures.seconds.labels(path).observe(seconds)
        response.headers.update({**HEADERS, "x-request-id": request_id})
        log("request", id=request_id, method=request.method, path=path, status=response.status_code,
            ms=round(1000 * seconds, 2))  # fmt: skip
        return response


async def _bounded(
    request: Request, go_on: Callable[[Request], Awaitable[Response]], request_id: str, grace_s: float
) -> Response:
    try:
        return await asyncio.wait_for(go_on(request), grace_s)
    except TimeoutError:
        return _problem(503, f"no answer within {grace_s:g} s; try again", retry=1.0)
    except Exception:
        LOGGER.exception("request failed", extra={"fields": {"id": request_id}})
        return _problem(
            500, f"something went wrong here, not with your request; it is logged as {request_id}"
        )


def _problem(status: int, text: str, *, retry: float | None = None) -> JSONResponse:
    headers = {} if retry is None else {"retry-after": str(max(1, round(retry)))}
    return JSONResponse({"error": text}, status, headers=headers)


def explain(app: FastAPI) -> None:
    """Every refusal is ``{"error": ...}``, in a sentence that a person can act on."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}"
            for fault in error.errors()
        ]
        return _problem(422, "; ".join(faults[:5]))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        response = _problem(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(PictureError)
    async def no_picture(request: Request, error: PictureError) -> Response:
        return _problem(422, str(error))

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        return _problem(503, str(error), retry=1.0)
