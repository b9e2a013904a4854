"""The state of the service: health, readiness, metrics and supported cities."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from releaf.bins import FULL_NAMES
from service.dependencies import EngineDep, MetricsDep
from service.schemas import CitiesResponse, HealthResponse, ReadyResponse

router = APIRouter(tags=["status"])


@router.get("/health")
async def health() -> HealthResponse:
    """Return 200 while the process runs."""
    return HealthResponse(status="alive")


@router.get("/ready")
async def ready(engine: EngineDep) -> ReadyResponse:
    """Return 200 when the model is loaded, with its version and its re-ranker."""
    assistant = engine.assistant
    return ReadyResponse(status="ready", model=assistant.version, reranker=assistant.reranker)


@router.get("/metrics", include_in_schema=False)
async def metrics(metrics: MetricsDep) -> Response:
    """Return the metrics in the text format of Prometheus."""
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/cities")
async def cities(engine: EngineDep) -> CitiesResponse:
    """Return the supported cities with their bins."""
    models = engine.assistant.knowledge.models
    return CitiesResponse(
        cities={city: list(model.streams) for city, model in sorted(models.items())},
        full_names=FULL_NAMES,
        model=engine.assistant.version,
    )
