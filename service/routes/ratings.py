"""Ratings of answers by users."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from service.dependencies import EngineDep, MetricsDep
from service.schemas import RatingRequest

router = APIRouter(prefix="/v1", tags=["ratings"])


@router.post("/ratings", status_code=204)
async def rate(body: RatingRequest, engine: EngineDep, metrics: MetricsDep) -> None:
    """Rate an answer as right or wrong, or withdraw the rating."""
    if not await engine.rate(body.answer_id, body.rating):
        raise HTTPException(
            404, f"answer_id: no answer has the identifier '{body.answer_id}'; send that of a received answer"
        )
    metrics.ratings.labels(str(body.rating)).inc()
