"""Files of DVC's cache, as `dvc.lock` and the runs of the run cache name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.stage import Stage as DvcStage


@dataclass(frozen=True)
class CachedFile:
    """A file or folder of DVC's cache.

    Parameters
    ----------
    value : str
        Hash; that of a folder ends with ``.dir``.
    name : str
        Kind of hash: ``md5``, or ``md5-dos2unix`` of repositories that DVC 2 made.
    size : int or None
        Bytes, of a folder the sum of its files.
    remote : str or None
        The remote that the output names (default: the default remote).
    """

    value: str
    name: str = "md5"
    size: int | None = None
    remote: str | None = None


def recorded_files(stage: DvcStage) -> tuple[CachedFile, ...]:
    """Return the recorded outputs of a stage that are in DVC's cache."""
    return tuple(
        CachedFile(out.hash_info.value, out.hash_info.name, out.meta.size if out.meta else None, out.remote)
        for out in stage.outs
        if out.use_cache and out.hash_info and not stage.is_repo_import
    )


def files_of_run(entry: Mapping[str, Any], names: Mapping[str, str | None]) -> tuple[CachedFile, ...]:
    """Return the outputs of a run; also those that git keeps are in the cache.

    Parameters
    ----------
    names : mapping of str to (str or None)
        Path of an output -> name of its remote.
    """
    return tuple(
        CachedFile(
            out["md5"], "md5" if "hash" in out else "md5-dos2unix", out.get("size"), names.get(out["path"])
        )
        for out in entry.get("outs", ())
        if out.get("md5")
    )


def local_run(repo: Any, key: str) -> Mapping[str, Any] | None:
    """Return the newest run under a key of the local run cache, as DVC does."""
    runs = repo.stage_cache
    folder = Path(runs._get_cache_dir(key))
    files = list(folder.iterdir()) if folder.is_dir() else []
    if not files:
        return None
    entry: Mapping[str, Any] | None = runs._load_cache(key, max(files, key=lambda p: p.stat().st_mtime).name)
    return entry
