"""A folder of exported models, each exported once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from methods.exchange import ModelCache


def cache_in_folder(folder: Path) -> ModelCache:
    """Return a cache that stores each exported model as a file of `folder`.

    The file name contains the name of the model and a digest of its key and the version of torch. The folder
    is created with the first model. A file is renamed when it is complete, so a reader never sees a part of
    it.
    """

    def export_once(name: str, key: str, export: Callable[[], bytes]) -> Path:
        digest = hashlib.sha256(f"{version('torch')}\0{key}".encode()).hexdigest()[:16]
        path = folder / f"{name}-{digest}.onnx"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(export())
            part.replace(path)
        return path

    return export_once
