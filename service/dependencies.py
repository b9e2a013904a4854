"""Dependencies of the routes: the engine, the metrics, and a check of the city."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from service.engine import InferenceEngine
from service.telemetry import Metrics


def get_engine(request: Request) -> InferenceEngine:
    """Return the engine.

    Raises
    ------
    HTTPException
        503 if the model is not loaded.
    """
    state = request.app.state
    if state.load_error is not None:
        # The reason can contain paths of this machine, so it is in the log only.
        raise HTTPException(503, "the model failed to load; the log of the service has the reason")
    if state.engine is None:
        raise HTTPException(503, "the model is loading; try again in a few seconds")
    engine: InferenceEngine = state.engine
    return engine


def get_metrics(request: Request) -> Metrics:
    """Return the metrics of the application."""
    metrics: Metrics = request.app.state.metrics
    return metrics


EngineDep = Annotated[InferenceEngine, Depends(get_engine)]
MetricsDep = Annotated[Metrics, Depends(get_metrics)]


def find_city(engine: InferenceEngine, city: str) -> str:
    """Return the name of a city as the lists spell it.

    Raises
    ------
    HTTPException
        404 if the city is unknown.
    """
    name = engine.assistant.find_city(city)
    if name is None:
        cities = engine.assistant.knowledge.cities
        raise HTTPException(404, f"city: '{city}' is not supported; choose one of {', '.join(cities)}")
    return name
