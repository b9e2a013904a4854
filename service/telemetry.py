"""What the service tells of itself: one JSON object a line on stderr, and figures for Prometheus.

A question is never logged.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
LOGGER = logging.getLogger("service")


class JsonLines(logging.Formatter):
    """A record as one line: time, level, event, and the fields in ``extra={"fields": ...}``."""

    def format(self, record: logging.LogRecord) -> str:
        """As `logging` asks for it."""
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
    """Send the service's and the server's records to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn").handlers = []
    logging.getLogger("uvicorn").propagate = False


def log(event: str, **fields: Any) -> None:
    """One line."""
    LOGGER.info(event, extra={"fields": fields})


@dataclass(frozen=True)
class Figures:
    """Counters of one app, in a registry of its own."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram
    answers: Counter
    cache: Counter
    thumbs: Counter
    loaded: Gauge


def make_figures() -> Figures:
    """All at zero."""
    registry = CollectorRegistry()
    return Figures(
        registry,
        Counter("releaf_requests", "Requests", ("path", "status"), registry=registry),
        Histogram("releaf_request_seconds", "Time to answer", ("path",), buckets=SECONDS, registry=registry),
        Counter("releaf_answers", "Answers by how sure the search was", ("level",), registry=registry),
        Counter("releaf_cache", "Questions asked of the cache", ("outcome",), registry=registry),
        Counter("releaf_thumbs", "Thumbs", ("thumb",), registry=registry),
        Gauge("releaf_model_loaded", "1 when the model is loaded", ("model",), registry=registry),
    )
