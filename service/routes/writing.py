"""Answers in sentences."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Response

from releaf.bins import spell_out
from service.dependencies import EngineDep, MetricsDep
from service.routes.answers import find_answer
from service.schemas import Passage, WriteRequest, WriteResponse

router = APIRouter(prefix="/v1", tags=["writing"])


@router.post("/write")
async def write(
    body: WriteRequest, engine: EngineDep, metrics: MetricsDep, response: Response
) -> WriteResponse:
    """Return an answer in sentences that cite passages.

    The text names the bin of `POST /v1/ask` and no other; it says so if the bin is not known.
    """
    answer = await find_answer(body, engine, metrics, response)
    written = await engine.write(body.question, answer, body.temperature, body.seed)
    passages = [Passage.model_validate(passage) for passage in written.passages]
    generated = asdict(written.generated)
    generated["text"] = spell_out(generated["text"])
    return WriteResponse.model_validate(
        {
            **generated,
            "passages": passages,
            "bin": answer.bin,
            "sure": answer.sure,
            "caution": None if answer.caution is None else spell_out(answer.caution),
        }
    )
