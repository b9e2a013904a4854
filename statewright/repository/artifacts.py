"""Artifacts at the top level of a `dvc.yaml`, and the default remote storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from statewright.masking import mask_text
from statewright.meta import Model
from statewright.repository.declaration import Repository
from statewright.workflow import Stage, overlaps


def artifact_tags(repository: Repository, stage: Stage) -> dict[str, str]:
    """Return a tag for each artifact of the top level that a stage writes."""
    return {
        f"artifact:{name}": " ".join(filter(None, (artifact.get("type"), path)))
        for name, path, artifact in _artifacts(repository, stage)
    }


def declared_models(repository: Repository, stage: Stage) -> list[Model]:
    """Return the outputs of a stage that are artifacts of the type ``model``."""
    outs = {out.path for out in stage.outs}
    return [
        Model(path, name=name)
        for name, path, artifact in _artifacts(repository, stage)
        if artifact.get("type") == "model" and path in outs
    ]


def remote_address(repository: Repository) -> str:
    """Return the address of the default remote, without secrets, or nothing."""
    config = repository.repo.config
    name = config["core"].get("remote")
    return mask_text(str(config["remote"].get(name, {}).get("url", ""))) if name else ""


def folder_of(repository: Repository, file: str) -> PurePosixPath:
    """Return the folder of a `dvc.yaml`, relative to the root."""
    return PurePosixPath(Path(file).parent.relative_to(repository.root).as_posix())


def _artifacts(repository: Repository, stage: Stage) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield name, path and declaration of each artifact that a stage writes."""
    paths = [out.path for out in stage.outs]
    for file, artifacts in repository.repo.index._artifacts.items():
        folder = folder_of(repository, file)
        for name, artifact in artifacts.items():
            path = (folder / artifact["path"]).as_posix()
            if any(overlaps(out, path) and len(out) <= len(path) for out in paths):
                yield name, path, artifact
