"""The cache of a repository, for a copy of its checkout.

A copy that uses the cache of the original has its run cache too: what one of them has computed, the other
restores. DVC writes to both atomically, so several copies can do it at once.
"""

from __future__ import annotations

import os
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
            # DVC's databases about a folder; in the copy they are removed with it.
            settings.setdefault("core", {})["site_cache_dir"] = str(folder / "tmp" / "site")
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


def outside(repository: Repository, address: str) -> dict[str, str]:
    """Return the dependencies of a stage beside the repository, such as ``../data``.

    They are in a copy of the checkout, too. A dependency that is declared with an absolute path is not.

    Returns
    -------
    dict of str to str
        Path as `Stage.deps` has it -> path relative to the root.
    """
    root = repository.root
    return {
        relative(dep, root): os.path.relpath(dep.fs_path, root)
        for dep in repository.stages[address].deps
        if dep.protocol == "local"
        and dep.fs_path
        and not hasattr(dep, "def_repo")  # a file of another repository
        and not Path(dep.fs_path).is_relative_to(root)
        and not Path(dep.def_path).is_absolute()
    }


def _is_changed(out: object) -> bool:
    status = out.workspace_status()  # type: ignore[attr-defined]
    return any(value != "deleted" for value in status.values())
