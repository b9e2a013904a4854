"""The FastAPI application of the waste assistant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from methods.vision.pictures import MAX_BYTES
from service.engine import InferenceEngine
from service.errors import ERROR_RESPONSES, add_exception_handlers
from service.hosts import known_hosts
from service.limits import BodySizeLimitMiddleware, RateLimiter
from service.middleware import RequestMiddleware
from service.routes import ROUTERS
from service.routes.page import PAGE_FOLDER
from service.telemetry import LOGGER, create_metrics, log_event

FORM_BYTES = 100_000
"""Allowance for the other fields of a form that uploads a photograph."""


def create_app(
    load_engine: Callable[[], InferenceEngine],
    *,
    requests_per_minute: float = 120.0,
    max_body_bytes: int = MAX_BYTES + FORM_BYTES,
    timeout_s: float = 30.0,
    hosts: Iterable[str] = (),
) -> FastAPI:
    """Create the application.

    The model is loaded in the background. Until it is loaded, the routes that need it answer with 503.

    Parameters
    ----------
    load_engine : callable
        It runs in a thread.
    requests_per_minute : float
        Limit of one client, see `service.limits.RateLimiter`.
    max_body_bytes : int
        Largest size of a request body.
    timeout_s : float
        Seconds until a request is answered with 503.
    hosts : iterable of str
        Further names under which the service answers, see `service.hosts`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load_engine(app, load_engine))
        yield
        await loading
        if app.state.engine is not None:
            await asyncio.to_thread(app.state.engine.close)
        log_event("stopped")

    app = FastAPI(
        title="ReleAF",
        summary="Find the bin of a waste item, the reasons, and ideas for its reuse.",
        version="1",
        docs_url=None,  # the page of FastAPI loads scripts from another host; see `service.documentation`
        redoc_url=None,
        lifespan=lifespan,
        responses=ERROR_RESPONSES,
    )
    app.state.engine, app.state.load_error = None, None
    app.state.metrics = create_metrics()
    # The middleware that is added last runs first: rejected bodies are logged and counted too.
    app.add_middleware(BodySizeLimitMiddleware, max_bytes=max_body_bytes)
    app.add_middleware(
        RequestMiddleware,
        metrics=app.state.metrics,
        limiter=RateLimiter(requests_per_minute),
        hosts=known_hosts(hosts),
        timeout_s=timeout_s,
    )
    add_exception_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=PAGE_FOLDER), name="static")
    return app


async def _load_engine(app: FastAPI, load_engine: Callable[[], InferenceEngine]) -> None:
    started = time.perf_counter()
    try:
        engine = await asyncio.to_thread(load_engine)
    except Exception as error:
        app.state.load_error = str(error)
        LOGGER.exception("the model failed to load")
        return
    app.state.engine = engine
    assistant = engine.assistant
    app.state.metrics.model_loaded.labels(assistant.version).set(1)
    seconds = round(time.perf_counter() - started, 3)
    log_event("ready", model=assistant.version, reranker=assistant.reranker, seconds=seconds)
