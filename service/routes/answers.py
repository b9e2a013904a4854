"""Questions in words: the bin, the passages, and ideas for reuse."""

from __future__ import annotations

from fastapi import APIRouter, Response

from releaf.answers import Answer
from service.assistant import Recognition, as_record
from service.dependencies import EngineDep, MetricsDep, find_city
from service.engine import InferenceEngine
from service.schemas import (
    AnswerResponse,
    AskRequest,
    IdeasResponse,
    Passage,
    ReuseIdea,
    SearchResponse,
)
from service.telemetry import Metrics

router = APIRouter(prefix="/v1", tags=["answers"])


@router.post("/ask")
async def ask(body: AskRequest, engine: EngineDep, metrics: MetricsDep, response: Response) -> AnswerResponse:
    """Return the bin of an item that is named or described."""
    answer = await find_answer(body, engine, metrics, response)
    return await create_answer_response(engine, metrics, body.question, answer)


@router.post("/search")
async def search(
    body: AskRequest, engine: EngineDep, metrics: MetricsDep, response: Response
) -> SearchResponse:
    """Return the passages that match a question."""
    answer = await find_answer(body, engine, metrics, response)
    return SearchResponse(
        passages=[Passage.model_validate(passage) for passage in answer.sources],
        confidence=answer.confidence,
        level=answer.level,
    )


@router.post("/ideas")
async def ideas(
    body: AskRequest, engine: EngineDep, metrics: MetricsDep, response: Response
) -> IdeasResponse:
    """Return ideas for the reuse of an item, from the cited card and from the graph."""
    answer = await find_answer(body, engine, metrics, response)
    return IdeasResponse(
        cards=[Passage.model_validate(passage) for passage in answer.reasons if passage.part == "reuse"],
        graph=[ReuseIdea.model_validate(idea) for idea in answer.ideas],
    )


async def find_answer(
    body: AskRequest, engine: InferenceEngine, metrics: Metrics, response: Response
) -> Answer:
    """Answer a question; report a cache hit or miss in a header and the metrics."""
    result = await engine.answer_text(body.question, find_city(engine, body.city))
    outcome = "hit" if result.hit else "miss"
    metrics.cache.labels(outcome).inc()
    response.headers["x-cache"] = outcome
    return result.answer


async def create_answer_response(
    engine: InferenceEngine,
    metrics: Metrics,
    question: str,
    answer: Answer,
    recognition: Recognition | None = None,
) -> AnswerResponse:
    """Log an answer and return it as a response.

    A photograph without text is logged under the name of the item that represents it.
    """
    name = question or (recognition.item if recognition else "")
    answer_id = await engine.record_answer(name, answer, from_text=bool(question))
    metrics.answers.labels(answer.level).inc()
    record = as_record(answer, recognition)
    return AnswerResponse.model_validate(
        {**record, "answer_id": answer_id, "model": engine.assistant.version}
    )
