"""Write and read the state of a training: safetensors and JSON, without pickle.

A checkpoint is a folder with ``state.json``, which names the file of its tensors. Both files are written
under a new name and flushed to the disk. Then ``state.json`` is replaced in one step, so that a process
that is killed at any moment leaves the previous checkpoint or the new one, and never a mixture.

This is the one module of the package that opens files: a state that is returned at the end would not survive
the end of the process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load, save
from torch import Tensor

VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """Folder of a checkpoint, and the number of updates between two of them.

    A training with a checkpoint resumes from the folder if it has one.
    """

    folder: Path
    every: int = 1


@dataclass(frozen=True)
class Saved:
    """Content of a checkpoint: tensors by name, and values that JSON can hold."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def write(folder: Path, saved: Saved) -> None:
    """Replace the checkpoint of a folder, so that a reader never sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    previous = _tensor_files(folder)
    number = 1 + max((int(path.stem.partition("-")[2]) for path in previous), default=0)
    name = f"tensors-{number}.safetensors"
    # Tensors that share memory, such as tied weights, are each written in full.
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in saved.tensors.items()}
    _flush(folder / name, save(tensors))
    values = json.dumps({"version": VERSION, "tensors": name, **saved.values}, default=_as_list)
    _flush(folder / "state.json.new", values.encode())
    os.replace(folder / "state.json.new", folder / "state.json")  # noqa: PTH105
    _flush_names(folder)
    for path in previous:
        path.unlink(missing_ok=True)


def read(folder: Path) -> Saved | None:
    """Return the checkpoint of a folder, or None if there is none.

    Raises
    ------
    ValueError
        If the checkpoint has another version, or its tensors are missing.
    """
    path = folder / "state.json"
    if not path.exists():
        return None
    values = json.loads(path.read_text("utf-8"))
    tensors = folder / values.get("tensors", "")
    if values.get("version") != VERSION or not tensors.is_file():
        raise ValueError(
            f"{path}: found version {values.get('version')} with tensors {values.get('tensors')!r}; expected "
            f"version {VERSION} and that file beside it; delete {folder} to train from the start"
        )
    return Saved(load(tensors.read_bytes()), values)


def _tensor_files(folder: Path) -> list[Path]:
    return list(folder.glob("tensors-*.safetensors"))


def _flush(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_names(folder: Path) -> None:
    """Flush the names in a folder; without it a power failure can revert a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_list(value: Any) -> Any:
    """Convert the arrays in the states of NumPy's generators."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a checkpoint holds {type(value).__name__}; expected values of JSON, arrays or tensors")
