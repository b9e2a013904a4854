"""The web page for people, and the page that describes the API."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse

from service.documentation import documentation_page

PAGE_FOLDER = Path(__file__).resolve().parents[1] / "page"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """Return the web page."""
    return FileResponse(PAGE_FOLDER / "index.html")


@router.get("/docs")
async def documentation(request: Request) -> HTMLResponse:
    """Return the description of the API."""
    return HTMLResponse(documentation_page(request.app.openapi(), str(request.base_url)))
