"""Contents of recorded files by their hash, from DVC's cache or from a commit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from statewright.repository.declaration import Repository
from statewright.repository.revisions import at_revision


def copy_from_cache(repository: Repository, value: str, target: Path) -> bool:
    """Copy the file or folder with this hash; return whether the cache has it."""
    sources = list(_cached_files(repository, value))
    if not sources or any(source is None for _, source in sources):
        return False
    for name, source in sources:
        assert source is not None
        path = target / name if name else target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        path.chmod(0o644)  # the cache is read-only
    return True


def _cached_files(repository: Repository, value: str) -> Iterator[tuple[str, Path | None]]:
    """Yield name and cached file of each file of a hash, None if missing."""
    path = _cached(repository, value)
    if not value.endswith(".dir"):
        yield "", path
    elif path is None:
        yield value, None
    else:
        for entry in json.loads(path.read_text(encoding="utf-8")):
            yield entry["relpath"], _cached(repository, entry["md5"])


def _cached(repository: Repository, value: str) -> Path | None:
    caches = (repository.repo.cache.local, repository.repo.cache.legacy)
    paths = (Path(cache.oid_to_path(value)) for cache in caches)
    return next((path for path in paths if path.is_file()), None)


def copy_from_commit(repository: Repository, commit: str, path: str, target: Path) -> bool:
    """Copy a file or folder of a commit; return whether the commit has it."""
    with at_revision(repository, commit) as earlier:
        fs, source = earlier.repo.fs, str(earlier.root / path)
        if not fs.exists(source):
            return False
        files = [source] if not fs.isdir(source) else list(fs.find(source))
        for file in files:
            place = target if file == source else target / fs.relpath(file, source)
            place.parent.mkdir(parents=True, exist_ok=True)
            with fs.open(file, "rb") as reader, place.open("wb") as writer:
                shutil.copyfileobj(reader, writer)
    return True
