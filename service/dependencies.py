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
        raise HTTPException(503, f"the model failed to load: {state.load_error}")
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


def check_city(engine: InferenceEngine, city: str) -> None:
    """Raise an error if the assistant does not support a city.

    Raises
    ------
    HTTPException
        404 if the city is unknown.
    """
    cities = engine.assistant.knowledge.cities
    if city not in cities:
        raise HTTPException(404, f"city: '{city}' is not supported; choose one of {', '.join(cities)}")
