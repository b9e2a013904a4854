"""The cache of a repository, for a copy of its checkout.

A copy that uses the cache of the original has its run cache too: what one of them has computed, the other
restores. DVC writes to both atomically, so several copies can do it at once.
"""

from __future__ import annotations

from pathlib import Path

from dvc.config import Config

from statewright.repository.declaration import Repository, relative
from statewright.repository.errors import translate_errors


def share_cache(repository: Repository, copied: Path) -> None:
    """Make a copy of the checkout use the original's cache and settings.

    Parameters
    ----------
    copied : Path
        Root of the repository in the copy.
    """
    repo = repository.repo
    folder = copied / Path(repo.dvc_dir).relative_to(repository.root)
    folder.mkdir(parents=True, exist_ok=True)
    with translate_errors("settings of DVC"):
        own = repo.config.load_one("local")  # its paths are absolute here
        with Config(str(folder), local_dvc_dir=str(folder)).edit("local", validate=False) as settings:
            for section, values in own.items():
                settings.setdefault(section, {}).update(values)
            if not repo.config["cache"].get("local"):
                settings["cache"]["dir"] = str(Path(repo.cache.local_cache_dir).resolve())


def restorable(repository: Repository, address: str) -> list[str]:
    """Return the outputs of a stage that are on disk as recorded, and in the cache.

    A copy of the checkout gets them from there.
    """
    with repository.locked():
        return [
            relative(out, repository.root)
            for out in repository.stages[address].outs
            if out.use_cache and out.hash_info and not out.changed_cache() and not _is_changed(out)
        ]


def _is_changed(out: object) -> bool:
    status = out.workspace_status()  # type: ignore[attr-defined]
    return any(value != "deleted" for value in status.values())
