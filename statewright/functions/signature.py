"""Rules that connect arguments of a stage function with files in ``dvc.yaml``."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from statewright.workflow import Stage, flatten

PREVIOUS = "previous_"
"""Prefix of the argument that takes the last version of a persistent output of that stem."""


CELL = "cell"
"""Keyword argument that takes the values of a cell of a matrix, by axis."""


def name_of(path: str, cell: Mapping[str, Any], names: Container[str]) -> str:
    """Return the name by which a stage function knows a file.

    It is the stem. In a cell of a matrix, a stem that is the value of an axis differs between the cells: the
    name is that of the axis, if it is among the `names` of the function and the stem is not.
    """
    stem = PurePosixPath(path).stem
    axes = (axis for axis, value in cell.items() if str(value) == stem and axis in names)
    return stem if stem in names else next(axes, stem)


def repeated_stems(paths: Iterable[str]) -> list[str]:
    """Return the stems that occur more than once in `paths`.

    Such files are ambiguous, because an argument names a file by its stem.
    """
    stems = [PurePosixPath(path).stem for path in paths]
    return sorted({stem for stem in stems if stems.count(stem) > 1})


def param_texts(stage: Stage, params: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the texts in the values of a stage's params.

    A dependency whose path is one of them needs no argument: the stage reads it itself.
    """
    return {
        value
        for file, keys in stage.params.items()
        for _, value in flatten({key: params.get(file, {}).get(key) for key in keys})
        if isinstance(value, str)
    }


def is_named_tuple(annotation: Any) -> bool:
    """Return whether an annotation is a NamedTuple: one file for each field."""
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def input_stems(name: str, annotation: Any) -> tuple[str, ...]:
    """Return the stems of the dependencies that an argument takes."""
    return annotation._fields if is_named_tuple(annotation) else (name,)
