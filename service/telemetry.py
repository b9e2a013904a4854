"""Logs and metrics of the service: JSON lines on stderr, and Prometheus metrics.

The log never contains a question.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
LOGGER = logging.getLogger("service")


class JsonFormatter(logging.Formatter):
    """A formatter that writes a record as one line of JSON.

    The line has the time, the level, the event, and the fields of ``extra={"fields": ...}``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_to_stderr() -> None:
    """Send the records of the service and of the server to stderr as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in ("service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn").handlers = []
    logging.getLogger("uvicorn").propagate = False


def log_event(event: str, **fields: Any) -> None:
    """Log one event with its fields."""
    LOGGER.info(event, extra={"fields": fields})


@dataclass(frozen=True)
class Metrics:
    """The Prometheus metrics of one application, in a separate registry."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram
    answers: Counter
    cache: Counter
    ratings: Counter
    model_loaded: Gauge


def create_metrics() -> Metrics:
    """Return the metrics of a new application, all at zero."""
    registry = CollectorRegistry()
    return Metrics(
        registry,
        requests=Counter(
            "releaf_requests", "Requests by path and status", ("path", "status"), registry=registry
        ),
        seconds=Histogram(
            "releaf_request_seconds",
            "Duration of a request in seconds",
            ("path",),
            buckets=BUCKETS_S,
            registry=registry,
        ),
        answers=Counter(
            "releaf_answers", "Answers by confidence level of the search", ("level",), registry=registry
        ),
        cache=Counter("releaf_cache", "Cache lookups by outcome", ("outcome",), registry=registry),
        ratings=Counter("releaf_ratings", "Ratings by value", ("rating",), registry=registry),
        model_loaded=Gauge("releaf_model_loaded", "1 if the model is loaded", ("model",), registry=registry),
    )
