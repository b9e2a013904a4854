"""Error responses: ``{"error": ...}`` with a sentence that a user can act on."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from methods.serving.batching import QueueFullError
from methods.vision.pictures import PictureError
from service.ratings import RETRY_S, LogError
from service.schemas import ErrorResponse
from service.telemetry import log_event

MAX_FAULTS = 5
"""Largest number of invalid fields that one response describes."""
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (400, 404, 413, 415, 422, 429, 503)
}


def error_response(status: int, text: str, *, retry_after_s: float | None = None) -> JSONResponse:
    """Return an error response.

    With `retry_after_s`, it has a ``Retry-After`` header of at least 1 s.
    """
    headers = {} if retry_after_s is None else {"retry-after": str(max(1, round(retry_after_s)))}
    return JSONResponse({"error": text}, status, headers=headers)


def add_exception_handlers(app: FastAPI) -> None:
    """Convert the exceptions of the routes and of the framework to error responses."""

    @app.exception_handler(RequestValidationError)
    async def handle_invalid_request(request: Request, error: RequestValidationError) -> Response:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}"
            for fault in error.errors()
        ]
        return error_response(422, "; ".join(faults[:MAX_FAULTS]))

    @app.exception_handler(HTTPException)
    async def handle_http_error(request: Request, error: HTTPException) -> Response:
        response = error_response(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(PictureError)
    async def handle_invalid_picture(request: Request, error: PictureError) -> Response:
        return error_response(422, str(error))

    @app.exception_handler(LogError)
    async def handle_unwritable_log(request: Request, error: LogError) -> Response:
        log_event("rating not logged", error=str(error))
        return error_response(503, "the rating cannot be stored now; try again later", retry_after_s=RETRY_S)

    @app.exception_handler(QueueFullError)
    async def handle_full_queue(request: Request, error: QueueFullError) -> Response:
        return error_response(503, str(error), retry_after_s=1.0)
