"""How the arguments of a stage function follow from the paths and params that ``dvc.yaml`` declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from statewright.workflow import Stage, flatten

PREVIOUS = "previous_"
"""Before the stem of a persistent output: the argument that takes what the stage's last run left there."""


def repeated_stems(paths: Iterable[str]) -> list[str]:
    """Stems that more than one of `paths` has: a stage's arguments could not tell them apart."""
    stems = [PurePosixPath(path).stem for path in paths]
    return sorted({stem for stem in stems if stems.count(stem) > 1})


def known_by_params(stage: Stage, params: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Texts among the values of the stage's params: a dependency of that path needs no argument."""
    return {
        value
        for file, keys in stage.params.items()
        for _, value in flatten({key: params.get(file, {}).get(key) for key in keys})
        if isinstance(value, str)
    }


def is_named_tuple(annotation: Any) -> bool:
    """Return whether an annotation is a NamedTuple: a group of files, one a field."""
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def input_stems(name: str, annotation: Any) -> tuple[str, ...]:
    """Return the stems of the dependencies that an argument takes."""
    return annotation._fields if is_named_tuple(annotation) else (name,)
