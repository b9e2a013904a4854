"""Photographs: the material and the bin."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from starlette.exceptions import HTTPException

from releaf.bins import BINS
from service.dependencies import EngineDep, MetricsDep, find_city
from service.routes.answers import create_answer_response
from service.schemas import MAX_CHARACTERS, AnswerResponse

router = APIRouter(prefix="/v1", tags=["photographs"])


@router.post("/look")
async def look(
    engine: EngineDep,
    metrics: MetricsDep,
    picture: Annotated[UploadFile, File(description="a JPEG, PNG, WebP, BMP or still GIF")],
    city: Annotated[
        str, Form(max_length=60, description="a city that `GET /v1/cities` lists", examples=["Toronto"])
    ],
    question: Annotated[
        str, Form(max_length=MAX_CHARACTERS, description="name of the item; replaces the recognized material")
    ] = "",
) -> AnswerResponse:
    """Return the material of a photograph and its bin.

    With a question, the bin is that of the item that the question names. The material is then additional
    information.
    """
    city = find_city(engine, city)
    if city not in BINS:
        raise HTTPException(
            404, f"city: photographs are not supported in {city}; type the name of the item instead"
        )
    recognition = await engine.recognize(await picture.read(), city)
    text = question.strip()
    if text:
        answer = (await engine.answer_text(text, city)).answer
    else:
        answer = await engine.answer_photograph(recognition, city)
    return await create_answer_response(engine, metrics, text, answer, recognition)
