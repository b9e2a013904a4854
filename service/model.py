"""The assistant as an MLflow model.

MLflow loads the model from this file; nothing is pickled.

A request is a row with ``city`` and ``question`` or ``picture``, a photograph in base64. With both, the
question decides the bin and the photograph adds its material.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel

from service.assistant import Assistant, Recognition, as_record, load_assistant


class AssistantModel(PythonModel):
    """The model that ``mlflow models serve`` starts."""

    assistant: Assistant

    def load_context(self, context: Any) -> None:
        """Load the assistant of the bundle."""
        self.assistant = load_assistant(Path(context.artifacts["bundle"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return one answer for each row, or a dictionary with ``error``."""
        return [self._answer(row) for row in pd.DataFrame(model_input).to_dict("records")]

    def _answer(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        question, name, picture = (_text(row.get(column)) for column in ("question", "city", "picture"))
        city = self.assistant.find_city(name)
        if city is None:
            cities = ", ".join(self.assistant.knowledge.cities)
            return {"error": f"city '{name}' is not supported; choose one of {cities}"}
        try:
            recognition = self._recognize(picture, city) if picture else None
        except ValueError as error:
            return {"error": f"picture: {error}"}
        if question:
            answer = self.assistant.answer_question(question, city)
        elif recognition:
            vector = self.assistant.encode([recognition.item])[0]
            answer = self.assistant.answer_photograph(recognition, city, vector)
        else:
            return {"error": "the row has no question and no picture; expected at least one of them"}
        return as_record(answer, recognition)

    def _recognize(self, picture: str, city: str) -> Recognition:
        from methods.vision.pictures import decode

        try:
            content = base64.b64decode(picture, validate=True)
        except binascii.Error as error:
            raise ValueError(f"expected base64: {error}") from error
        return self.assistant.recognize(self.assistant.observe([decode(content)])[0], city)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


mlflow.models.set_model(AssistantModel())
