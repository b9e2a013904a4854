"""The routes of the HTTP API, one module for each topic."""

from __future__ import annotations

from service.routes import answers, page, photographs, ratings, status, writing

ROUTERS = (
    page.router,
    status.router,
    answers.router,
    photographs.router,
    writing.router,
    ratings.router,
)
