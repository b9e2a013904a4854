"""The writing end of a study's journal; `study.py` describes and reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.tuning.study import Study, Trial, study_path
from statewright.workspace import control_folder

if TYPE_CHECKING:
    from statewright.search.space import Choice, Float, Integer


class Journal:
    """The writing end of a journal; each event is on disk when the call returns."""

    def __init__(self, root: Path, name: str, *, new: bool = False) -> None:
        path = study_path(root, name)
        control_folder(root / ".statewright")
        path.parent.mkdir(exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        if new:  # a study in which no trial succeeded
            os.ftruncate(self._handle, 0)
        self._drop_incomplete_line()

    def begin(self, study: Study) -> None:
        """Write the description of a new study."""
        values = {**vars(study), "space": {name: _plain(entry) for name, entry in study.space.items()}}
        del values["trials"]
        self._append("study", values)

    def resume(self, study: Study) -> None:
        """Write the limits with which a study resumes."""
        self._append("resumed", {name: getattr(study, name) for name in ("budget", "patience", "stop_at")})

    def resolve(self, metric: str) -> None:
        """Write the whole name of the metric, once its file exists."""
        self._append("resolved", {"metric": metric})

    def ask(self, trial: Trial) -> None:
        """Write that a trial starts."""
        names = ("number", "config", "kind", "seed", "started")
        self._append("asked", {name: getattr(trial, name) for name in names})

    def tell(self, trial: Trial) -> None:
        """Write that a trial has finished."""
        self._append("trial", asdict(trial))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _append(self, event: str, values: Mapping[str, Any]) -> None:
        line = json.dumps({"event": event, **values}, ensure_ascii=False) + "\n"
        os.write(self._handle, line.encode("utf-8", "surrogateescape"))
        os.fsync(self._handle)

    def _drop_incomplete_line(self) -> None:
        size = os.fstat(self._handle).st_size
        text = os.pread(self._handle, size, 0)
        os.ftruncate(self._handle, text.rfind(b"\n") + 1)


def _plain(entry: Float | Integer | Choice) -> dict[str, Any]:
    """Return an entry of a space as JSON holds it."""
    return {"type": type(entry).__name__.lower(), **asdict(entry)}
