"""The data that a stage read and the models that it wrote, for the record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from statewright.meta import Model
from statewright.record.datasets import DatasetRecord
from statewright.record.journal import HeldFile
from statewright.record.models import LARGEST_COPY, ModelRecord
from statewright.repository.artifacts import declared_models, remote_address
from statewright.running.work import Work
from statewright.state import Hashes
from statewright.workflow import Stage


def datasets_of(work: Work, inputs: Hashes) -> tuple[DatasetRecord, ...]:
    """Return the dependencies of a stage that are outputs in DVC's cache."""
    repository = work.writer.repository
    remote = remote_address(repository)
    records = []
    for path, digest in inputs.items():
        if digest is None or not _is_tracked(path, work.tracked):
            continue
        file = repository.root / path
        size = file.stat().st_size if file.is_file() else None
        records.append(DatasetRecord(path, digest, remote, size, _copy(work, path, digest)))
    return tuple(records)


def models_of(work: Work, stage: Stage, outputs: Hashes) -> tuple[ModelRecord, ...]:
    """Return the outputs that `meta.model` or DVC's artifacts declare as models."""
    return tuple(
        ModelRecord(
            name=model.name or PurePosixPath(model.file).stem,
            path=model.file,
            digest=str(outputs[model.file]),
            kind=PurePosixPath(model.file).suffix.removeprefix("."),
            remote=remote_address(work.writer.repository),
            example=_copy(work, model.example) if model.example else None,
            target=model.target,
        )
        for model in _models(work, stage)
        if outputs.get(model.file)
    )


def _models(work: Work, stage: Stage) -> Iterator[Model]:
    own = [
        replace(
            model,
            file=_below(stage, model.file),
            example=_below(stage, model.example) if model.example else None,
        )
        for model in stage.settings.model
    ]
    yield from own
    files = {model.file for model in own}
    for model in declared_models(work.writer.repository, stage):
        if model.file not in files:
            yield model


def _below(stage: Stage, path: str) -> str:
    """Return a path, which is written as under `outs`, relative to the root."""
    return os.path.normpath(PurePosixPath(stage.wdir, path))


def _copy(work: Work, path: str, digest: str = "") -> HeldFile | None:
    """Return a copy of a small file, one for each content of a run.

    The recorder must not open the file itself: the watch would take that for a read of a stage.
    """
    file = work.writer.repository.root / path
    if not file.is_file() or file.stat().st_size > LARGEST_COPY:
        return None
    name = digest + file.suffix if digest else path
    if name not in work.copies:
        work.copies[name] = work.recorder.hold(file)
    return work.copies[name]


def _is_tracked(path: str, tracked: frozenset[str]) -> bool:
    """Return whether a path, or a folder around it, is an output in the cache."""
    return path in tracked or any(folder.as_posix() in tracked for folder in PurePosixPath(path).parents)
