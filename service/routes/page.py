"""The web page and its files."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

PAGE_FOLDER = Path(__file__).resolve().parents[1] / "page"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """Return the web page."""
    return FileResponse(PAGE_FOLDER / "index.html")
