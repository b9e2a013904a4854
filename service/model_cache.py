"""Exported models in a folder, made once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from methods.exchange import ModelCache


def keep_in(folder: Path) -> ModelCache:
    """What keeps each content as a file of `folder`, by its name and a digest of its key and torch's version.

    The folder is made if it is not there; a reader never sees half a file.
    """

    def kept(name: str, key: str, make: Callable[[], bytes]) -> Path:
        digest = hashlib.sha256(f"{version('torch')}\0{key}".encode()).hexdigest()[:16]
        path = folder / f"{name}-{digest}.onnx"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(make())
            part.replace(path)
        return path

    return kept
