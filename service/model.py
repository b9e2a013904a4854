"""The assistant as an MLflow pyfunc, loaded from this file: nothing of it is pickled.

A request is a row with ``question`` and ``city``, and perhaps ``picture``, a photograph in base64; with a
question the photograph adds its material, without one it is the question.
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

from releaf.names import asked_for
from service.assistant import Assistant, Seen, as_record, load_assistant


class AssistantModel(PythonModel):
    """What ``mlflow models serve`` starts."""

    assistant: Assistant

    def load_context(self, context: Any) -> None:
        """Read the bundle."""
        self.assistant = load_assistant(Path(context.artifacts["bundle"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """One answer a row; a row that cannot be answered has ``error`` instead."""
        return [self._answer(row) for row in pd.DataFrame(model_input).to_dict("records")]

    def _answer(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        question, city, picture = (_text(row.get(name)) for name in ("question", "city", "picture"))
        if city not in self.assistant.known.cities:
            return {
                "error": f"city '{city}' is not known; known are {', '.join(self.assistant.known.cities)}"
            }
        try:
            seen = self._see(picture, city) if picture else None
        except ValueError as error:
            return {"error": f"picture: {error}"}
        if question:
            thing = asked_for(question)
            found = self.assistant.ask(thing, city, self.assistant.encode([thing])[0])
        elif seen:
            found = self.assistant.show(seen, city, self.assistant.encode([seen.item])[0])
        else:
            return {"error": "there is neither a question nor a picture"}
        return as_record(found, seen)

    def _see(self, picture: str, city: str) -> Seen:
        from methods.vision.pictures import decode

        try:
            content = base64.b64decode(picture, validate=True)
        except binascii.Error as error:
            raise ValueError(f"no base64: {error}") from error
        return self.assistant.see(self.assistant.name_materials([decode(content)])[0], city)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


mlflow.models.set_model(AssistantModel())
