"""Rows and files that a stage has computed, kept until it ends.

A stage function with the keyword argument ``progress: Progress`` appends a row after each costly step.
The rows are in ``.statewright/progress/STAGE.jsonl``, and files that the stage writes itself, such as the
checkpoints of a training, in ``.statewright/progress/STAGE.files``. If the stage is killed, its next run
receives both, unless an input, a param or the fingerprint of the code has changed. They are removed when
the outputs are written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statewright import files
from statewright.contracts import Progress
from statewright.workflow import Stage
from statewright.workspace import control_folder

ARGUMENT = "progress"
"""Name of the keyword argument that takes the rows."""


def is_progress(annotation: str) -> bool:
    """Return whether the text of an annotation names `Progress`."""
    return annotation.rpartition(".")[2] == Progress.__name__


def progress_file(root: Path, address: str) -> Path:
    """Return the file of the rows of a stage."""
    return root / ".statewright" / "progress" / files.file_name(address, ".jsonl")


def progress_folder(root: Path, address: str) -> Path:
    """Return the folder of the files of a stage."""
    return root / ".statewright" / "progress" / files.file_name(address, ".files")


def open_progress(root: Path, stage: Stage, params: Mapping[str, Mapping[str, Any]]) -> Progress:
    """Return what an unfinished run with the same inputs, params and code kept.

    Parameters
    ----------
    root : Path
        The repository.
    params : mapping
        File -> key -> value of all params files.
    """
    path, key = progress_file(root, stage.address), _key(stage, params)
    folder = progress_folder(root, stage.address).absolute()
    rows = _read(path, key)
    if rows is None:
        shutil.rmtree(folder, ignore_errors=True)
        rows = []
    control_folder(root / ".statewright")
    path.parent.mkdir(exist_ok=True)
    # Written again without a last line that is incomplete, as a process leaves it that is killed.
    lines = [json.dumps({"key": key}), *(json.dumps(row) for row in rows)]
    with files.replacing(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def keep(row: Mapping[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    return Progress(rows, keep, folder)


def close_progress(root: Path, address: str) -> None:
    """Remove the rows and files of a stage that has written its outputs."""
    progress_file(root, address).unlink(missing_ok=True)
    shutil.rmtree(progress_folder(root, address), ignore_errors=True)


def _key(stage: Stage, params: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a digest of command, params, code and inputs."""
    values = {
        file: {key: params.get(file, {}).get(key) for key in keys or params.get(file, {})}
        for file, keys in stage.params.items()
    }
    inputs = {path: _content(Path(path)) for path in stage.deps}
    text = json.dumps([stage.cmd, values, inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _content(path: Path) -> Any:
    """Return the hash of a file, or of each file of a folder."""
    if path.is_dir():
        inside = sorted(inner for inner in path.rglob("*") if inner.is_file())
        return {inner.relative_to(path).as_posix(): files.md5(inner) for inner in inside}
    return files.md5(path) if path.is_file() else None


def _read(path: Path, key: str) -> list[dict[str, Any]] | None:
    """Return the rows up to the first invalid line, or None without this key."""
    if not path.is_file():
        return None
    rows: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows[1:] if rows and rows[0] == {"key": key} else None
