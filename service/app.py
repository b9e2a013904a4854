"""The HTTP interface: questions and photographs in, bins with reasons out, and one page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Response, UploadFile
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from methods.vision.pictures import MOST_BYTES
from releaf.answers import Answer
from releaf.bins import BINS
from service.assistant import Seen, as_record
from service.engine import Desk
from service.limits import BodyLimit, Rate
from service.requests import explain, watch
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
from service.telemetry import LOGGER, Figures, log, make_figures

PAGE = Path(__file__).resolve().parent / "page"
FORM_BYTES = 100_000
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
    figures = make_figures()

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
    app.add_middleware(BodyLimit, most_bytes=most_bytes)
    watch(app, figures, Rate(a_minute), grace_s)
    explain(app)
    _tell(app, figures)
    _answer(app, figures)
    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    return app


async def _load(app: FastAPI, open_up: Callable[[], Desk], figures: Figures) -> None:
    started = time.perf_counter()
    try:
        app.state.desk = await asyncio.to_thread(open_up)
    except Exception as error:
        app.state.fault = str(error)
        LOGGER.exception("the model could not be loaded")
        return
    assistant = app.state.desk.assistant
    figures.loaded.labels(assistant.version).set(1)
    seconds = round(time.perf_counter() - started, 3)
    log("ready", model=assistant.version, reranker=assistant.reranker, seconds=seconds)


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
        """The model is loaded; which re-ranker it has, or none."""
        assistant = _desk(app).assistant
        return {"status": "ready", "model": assistant.version, "reranker": assistant.reranker}

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
        return await _answered(desk, figures, text, found, seen)

    @app.post("/v1/search")
    async def search(asked: Ask, response: Response) -> Found:
        """The passages that a question finds, without more."""
        _, found = await find(asked, response)
        passages = [cited.__dict__ for cited in found.sources]
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
    words = question or (seen.item if seen else "")
    answer_id = await desk.keep(words, found, by_words=bool(question))
    figures.answers.labels(found.level).inc()
    record = {**as_record(found, seen), "answer_id": answer_id, "model": desk.assistant.version}
    return Answered.model_validate(record)
