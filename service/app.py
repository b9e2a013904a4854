"""The HTTP interface: questions and photographs in, bins with reasons out, and one page."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from methods.assistant.answering import Answer
from methods.assistant.bins import BINS
from methods.serving.batching import Overloaded
from methods.vision.pictures import MOST_BYTES, PictureError
from service.assistant import Seen, as_record
from service.desk import Desk
from service.limits import BodyLimit, Rate
from service.schemas import (
    MOST_CHARACTERS,
    Answered,
    Ask,
    Cities,
    Found,
    Ideas,
    Problem,
    Thumb,
    Write,
    Written,
)
from service.watching import LOGGER, Figures, log, make_figures

PAGE = Path(__file__).resolve().parent / "page"
FORM_BYTES = 100_000
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 404, 413, 415, 422, 429, 503)
}


def create_app(
    open_up: Callable[[], Desk],
    *,
    a_minute: float = 120.0,
    most_bytes: int = MOST_BYTES + FORM_BYTES,
    grace_s: float = 30.0,
) -> FastAPI:
    """The app; `open_up` loads the model in the background, until then only `/health` answers.

    Parameters
    ----------
    open_up : callable
    a_minute : float
        Requests of one client, see `service.limits.Rate`.
    most_bytes : int
        Of a request's body.
    grace_s : float
        After which a request is given up.
    """
    figures, rate = make_figures(), Rate(a_minute)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(app, open_up, figures))
        yield
        await loading
        if app.state.desk is not None:
            await asyncio.to_thread(app.state.desk.close)
        log("stopped")

    app = FastAPI(
        title="ReleAF",
        summary="Which bin a thing belongs in, why, and what else it could become.",
        version="1",
        docs_url=None,  # its page would fetch scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=PROBLEMS,
    )
    app.state.desk, app.state.fault = None, None
    _watch(app, figures, rate, grace_s)
    _explain(app)
    _tell(app, figures)
    _answer(app, figures)
    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    app.add_middleware(BodyLimit, most_bytes=most_bytes)
    return app


async def _load(app: FastAPI, open_up: Callable[[], Desk], figures: Figures) -> None:
    started = time.perf_counter()
    try:
        app.state.desk = await asyncio.to_thread(open_up)
    except Exception as error:
        app.state.fault = str(error)
        LOGGER.exception("the model could not be loaded")
        return
    version = app.state.desk.assistant.version
    figures.loaded.labels(version).set(1)
    log("ready", model=version, seconds=round(time.perf_counter() - started, 3))


def _watch(app: FastAPI, figures: Figures, rate: Rate, grace_s: float) -> None:
    """Count, time, log and bound every request."""

    @app.middleware("http")
    async def watch(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
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


def _explain(app: FastAPI) -> None:
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
        return _problem(error.status_code, str(error.detail))

    @app.exception_handler(PictureError)
    async def no_picture(request: Request, error: PictureError) -> Response:
        return _problem(422, str(error))

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        return _problem(503, str(error), retry=1.0)


def _tell(app: FastAPI, figures: Figures) -> None:
    """Health, readiness, figures, the page."""

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/health")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        """The model is loaded."""
        return {"status": "ready", "model": _desk(app).assistant.version}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/cities")
    async def cities() -> Cities:
        """What can be asked about: cities and their streams."""
        assistant = _desk(app).assistant
        return Cities(
            cities={city: list(model.streams) for city, model in sorted(assistant.known.models.items())},
            model=assistant.version,
        )


def _desk(app: FastAPI) -> Desk:
    if app.state.fault is not None:
        raise HTTPException(503, f"the model could not be loaded: {app.state.fault}")
    if app.state.desk is None:
        raise HTTPException(503, "the model is being loaded; try again in a few seconds")
    desk: Desk = app.state.desk
    return desk


def _known_city(desk: Desk, city: str) -> str:
    if city not in desk.assistant.known.cities:
        raise HTTPException(
            404, f"city: '{city}' is not known; known are {', '.join(desk.assistant.known.cities)}"
        )
    return city


def _answer(app: FastAPI, figures: Figures) -> None:
    """Questions, photographs, passages, ideas, thumbs."""

    async def find(asked: Ask, response: Response) -> tuple[Desk, Answer]:
        desk = _desk(app)
        found, cached = await desk.ask(asked.question, _known_city(desk, asked.city))
        outcome = "hit" if cached else "miss"
        figures.cache.labels(outcome).inc()
        response.headers["x-cache"] = outcome
        return desk, found

    @app.post("/v1/ask")
    async def ask(asked: Ask, response: Response) -> Answered:
        """The bin of a thing that is named or described."""
        desk, found = await find(asked, response)
        return await _answered(desk, figures, asked.question, found)

    @app.post("/v1/look")
    async def look(
        picture: Annotated[UploadFile, File(description="a JPEG, PNG, WebP, BMP or still GIF")],
        city: Annotated[str, Form(max_length=60)],
        question: Annotated[str, Form(max_length=MOST_CHARACTERS)] = "",
    ) -> Answered:
        """The material of a photograph and its bin; a question beside it says what the thing is."""
        desk = _desk(app)
        if _known_city(desk, city) not in BINS:
            raise HTTPException(404, f"city: no table says where a material goes in {city}; ask by words")
        seen = await desk.look(await picture.read(), city)
        text = question.strip()
        found = (await desk.ask(text, city))[0] if text else await desk.show(seen, city)
        return await _answered(desk, figures, text or seen.item, found, seen)

    @app.post("/v1/search")
    async def search(asked: Ask, response: Response) -> Found:
        """The passages that a question finds, without more."""
        _, found = await find(asked, response)
        passages = [cited.__dict__ for cited in found.found]
        return Found.model_validate(
            {"passages": passages, "confidence": found.confidence, "level": found.level}
        )

    @app.post("/v1/ideas")
    async def ideas(asked: Ask, response: Response) -> Ideas:
        """What the thing could become: by the first card, and by the graph."""
        _, found = await find(asked, response)
        cards = [cited.__dict__ for cited in found.reasons if cited.part == "reuse"]
        return Ideas.model_validate({"cards": cards, "graph": [idea.__dict__ for idea in found.ideas]})

    @app.post("/v1/write")
    async def write(asked: Write, response: Response) -> Written:
        """The answer in sentences that cite their passages; a refusal where the search is not sure."""
        desk, found = await find(asked, response)
        written, given = await desk.write(asked.question, found, asked.temperature, asked.seed)
        passages = [cited.__dict__ for cited in given]
        return Written.model_validate({**asdict(written), "passages": passages})

    @app.post("/v1/thumbs", status_code=204)
    async def thumbs(thumb: Thumb) -> None:
        """Say whether an answer was good."""
        if not await _desk(app).judge(thumb.answer_id, thumb.thumb):
            raise HTTPException(404, f"answer_id: there is no answer '{thumb.answer_id}'")
        figures.thumbs.labels(str(thumb.thumb)).inc()


async def _answered(
    desk: Desk, figures: Figures, question: str, found: Answer, seen: Seen | None = None
) -> Answered:
    answer_id = await desk.keep(question, found)
    figures.answers.labels(found.level).inc()
    record = {**as_record(found, seen), "answer_id": answer_id, "model": desk.assistant.version}
    return Answered.model_validate(record)
