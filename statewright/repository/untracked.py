"""Find files that neither git nor DVC can give to another machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from statewright.git import git
from statewright.repository.declaration import Repository


@dataclass(frozen=True)
class Shared:
    """Files and folders that another machine can get, relative to the repository.

    Parameters
    ----------
    files : set of str
        Files that git tracks, or would with ``git add``.
    outputs : set of str
        Outputs of stages and data tracked by DVC.
    """

    files: Set[str]
    outputs: Set[str]

    def has(self, path: str) -> bool:
        """Return whether git has the file, or DVC has it or a folder around it."""
        above = map(str, PurePosixPath(path).parents)
        return path in self.files or path in self.outputs or not self.outputs.isdisjoint(above)


def shared_files(root: Path, outputs: Set[str]) -> Shared:
    """Return what git and DVC hold of the repository at `root`."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return Shared(frozenset(listed.split("\0")), outputs)


def ignored_file(repository: Repository, path: str, shared: Shared) -> str | None:
    """Return a file of a dependency that git ignores and DVC does not hold, or None.

    Compiled Python is not counted: the other machine makes its own.
    """
    files = _files(repository, path)
    return next((file for file in files if not shared.has(file) and "__pycache__" not in file), None)


def leaving_link(repository: Repository, path: str, shared: Shared) -> str | None:
    """Return a symbolic link of a path that leaves the repository, or None.

    Outputs themselves may be links into DVC's cache.
    """
    root = os.path.realpath(repository.root)
    folder = path
    while folder := str(PurePosixPath(folder).parent) if folder != "." else "":
        if folder != "." and _leaves(root, repository.root / folder):
            return folder
    links = (file for file in [path, *_files(repository, path)] if file in shared.files)
    return next((file for file in links if _leaves(root, repository.root / file)), None)


def _leaves(root: str, path: Path) -> bool:
    target = os.path.realpath(path)
    return path.is_symlink() and os.path.commonpath([root, target]) != root


def _files(repository: Repository, path: str) -> Iterator[str]:
    """Yield the files of a dependency as DVC sees them; nothing if it does not exist."""
    full = repository.root / path
    if full.is_dir():
        repo = repository.repo
        for file in repo.dvcignore.find(repo.fs, str(full)):
            yield Path(file).relative_to(repository.root).as_posix()
    elif full.exists() or full.is_symlink():
        yield path
