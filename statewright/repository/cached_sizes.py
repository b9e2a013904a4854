"""Sizes of recorded outputs, from the files of DVC's cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from statewright.repository.declaration import Repository

FOLDER = ".dir"
"""End of the hash of a folder, whose cached file lists the hashes of its files."""


def sizes_in_cache(repository: Repository) -> Callable[[str], int | None]:
    """Return a function from a hash to the bytes of its file or folder.

    The result is None if the cache does not have all of it.
    """
    cache_folder = Path(repository.repo.cache.local.path)

    @cache
    def file_size(version: str) -> int | None:
        try:
            return _path(cache_folder, version).stat().st_size
        except OSError:
            return None

    @cache
    def size(version: str) -> int | None:
        if not version.endswith(FOLDER):
            return file_size(version)
        try:
            entries = json.loads(_path(cache_folder, version).read_text(encoding="utf-8"))
            sizes = [file_size(entry["md5"]) for entry in entries]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return None if None in sizes else sum(known for known in sizes if known is not None)

    return size


def _path(cache_folder: Path, version: str) -> Path:
    return cache_folder / version[:2] / version[2:]
